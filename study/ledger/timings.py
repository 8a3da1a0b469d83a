"""The timings of a ledger. All that count stand in one file: they were measured side by side, by one worker."""

import pathlib
import re
from collections.abc import Iterator, Sequence

import pyarrow as pa

from analysis.ledger.durable import write_part
from analysis.ledger.parts import conform
from analysis.ledger.schema import timings_schema
from study.ledger.attempt import ATTEMPTS, write_superseded
from study.ledger.directory import own_files
from study.ledger.rows import Row
from study.ledger.tables import read_table

TIMINGS = "timings"

STEM = re.compile(r"blocks-\d+-(?P<last>\d+)", re.ASCII)
"""First part of the name of a file: its first and its last block."""


def timed_optimizers(directory: pathlib.Path) -> set[str]:
    """Names of the optimizers in the timings that count."""
    table = read_table(directory / TIMINGS, timings_schema())
    return set(table.rows()["optimizer"])


def store_timings(directory: pathlib.Path, rows: Sequence[Row]) -> None:
    """Store timings in the place of those that counted before, which are kept in `attempts/`.

    A reader sees the old ones or the new ones, whenever this is cut short.

    Args:
        directory: The study's directory, brought in order by `Ledger.recover`.
        rows: Rows of `timings`, their blocks numbered from 0; they are stored behind all earlier blocks.

    Raises:
        OSError: The disk is full or may not be written.
    """
    schema = timings_schema()
    before = read_table(directory / TIMINGS, schema).parts
    for part in before:
        write_superseded(conform(part.rows, schema), directory / ATTEMPTS / TIMINGS, part.path.name.split(".")[0])
    first = max(_blocks(directory), default=-1) + 1
    numbered = [{**row, "block": first + row["block"]} for row in rows]
    last = max(row["block"] for row in numbered)
    write_part(
        pa.Table.from_pylist(numbered, schema=schema),
        directory / TIMINGS,
        f"blocks-{first:05d}-{last:05d}",
        replaces=[part.path.name for part in before],
    )
    for part in before:
        part.path.unlink()


def _blocks(directory: pathlib.Path) -> Iterator[int]:
    """Last block of every file: no number is used again, whether its rows count, are superseded or were damaged."""
    for path in own_files(directory):
        if match := STEM.fullmatch(path.name.split(".")[0]):
            yield int(match["last"])
    for part in read_table(directory / TIMINGS, timings_schema()).parts:
        yield from part.rows["block"].to_pylist()
