"""The Parquet files of one table of a ledger: which of them count, and whether they hold what was written.

The last part of a file's name is the CRC-32 of its bytes, so any changed byte is noticed. Its metadata hold a checksum
of each column of each row group, computed from the values, so the row groups that it has not reached can be saved.
"""

import json
import pathlib
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

CHECKSUMS = b"column_crc32"
"""Metadata: for each column a list with the `checksum` of each row group, as JSON."""

REPLACES = b"replaces"
"""Metadata: names of the files in the same folder whose rows this one holds, as JSON; they no longer count."""

VERSION = b"schema_version"

NAME = re.compile(r".*\.(?P<crc32>[0-9a-f]{8})\.parquet")
"""Files of schema version 1 have no checksum in their name; only the pages within have one."""

RETRIES = 5


class DamagedFileError(ValueError):
    """A file does not hold what was written.

    Attributes:
        reason: What is wrong with it, in one line.
    """

    def __init__(self, path: pathlib.Path, error: Exception) -> None:
        self.reason = " ".join(str(error).split())[:200]
        super().__init__(f"{str(path)!r} is damaged ({self.reason})")


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


def crc32_of(content: bytes) -> str:
    """The checksum of a file's bytes as it stands in its name: eight hexadecimal digits."""
    return f"{zlib.crc32(content):08x}"


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
    """Read a file and compare it with its checksum.

    Args:
        path: The file.
        leave_out: Name of a column that is not read.

    Raises:
        DamagedFileError: It is not Parquet or a byte has changed since it was written.
        FileNotFoundError: There is no such file.
    """
    try:
        content = path.read_bytes()
        if (match := NAME.fullmatch(path.name)) and match["crc32"] != crc32_of(content):
            raise ValueError("its checksum is not that of its name")
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        columns = [name for name in file.schema_arrow.names if name != leave_out]
        # For a small file threads cost more than they save.
        rows = file.read(columns, use_threads=file.num_row_groups > 1)
        metadata = _metadata(rows.schema)
        version, replaces = int(metadata.get(VERSION, b"1")), json.loads(metadata.get(REPLACES, b"[]"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DamagedFileError(path, error) from None
    return Part(path, rows, version, frozenset(replaces))


def salvage(path: pathlib.Path) -> pa.Table | None:
    """The row groups of a damaged file that still are what was written; None if there are none."""
    intact = []
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        checksums = json.loads(_metadata(file.schema_arrow).get(CHECKSUMS, b"{}"))
    except (OSError, ValueError, pa.ArrowException):
        return None
    for group in range(file.num_row_groups):
        with suppress(OSError, ValueError, LookupError, TypeError, pa.ArrowException):
            rows = file.read_row_group(group)
            if all(checksum(rows[name]) == checksums[name][group] for name in rows.column_names):
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
            parts = [read_part(path, leave_out) for path in sorted(folder.glob("*.parquet"))]
            break
        except FileNotFoundError:
            continue
    else:
        raise DamagedFileError(folder, OSError("its files change all the time"))
    replaced = frozenset[str]().union(*(part.replaces for part in parts))
    return (part for part in parts if part.path.name not in replaced)


def conform(rows: pa.Table, expected: pa.Schema) -> pa.Table:
    """The rows with the columns of `expected` in its order; what an older file lacks is null."""
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in expected
    ]
    return pa.Table.from_arrays(columns, schema=expected)


def _metadata(schema: pa.Schema) -> dict[bytes, bytes]:
    return dict(schema.metadata or {})
