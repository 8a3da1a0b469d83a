"""Files that are whole or absent: written under another name on the same disk, flushed, then renamed."""

import os
import pathlib
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.parts import crc32_of, with_checksums

ROWS_PER_GROUP = {"trials": 100, "epochs": 1000}
"""Rows of a Parquet row group: what a changed byte spoils at most, so about as many trials in both tables."""


def write_part(rows: pa.Table, folder: pathlib.Path, stem: str, *, replaces: Sequence[str] = ()) -> pathlib.Path:
    """Write a Parquet file with checksums, whose name ends with that of its bytes.

    Args:
        rows: What to store.
        folder: Where to; named like the table.
        stem: First part of the file's name.
        replaces: Names of the files in the same folder that it stands for from now on.

    Returns:
        The file.

    Raises:
        FileExistsError: It is there already; results are never overwritten.
        OSError: The disk is full or may not be written.
    """
    size, sink = ROWS_PER_GROUP[folder.name], pa.BufferOutputStream()
    table = with_checksums(rows, size, replaces)
    pq.write_table(table, sink, row_group_size=size, compression="zstd", write_page_checksum=True)
    content = sink.getvalue().to_pybytes()
    path = folder / f"{stem}.{crc32_of(content)}.parquet"
    if path.exists():
        raise FileExistsError(f"{path} exists; results are never overwritten, so pick another --output or delete it.")
    publish(path, lambda draft: draft.write_bytes(content))
    return path


def find_part(folder: pathlib.Path, stem: str) -> pathlib.Path | None:
    """The file with this first part of its name."""
    return next(folder.glob(f"{stem}.*parquet"), None)


def publish(path: pathlib.Path, write: Callable[[pathlib.Path], object]) -> None:
    """Give a file its name once its bytes are on the disk: a power loss leaves the old file or the new one.

    Args:
        path: Where the file will be; one that is there is replaced.
        write: Writes the content to the path that it is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Readers take *.parquet only and Arrow's discovery ignores names that begin with a dot.
    draft = path.parent / f".{path.name}.draft"
    try:
        write(draft)
        flush(draft)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    flush(path.parent)


def discard_drafts(folder: pathlib.Path) -> None:
    """Delete what a killed writer has left half written; only the holder of the study's lock may."""
    for draft in folder.glob(".*.draft"):
        draft.unlink()


def move(path: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Move a file into a folder, under another name if its own is taken; returns where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    target = free_name(folder / path.name)
    path.replace(target)
    return target


def free_name(path: pathlib.Path) -> pathlib.Path:
    """The path, or the first of `name-2`, `name-3`, ... that is not in use."""
    number, found = 1, path
    while found.exists():
        number += 1
        found = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return found


def flush(path: pathlib.Path) -> None:
    """Have the disk hold a file's bytes, or a folder's names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
