"""Whether a ledger holds what was written, every row once and every trial whole. Changes nothing."""

import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from analysis.parts import DamagedFileError, Part, conform, read_part
from analysis.schema import TUNING_PHASES
from study.ledger.attempt import ATTEMPTS, LOGS
from study.ledger.log import read_log
from study.spec import StudySpec

KEY = ["optimizer", "phase", "number", "replicate"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """What a check has found.

    Args:
        counts: Files and rows of `trials`, `epochs`, `log` and `attempts`.
        damaged: One line about every damaged file.
        duplicates: Every key that stands more than once.
        gaps: Every replicate whose epochs do not make up its steps, or that has epochs and no trial row.
        missing: What the study has yet to train of trials that have begun, and of its tuning.
    """

    counts: Mapping[str, tuple[int, int]]
    damaged: list[str]
    duplicates: list[str]
    gaps: list[str]
    missing: list[str]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong; a study that has not ended is sound."""
        return not (self.damaged or self.duplicates or self.gaps)


def check_ledger(directory: pathlib.Path, spec: StudySpec, schemas: Mapping[str, pa.Schema]) -> Check:
    """Read every file of a ledger."""
    damaged: list[str] = []
    parts = {name: _read(directory / name, damaged) for name in schemas}
    tables = {name: _frame(_counting(parts[name]), schema) for name, schema in schemas.items()}
    logs = [read_log(path) for path in sorted((directory / LOGS).glob("*.arrows"))]
    damaged += [f"{log.path}: {log.damage}" for log in logs if log.damage is not None]
    superseded = [
        part for folder in (ATTEMPTS, f"{ATTEMPTS}/trials", f"{ATTEMPTS}/epochs")
        for part in _read(directory / folder, damaged)
    ]  # fmt: skip
    return Check(
        counts={
            **{name: (len(parts[name]), tables[name].height) for name in schemas},
            LOGS: (len(logs), sum(len(log.rows) for log in logs)),
            ATTEMPTS: (len(superseded), sum(part.rows.num_rows for part in superseded)),
        },
        damaged=damaged,
        duplicates=[line for name, rows in tables.items() for line in _duplicates(name, rows)],
        gaps=list(_gaps(tables["trials"], tables["epochs"])),
        missing=list(_missing(tables["trials"], spec)),
    )


def _read(folder: pathlib.Path, damaged: list[str]) -> list[Part]:
    parts = []
    for path in sorted(folder.glob("*.parquet")):
        try:
            parts.append(read_part(path))
        except DamagedFileError as error:
            damaged.append(f"{path}: {error.reason}")
    return parts


def _counting(parts: list[Part]) -> list[Part]:
    """Without the files that a merge has replaced and not yet deleted."""
    replaced = frozenset[str]().union(*(part.replaces for part in parts))
    return [part for part in parts if part.path.name not in replaced]


def _frame(parts: list[Part], schema: pa.Schema) -> pl.DataFrame:
    wanted = pa.schema([schema.field(name) for name in (*KEY, "epoch", "steps") if name in schema.names])
    tables = [conform(part.rows, wanted) for part in parts]
    return pl.DataFrame(pl.from_arrow(pa.concat_tables([wanted.empty_table(), *tables])))


def _duplicates(table: str, rows: pl.DataFrame) -> Iterator[str]:
    key = [name for name in (*KEY, "epoch") if name in rows.columns]
    for row in rows.group_by(key).len().filter(pl.col("len") > 1).sort(key).iter_rows(named=True):
        yield f"{table}: {_name(row)} stands {row['len']} times"


def _gaps(trials: pl.DataFrame, epochs: pl.DataFrame) -> Iterator[str]:
    trained = epochs.group_by(KEY).agg(trained=pl.col("steps").sum(), last=pl.col("epoch").max(), epochs=pl.len())
    together = trials.join(trained, on=KEY, how="full", coalesce=True).sort(KEY)
    for row in together.iter_rows(named=True):
        if row["steps"] is None:
            yield f"{_name(row)} has {row['epochs']} epochs and no trial row"
        elif row["steps"] != (row["trained"] or 0):
            yield f"{_name(row)} has epochs of {row['trained'] or 0} steps, its trial row counts {row['steps']}"
        elif row["epochs"] and row["last"] != row["epochs"]:
            yield f"{_name(row)} has {row['epochs']} epochs, the last of them is {row['last']}"


def _missing(trials: pl.DataFrame, spec: StudySpec) -> Iterator[str]:
    tuned = trials.filter(pl.col("phase").is_in(TUNING_PHASES))
    for optimizer in spec.extent.optimizers:
        numbers = set(tuned.filter(optimizer=optimizer)["number"])
        if lacking := [number for number in range(spec.extent.num_trials) if number not in numbers]:
            yield f"{optimizer} tuning: {len(lacking)} of {spec.extent.num_trials} trials, from number {lacking[0]} on"
    for row in trials.group_by(KEY[:3]).len().sort(KEY[:3]).iter_rows(named=True):
        planned = spec.extent.num_confirm_seeds if row["phase"] == "confirm" else spec.identity.num_seeds
        if row["len"] < planned:
            yield f"{_name(row)}: {planned - row['len']} of {planned} replicates"


def _name(row: Mapping[str, object]) -> str:
    return " ".join(f"{name} {row[name]}" if name in ("replicate", "epoch") else str(row[name])
                    for name in (*KEY, "epoch") if name in row)  # fmt: skip
