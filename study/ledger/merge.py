"""Many small Parquet files become one; readers see every row once at all times."""

import pathlib

import pyarrow as pa

from analysis.parts import Part, conform, read_part
from study.ledger.files import write_part

LARGE = 64 * 2**20
"""Bytes from which on a file is left as it is."""


def merge_parts(folder: pathlib.Path, schema: pa.Schema) -> None:
    """Merge the small files of a table in the order of their keys.

    The old ones go only after the new one, which says that it replaces them, is in place.

    Raises:
        DamagedFileError: A file is damaged; nothing is merged.
        OSError: The disk is full or may not be written.
    """
    small = [path for path in sorted(folder.glob("*.parquet")) if path.stat().st_size < LARGE]
    if len(small) > 1:
        replace_parts(folder, [read_part(path) for path in small], schema)


def replace_parts(folder: pathlib.Path, parts: list[Part], schema: pa.Schema) -> None:
    """Put one file in the place of several."""
    rows = pa.concat_tables([conform(part.rows, schema) for part in parts])
    keys = [name for name in ("optimizer", "phase", "number", "replicate", "epoch") if name in schema.names]
    rows = rows.sort_by([(name, "ascending") for name in keys])
    write_part(rows, folder, new_stem(folder), replaces=[part.path.name for part in parts])
    for part in parts:
        part.path.unlink()


def new_stem(folder: pathlib.Path) -> str:
    """First part of the name of the next merged file."""
    numbers = [int(path.name.split(".")[0].rpartition("-")[2]) for path in folder.glob("merged-*.parquet")]
    return f"merged-{max(numbers, default=0) + 1:05d}"
