"""What a run finds in its tables after whatever ended the last one: every row once, whole or not at all."""

import pathlib
from collections.abc import Mapping, Sequence

import polars as pl
import pyarrow as pa

from analysis.ledger.durable import make_folder
from analysis.ledger.parts import conform
from analysis.ledger.schema import KEY
from study.ledger.attempt import ATTEMPTS, write_superseded
from study.ledger.directory import discard_drafts, free_name
from study.ledger.log import StoredLog
from study.ledger.merge import replace_files
from study.ledger.tables import Table, broken, describe, duplicates, read_table, refuse_other_study
from study.spec import StudySpec

DAMAGED = "damaged"
"""Folder of the damaged files."""


def recover_tables(
    directory: pathlib.Path, schemas: Mapping[str, pa.Schema], spec: StudySpec, logs: Sequence[StoredLog]
) -> list[str]:
    """Set damaged files aside, finish merges, and supersede what no longer makes a whole trial.

    Every step leaves a directory that the next call brings in order as well.

    Args:
        directory: The study's directory.
        schemas: Schema of each table.
        spec: The study.
        logs: What the write-ahead logs hold; the log of a stored trial is deleted.

    Returns:
        One line about every damaged file.

    Raises:
        ValueError: A key stands twice, or rows belong to another study or come from a later release; nothing has
            been changed.
    """
    tables = {name: read_table(directory / name, schema) for name, schema in schemas.items()}
    for table in tables.values():
        refuse_other_study(table, spec.optimizers)
        _refuse_duplicates(table)
    discard_drafts(directory)
    notes = [note for table in tables.values() for note in _set_aside(directory, table)]
    for table in tables.values():
        for path in table.replaced:
            path.unlink(missing_ok=True)
    _settle_commits(tables, logs)
    rows = {name: table.rows() for name, table in tables.items()}
    lost = broken(rows["trials"], rows["epochs"], spec)
    # Trials first: should this be cut short, their epochs belong to no trial the next time.
    for name in ("trials", "epochs"):
        _supersede(directory, tables[name], rows[name].join(lost, on=KEY, how="semi"))
    return notes


def move_to_damaged(directory: pathlib.Path, path: pathlib.Path) -> pathlib.Path:
    """Set a damaged file aside; returns where it is."""
    folder = directory / DAMAGED / path.parent.name
    make_folder(folder)
    target = free_name(folder / path.name)
    path.replace(target)
    return target


def _refuse_duplicates(table: Table) -> None:
    twice = duplicates(table.rows(), table.key)
    if not twice.is_empty():
        raise ValueError(
            f"Each key must stand once in {table.folder}, {twice.height} stand more often, the first is "
            f"{describe(twice.row(0, named=True))}; remove the file that was added."
        )


def _set_aside(directory: pathlib.Path, table: Table) -> list[str]:
    notes = []
    for path, reason in table.damaged.items():
        moved = move_to_damaged(directory, path)
        again = "steps are timed" if table.folder.name == "timings" else "what no other file holds is trained"
        notes.append(f"{path} is damaged ({reason}) and now {moved}; {again} again.")
    return notes


def _settle_commits(tables: Mapping[str, Table], logs: Sequence[StoredLog]) -> None:
    """End the commits that were cut short between their files.

    With its trial rows an attempt is stored and its log may go; without them its epochs may, which the log has as well.
    """
    trials, epochs = (
        {part.path.name.split(".")[0]: part for part in tables[name].parts} for name in ("trials", "epochs")
    )
    for log in logs:
        if log.path.stem in trials:
            if log.path.stem in epochs:
                log.path.unlink()
        elif (part := epochs.get(log.path.stem)) and log.damage is None:
            part.path.unlink()
            tables["epochs"].parts.remove(part)


def _supersede(directory: pathlib.Path, table: Table, lost: pl.DataFrame) -> None:
    """Move rows to `attempts/`."""
    for (place,), rows in lost.group_by("file"):
        part = table.parts[int(str(place))]
        for group in rows.partition_by(*KEY[:3], "attempt"):
            first = group.sort("replicate").row(0, named=True)
            stem = "{optimizer}-{phase}-{number:05d}-{replicate:03d}-{attempt}".format_map(first)
            superseded = conform(part.rows.take(group["row"].sort().to_arrow()), table.schema)
            write_superseded(superseded, directory / ATTEMPTS / table.folder.name, stem)
        kept = sorted(set(range(part.rows.num_rows)) - set(rows["row"]))
        if kept:
            replace_files(table.folder, [part.path], conform(part.rows.take(kept), table.schema))
        else:
            part.path.unlink()
