"""The Parquet files of one table of a ledger: which of them count, and whether they hold what was written.

Every file carries a checksum of each column of each row group in its metadata, computed from the values. So a changed
byte is noticed wherever it changes a value, and the row groups that it has not reached can still be trusted.
"""

import json
import pathlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

CHECKSUMS = b"column_crc32"
"""Metadata: for each column a list with the `checksum` of each row group, as JSON."""

REPLACES = b"replaces"
"""Metadata: names of the files in the same folder whose rows this one holds, as JSON; they no longer count."""

VERSION = b"schema_version"

RETRIES = 5


class DamagedFileError(ValueError):
    """A file does not hold what was written; the message says in one line what is wrong with it."""


@dataclass(frozen=True)
class Part:
    """One file of a table.

    Args:
        path: Where it is.
        rows: What it holds.
        version: Schema version that it follows; files of other writers may not say so and count as the oldest.
        replaces: Names of files in the same folder that it stands for.
    """

    path: pathlib.Path
    rows: pa.Table
    version: int
    replaces: frozenset[str]


def checksum(column: pa.Array | pa.ChunkedArray) -> int:
    """CRC-32 of the values of a column: of its length, of which are null, and of the others in order.

    It depends on the values alone, not on buffers, chunks or the release of Arrow.
    """
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    crc = zlib.crc32(len(values).to_bytes(8, "little"))
    if values.null_count:
        crc = zlib.crc32(values.is_null().to_numpy(zero_copy_only=False), crc)
        values = values.drop_null()
    if pa.types.is_list(values.type):
        crc = zlib.crc32(values.value_lengths().to_numpy(), crc)
        values = values.flatten()
    if pa.types.is_string(values.type) or pa.types.is_binary(values.type):
        content = values.cast(pa.binary()).to_pylist()
        crc = zlib.crc32(json.dumps([len(item) for item in content]).encode(), crc)
        return zlib.crc32(b"".join(content), crc)
    return zlib.crc32(values.to_numpy(zero_copy_only=False), crc)


def with_checksums(rows: pa.Table, rows_per_group: int, replaces: Sequence[str] = ()) -> pa.Table:
    """The rows with the metadata that a file of row groups of this size needs to be a part."""
    starts = range(0, rows.num_rows, rows_per_group)
    sums = {
        name: [checksum(column.slice(start, rows_per_group)) for start in starts]
        for name, column in zip(rows.column_names, rows.columns, strict=True)
    }
    metadata = {**_metadata(rows.schema), CHECKSUMS: json.dumps(sums).encode()}
    if replaces:
        metadata[REPLACES] = json.dumps(sorted(replaces)).encode()
    return rows.replace_schema_metadata(metadata)


def read_part(path: pathlib.Path, leave_out: str | None = None) -> Part:
    """Read a file and compare it with its checksums.

    Args:
        path: The file.
        leave_out: Name of a column that is not read.

    Raises:
        DamagedFileError: It is not Parquet or a value has changed since it was written.
        FileNotFoundError: There is no such file.
    """
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        columns = [name for name in file.schema_arrow.names if name != leave_out]
        rows = file.read(
            columns, use_threads=file.num_row_groups > 1
        )  # for a small file threads cost more than they save
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        start = 0
        for group, size in enumerate(sizes):
            _verify(rows.slice(start, size), group, len(sizes))
            start += size
        metadata = _metadata(rows.schema)
        version, replaces = int(metadata.get(VERSION, b"1")), json.loads(metadata.get(REPLACES, b"[]"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DamagedFileError(" ".join(str(error).split())[:200]) from None
    return Part(path, rows, version, frozenset(replaces))


def salvage(path: pathlib.Path) -> pa.Table | None:
    """The row groups of a damaged file that still are what was written; None if there are none."""
    intact = []
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        if CHECKSUMS not in _metadata(file.schema_arrow):
            return None
    except (OSError, ValueError, pa.ArrowException):
        return None
    for group in range(file.num_row_groups):
        try:
            rows = file.read_row_group(group)
            _verify(rows, group, file.num_row_groups)
        except (OSError, ValueError, pa.ArrowException):
            continue
        intact.append(rows)
    return pa.concat_tables(intact) if intact else None


def read_parts(folder: pathlib.Path, leave_out: str | None = None) -> Iterator[Part]:
    """The files of a folder that count, in the order of their names.

    Raises:
        DamagedFileError: A file is damaged; the message names it.
    """
    # A run may merge files meanwhile: then the new one is there before the old ones go.
    for _ in range(RETRIES):
        try:
            parts = [_named(path, leave_out) for path in sorted(folder.glob("*.parquet"))]
            break
        except FileNotFoundError:
            continue
    else:
        raise DamagedFileError(f"{str(folder)!r} changes all the time")
    replaced = frozenset[str]().union(*(part.replaces for part in parts))
    return (part for part in parts if part.path.name not in replaced)


def conform(rows: pa.Table, expected: pa.Schema) -> pa.Table:
    """The rows with the columns of `expected` in its order; what an older file lacks is null."""
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in expected
    ]
    return pa.Table.from_arrays(columns, schema=expected)


def _named(path: pathlib.Path, leave_out: str | None) -> Part:
    try:
        return read_part(path, leave_out)
    except DamagedFileError as error:
        raise DamagedFileError(f"{str(path)!r} is damaged ({error})") from None


def _verify(rows: pa.Table, group: int, num_groups: int) -> None:
    """Compare a row group with its checksums, if the file has any: files of schema version 1 have none."""
    stored: Mapping[str, Sequence[int]] = json.loads(_metadata(rows.schema).get(CHECKSUMS, b"null"))
    if stored is None:
        return
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        if len(stored.get(name, ())) != num_groups or checksum(column) != stored[name][group]:
            raise DamagedFileError(f"checksum of {name} in row group {group} does not match")


def _metadata(schema: pa.Schema) -> dict[bytes, bytes]:
    return dict(schema.metadata or {})
