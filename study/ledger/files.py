"""Files that are whole or absent: written under another name on the same disk, flushed, then renamed."""

import os
import pathlib
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.parts import with_checksums

ROWS_PER_GROUP = {"trials": 100, "epochs": 1000}
"""Rows of a Parquet row group: what a changed byte spoils at most, so about as many trials in both tables."""


def write_part(rows: pa.Table, path: pathlib.Path, *, replaces: Sequence[str] = ()) -> None:
    """Write a Parquet file with checksums; its folder is named like its table.

    Args:
        rows: What to store.
        path: Where to.
        replaces: Names of the files in the same folder that it stands for from now on.

    Raises:
        FileExistsError: `path` is there already; results are never overwritten.
        OSError: The disk is full or may not be written.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists; results are never overwritten, so pick another --output or delete it.")
    size = ROWS_PER_GROUP[path.parent.name]
    table = with_checksums(rows, size, replaces)
    publish(
        path,
        lambda draft: pq.write_table(table, draft, row_group_size=size, compression="zstd", write_page_checksum=True),
    )


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
