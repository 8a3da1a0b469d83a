"""Flat tables, CSV or Parquet: one row per run, and if there are curves one row per run and epoch."""

import argparse
import pathlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pyarrow as pa

from analysis.command_line import Parser, path
from analysis.ingest.description import Description
from analysis.ingest.runs import SourceRun
from analysis.ingest.sources import Found, Source, add_description, readings_of
from analysis.ingest.values import CURVES, OUTCOMES, Reading, SourceError, listed, whole
from analysis.ledger import schema
from analysis.ledger.schema import KEY, PHASES, STATUSES, TRIALS_HEAD, TRIALS_TAIL
from analysis.ledger.study import Optimizer
from analysis.lines import one_line
from analysis.spreadsheet import unquoted

TRIAL = "trial"
"""Column that joins both tables where number and replicate are left to this program."""

ALLOWED_PHASES = tuple(phase for phase in PHASES if phase != "timing")


@dataclass(frozen=True, kw_only=True)
class Tables:
    """How the tables are read.

    Args:
        optimizers: As described.
        phase: Phase of the runs if the table has no such column.
        readings: How our columns are read; one that is not named here has the same name there.
        ignore: Columns that are passed over.
    """

    optimizers: Mapping[str, Optimizer]
    phase: str
    readings: Mapping[str, Reading] = field(default_factory=dict)
    ignore: Collection[str] = ()


def read_tables(trials: pathlib.Path, epochs: pathlib.Path | None, how: Tables) -> list[SourceRun]:
    """The runs of the tables.

    Raises:
        SourceError: A file cannot be read, its columns have no meaning or its rows do not fit together.
    """
    hyperparameters = {name for optimizer in how.optimizers.values() for name in optimizer.space}
    tables = {path: _read(path) for path in (trials, epochs) if path}
    columns = {name for table in tables.values() for name in table.columns}
    if absent := [(ours, reading.key) for ours, reading in how.readings.items() if reading.key not in columns]:
        raise SourceError(f"--map {absent[0][0]}: columns are {listed(columns, 40)}, not {absent[0][1]!r}; name one.")
    rows = _rows(trials, tables[trials], _types(schema.trials_schema(hyperparameters)), how)
    _check_keys(trials, rows)
    curves = _curves(epochs, tables[epochs], rows, how) if epochs else {}
    return [
        _run(place, row, curves.pop(_name(row), []), hyperparameters, how) for place, row in enumerate(rows, start=1)
    ]


def _types(fields: pa.Schema) -> dict[str, pa.DataType]:
    return {name: fields.field(name).type for name in fields.names if name != "run"} | {TRIAL: pa.string()}


def _read(path: pathlib.Path) -> pl.DataFrame:
    try:
        # As text, so that this program and not a guess decides what is a number.
        return pl.read_parquet(path) if path.suffix == ".parquet" else unquoted(pl.read_csv(path, infer_schema=False))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SourceError(
            f"a table must be a CSV file, or a Parquet file named .parquet, {str(path)!r} cannot be read "
            f"({one_line(str(error))[:200]}); correct the path or the file."
        ) from None


def _rows(
    path: pathlib.Path, table: pl.DataFrame, wanted: Mapping[str, pa.DataType], how: Tables
) -> list[dict[str, Any]]:
    """The rows with our columns, converted to their types."""
    readings = {name: how.readings.get(name, Reading(name)) for name in wanted}
    used = {reading.key for reading in readings.values()} | set(how.ignore)
    if unknown := sorted(set(table.columns) - used):
        raise SourceError(
            f"{str(path)!r} has columns that mean nothing here: {listed(unknown)}; give them one of the names of "
            "docs/ledger.md with --map, describe them as hyperparameters, or say --ignore."
        )
    kept = set(table.columns) - set(how.ignore)
    present = {name: reading for name, reading in readings.items() if reading.key in kept}
    rows = [
        {name: _value(row, reading, wanted[name], f"{path.name}, row {place}") for name, reading in present.items()}
        for place, row in enumerate(table.iter_rows(named=True), start=1)
    ]
    if not rows:
        raise SourceError(f"a table needs at least one row, {str(path)!r} has none; check what wrote it.")
    return rows


def _value(row: Mapping[str, object], reading: Reading, kind: pa.DataType, origin: str) -> object:
    value = row[reading.key]
    if value is None or value == "":
        return None
    if pa.types.is_integer(kind):
        return whole(value, f"{origin}: {reading.key}")
    if pa.types.is_floating(kind):
        return reading(row, origin)
    if pa.types.is_boolean(kind):
        if str(value).lower() not in ("true", "false"):
            raise SourceError(f"{origin}: {reading.key} must be true or false, got {value!r}; mend it.")
        return str(value).lower() == "true"
    if pa.types.is_string(kind):
        return str(value)
    if isinstance(value, str):
        raise SourceError(
            f"{origin}: {reading.key} can only come from Parquet, CSV has no lists; say --ignore {reading.key}."
        )
    return value


def _check_keys(path: pathlib.Path, rows: list[dict[str, Any]]) -> None:
    for name, options in (("phase", ALLOWED_PHASES), ("status", STATUSES)):
        found = {row.get(name) for row in rows} - {None}
        if unknown := found - set(options):
            raise SourceError(
                f"{str(path)!r}: {name} must be one of {', '.join(options)}, got {listed(unknown)}; correct it."
            )
    given = [row.get("number") is not None and row.get("replicate") is not None for row in rows]
    partly = any(row.get("number") is not None or row.get("replicate") is not None for row in rows)
    if partly and not all(given):
        raise SourceError(
            f"{str(path)!r}: number and replicate must stand in all rows or in none; without them runs are counted."
        )
    if missing := [place for place, row in enumerate(rows, start=1) if row.get("optimizer") is None]:
        raise SourceError(f"{str(path)!r}: optimizer must stand in every row, row {missing[0]} has none; add it.")
    names = [_name(row) for row in rows]
    if TRIAL in rows[0] and (None,) in names:
        raise SourceError(f"{str(path)!r}: the column {TRIAL} must name every run, one has no name; add it.")
    if (TRIAL in rows[0] or all(given)) and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SourceError(f"{str(path)!r}: each run must stand once, {listed(twice)} stands twice; remove one row.")


def _name(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What joins a run and its epochs."""
    return (row[TRIAL],) if TRIAL in row else tuple(row.get(name) for name in KEY)


def _curves(
    path: pathlib.Path, table: pl.DataFrame, trials: list[dict[str, Any]], how: Tables
) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """The epochs of each run, in order."""
    rows = _rows(path, table, _types(schema.epochs_schema()), how)
    needed = [TRIAL] if TRIAL in trials[0] else KEY
    for kind, first in (("trials", trials[0]), ("epochs", rows[0])):
        if lacking := [column for column in needed if column not in first]:
            raise SourceError(
                f"both tables must name the run by the column {TRIAL}, or by {', '.join(KEY)}; {kind} lacks "
                f"{', '.join(lacking)}; add the column {TRIAL} to both."
            )
    known = {_name(row) for row in trials}
    curves: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        if (name := _name(row)) not in known:
            raise SourceError(
                f"{str(path)!r}: epochs belong to a run of the trials, {listed(name)} is not there; remove them."
            )
        curves.setdefault(name, []).append(row)
    for name, own in curves.items():
        own.sort(key=lambda row: row.get("epoch") or 0)
        if [row.get("epoch") for row in own] != list(range(1, len(own) + 1)):
            raise SourceError(
                f"{str(path)!r}: epoch must count 1, 2, 3, ... for every run, that of {listed(name)} does not; mend it."
            )
    return curves


def _run(
    place: int, row: dict[str, Any], epochs: list[dict[str, Any]], hyperparameters: set[str], how: Tables
) -> SourceRun:
    optimizer = row["optimizer"]
    space = how.optimizers[optimizer].space if optimizer in how.optimizers else {}
    status = row.get("status")
    if extra := [name for name in hyperparameters - set(space) if space and row.get(name) is not None]:
        raise SourceError(
            f"trials, row {place}: {optimizer} has no hyperparameter {listed(extra)}; empty the cell or describe it."
        )
    ours = {*KEY, TRIAL, "seed", *hyperparameters}
    kept = (*CURVES, "step_losses", "attempt")
    phase = row.get("phase") or how.phase
    return SourceRun(
        origin=f"trials, row {place}",
        optimizer=optimizer,
        phase=phase,
        hyperparameters={name: row.get(name) for name in space},
        seed=row.get("seed"),
        epochs=[
            {name: value for name, value in epoch.items() if name in kept and value is not None} for epoch in epochs
        ],
        final={name: value for name, value in row.items() if name not in ours and value is not None},
        failure=(row.get("message") or "failed") if status == "failed" else None,
        number=row.get("number"),
        replicate=row.get("replicate"),
    )


def _add_options(parser: Parser) -> None:
    parser.add_argument("--trials", type=path, required=True, metavar="FILE", help="one row per run")
    parser.add_argument("--epochs", type=path, metavar="FILE", help="one row per run and epoch")
    parser.add_argument("--ignore", nargs="+", default=[], action="extend", metavar="COLUMN", help="pass over a column")
    add_description(parser, phase="explore")


def _read_options(options: argparse.Namespace, description: Description) -> Found:
    columns = [column.name for column in (*TRIALS_HEAD, *TRIALS_TAIL) if column.name not in (*CURVES, *OUTCOMES, "run")]
    how = Tables(
        optimizers=description.optimizers,
        phase=options.phase,
        readings=readings_of(options, description, *columns, TRIAL, "epoch"),
        ignore=options.ignore,
    )
    return read_tables(options.trials, options.epochs, how), description, []


SOURCE = Source(
    help="CSV or Parquet files", description=read_tables.__doc__, add_options=_add_options, read=_read_options
)
