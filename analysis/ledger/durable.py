"""Files of a ledger, which a power loss leaves whole or absent: flushed to the disk before they get their names."""

import json
import os
import pathlib
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.drafts import drafts
from analysis.ledger.parts import REPLACES, crc32_of


def write_part(rows: pa.Table, folder: pathlib.Path, stem: str, *, replaces: Sequence[str] = ()) -> pathlib.Path:
    """Write a Parquet file whose name ends with the checksum of its bytes.

    Args:
        rows: What to store.
        folder: Where to.
        stem: First part of the file's name.
        replaces: Names of the files in the same folder that it stands for from now on.

    Returns:
        The file.

    Raises:
        FileExistsError: A file with the same name and bytes is there already.
        OSError: The disk is full or may not be written.
    """
    metadata = dict(rows.schema.metadata or {})
    if replaces:
        metadata[REPLACES] = json.dumps(sorted(replaces)).encode()
    sink = pa.BufferOutputStream()
    pq.write_table(rows.replace_schema_metadata(metadata), sink, compression="zstd", write_page_checksum=True)
    content = sink.getvalue().to_pybytes()
    path = folder / f"{stem}.{crc32_of(content)}.parquet"
    if path.exists():
        raise FileExistsError(f"{path} exists; results are never overwritten, so pick another --output or delete it.")
    publish(path, lambda draft: draft.write_bytes(content))
    return path


def publish(path: pathlib.Path, write: Callable[[pathlib.Path], object]) -> None:
    """Give a file its name once its bytes are on the disk: a power loss leaves the old file or the new one.

    Args:
        path: Where the file will be; one that is there is replaced.
        write: Writes the content to the path that it is given.
    """
    make_folder(path.parent)
    with drafts([path]) as [draft]:
        write(draft)
        flush(draft)
    flush(path.parent)


def make_folder(folder: pathlib.Path) -> None:
    """Make a folder, and those above it, so that a power loss does not undo it."""
    if not folder.exists():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        flush(folder.parent)


def flush(path: pathlib.Path) -> None:
    """Have the disk hold a file's bytes, or a folder's names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
