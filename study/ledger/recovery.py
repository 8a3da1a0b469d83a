"""What a run finds in its directory after whatever ended the last one: every row once, whole or not at all."""

import pathlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import polars as pl
import pyarrow as pa

from analysis.parts import DamagedFileError, Part, conform, read_part, salvage
from analysis.schema import PHASES, SCHEMA_VERSION
from study.ledger.attempt import ATTEMPTS, LOGS, keep_superseded, write_superseded
from study.ledger.files import discard_drafts, find_part, move, write_part
from study.ledger.log import StoredLog, read_log
from study.ledger.merge import new_stem, replace_parts

KEY = ["optimizer", "phase", "number", "replicate"]
DAMAGED = "damaged"
"""Folder of the damaged files."""


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What was found.

    Args:
        notes: One line about every damaged file.
        unfinished: Logs of trials that may go on from a checkpoint.
    """

    notes: list[str] = field(default_factory=list)
    unfinished: list[StoredLog] = field(default_factory=list)


def recover(
    directory: pathlib.Path, schemas: Mapping[str, pa.Schema], optimizers: Collection[str], *, keep_logs: bool
) -> Recovery:
    """Set damaged files aside, finish merges, and supersede what no longer makes a whole trial.

    Every step leaves a directory that the next call brings in order as well.

    Args:
        directory: The study's directory.
        schemas: Schema of each table.
        optimizers: Names of the optimizers of the study.
        keep_logs: Whether logs with a checkpoint stay, so that their trials go on.

    Raises:
        ValueError: A key stands twice, or rows belong to another study or come from a later release.
    """
    notes: list[str] = []
    _drop_half_commits(directory)
    tables = {name: _recover_table(directory, name, schema, notes) for name, schema in schemas.items()}
    for name, parts in tables.items():
        key = [*KEY, "epoch"] if name == "epochs" else KEY
        keys = _frame(parts, schemas[name], key)
        _refuse_foreign(directory / name, keys, optimizers)
        _refuse_duplicates(directory / name, keys)
    whole = _whole_trials(*(_frame(tables[name], schemas[name], [*KEY, "steps"]) for name in ("trials", "epochs")))
    # Trials first: should this be cut short, their epochs belong to no trial the next time.
    for name, parts in tables.items():
        for part in parts:
            _supersede(directory, part, schemas[name], whole)
    logs = recover_logs(directory, keep_logs=keep_logs)
    return Recovery(notes=[*notes, *logs.notes], unfinished=logs.unfinished)


def _drop_half_commits(directory: pathlib.Path) -> None:
    """Delete stored epochs that are still in the log and have no trial rows: the log has them all."""
    for log in (directory / LOGS).glob("*.arrows"):
        if find_part(directory / "trials", log.stem):
            log.unlink()
        elif epochs := find_part(directory / "epochs", log.stem):
            epochs.unlink()


def _recover_table(directory: pathlib.Path, name: str, schema: pa.Schema, notes: list[str]) -> list[Part]:
    """The files of a table that are whole and count."""
    folder = directory / name
    discard_drafts(folder)
    parts: dict[str, Part] = {}
    damaged: dict[str, str] = {}
    for path in sorted(folder.glob("*.parquet")):
        try:
            parts[path.name] = read_part(path)
        except DamagedFileError as error:
            damaged[path.name] = error.reason
    for replaced in {name for part in parts.values() for name in part.replaces}:
        if parts.pop(replaced, None):
            (folder / replaced).unlink()
    for file, reason in damaged.items():
        if not any(file in part.replaces for part in parts.values()):
            rows = salvage(folder / file)
            if rows is not None:
                path = write_part(conform(rows, schema), folder, new_stem(folder), replaces=[file])
                parts[path.name] = read_part(path)
            saved = "nothing in it" if rows is None else f"{rows.num_rows} of its rows"
            notes.append(
                f"{folder / file} is damaged ({reason}); {saved} could be saved, the rest will be trained again."
            )
        move(folder / file, directory / DAMAGED / name)
    for part in parts.values():
        if part.version > SCHEMA_VERSION:
            raise ValueError(
                f"{part.path} has schema version {part.version}, this release reads versions up to {SCHEMA_VERSION}; "
                "use the release that wrote it."
            )
    return list(parts.values())


def _frame(parts: list[Part], schema: pa.Schema, columns: list[str]) -> pl.DataFrame:
    wanted = pa.schema([schema.field(name) for name in columns])
    tables = [conform(part.rows, wanted) for part in parts]
    return pl.DataFrame(pl.from_arrow(pa.concat_tables([wanted.empty_table(), *tables])))


def _refuse_foreign(folder: pathlib.Path, keys: pl.DataFrame, optimizers: Collection[str]) -> None:
    for name, allowed in (("optimizer", optimizers), ("phase", PHASES)):
        if unknown := sorted(set(keys[name]) - set(allowed)):
            raise ValueError(
                f"The rows of {folder} must have an {name} among {', '.join(allowed)}, got {unknown[0][:60]!r}; "
                "remove the files of another study."
            )


def _refuse_duplicates(folder: pathlib.Path, keys: pl.DataFrame) -> None:
    twice = keys.filter(keys.is_duplicated())
    if not twice.is_empty():
        values = ", ".join(f"{name}={twice[name][0]!r}" for name in keys.columns)
        raise ValueError(
            f"Each key must stand once in {folder}, {twice.unique().height} stand more often, the first is {values}; "
            "remove the file that was added."
        )


def _whole_trials(trials: pl.DataFrame, epochs: pl.DataFrame) -> pl.DataFrame:
    """Keys of the replicates whose epochs make up all the steps that their trial row counts."""
    trained = epochs.group_by(KEY).agg(trained=pl.col("steps").sum())
    together = trials.join(trained, on=KEY, how="left").with_columns(pl.col("trained").fill_null(0))
    return together.filter(pl.col("steps") == pl.col("trained")).select(KEY)


def _supersede(directory: pathlib.Path, part: Part, schema: pa.Schema, whole: pl.DataFrame) -> None:
    """Move the rows of a file that are not of a whole trial to `attempts/`."""
    rows = pl.DataFrame(pl.from_arrow(part.rows.select([*KEY, "attempt"]))).with_row_index()
    kept = rows.join(whole, on=KEY, how="semi")["index"].sort()
    if len(kept) == rows.height:
        return
    name = part.path.parent.name
    for group in rows.join(whole, on=KEY, how="anti").partition_by(*KEY[:3], "attempt"):
        first = group.sort("replicate").row(0, named=True)
        stem = "{optimizer}-{phase}-{number:05d}-{replicate:03d}-{attempt}".format_map(first)
        superseded = conform(part.rows.take(group["index"].sort().to_arrow()), schema)
        write_superseded(superseded, directory / ATTEMPTS / name, stem)
    if len(kept):
        replace_parts(part.path.parent, [replace(part, rows=part.rows.take(kept.to_arrow()))], schema)
    else:
        part.path.unlink()


def recover_logs(directory: pathlib.Path, *, keep_logs: bool) -> Recovery:
    """Supersede the logged epochs of trials that were cut off, unless they can go on from a checkpoint.

    Args:
        directory: The study's directory.
        keep_logs: Whether logs with a checkpoint stay, so that their trials go on.
    """
    found = Recovery()
    logs = [read_log(path) for path in (directory / LOGS).glob("*.arrows")]
    for log in sorted(logs, key=lambda log: (log.group, log.attempt), reverse=True):
        latest = not any(log.group == other.group for other in found.unfinished)
        if keep_logs and latest and log.checkpoint and log.rows and log.damage is None:
            found.unfinished.append(log)
            continue
        keep_superseded(directory, log.path.stem, log.rows)
        if log.damage is None:
            log.path.unlink()
        else:
            moved = move(log.path, directory / DAMAGED / LOGS)
            found.notes.append(f"{moved} is damaged ({log.damage}) behind {len(log.rows)} rows; its trial runs again.")
    return found
