"""The Parquet files of one table of a ledger: which of them count, and whether they hold what was written.

The last part of a file's name is the CRC-32 of its bytes, so any changed byte is noticed.
"""

import json
import pathlib
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis.ledger.regular import LARGEST_TABLE_FILE, read_regular
from analysis.ledger.schema import COLUMNS_SINCE, SCHEMA_VERSION
from analysis.lines import one_line

REPLACES = b"replaces"
"""Metadata: names of the files in the same folder whose rows this one holds, as JSON; they no longer count."""

CHECKED_NAME = re.compile(r".*\.(?P<crc32>[0-9a-f]{8})\.parquet")
"""Files of schema version 1 and of other writers have no checksum in their name; only the pages within may have one."""

MOST_ROWS = 5_000_000
"""Of a table: a study of a thousand trials and a thousand epochs has fewer, and more fill the memory of a laptop."""

RETRIES = 5
BATCH_ROWS = 16_384
"""Rows of a sparse column that are in memory at once before most of them are dropped."""


class DamagedFileError(ValueError):
    """A file does not hold what was written.

    Attributes:
        reason: What is wrong with it, in one line.
    """

    def __init__(self, path: pathlib.Path, error: Exception) -> None:
        self.reason = one_line(str(error))[:200]
        super().__init__(f"{str(path)!r} is damaged ({self.reason})")


@dataclass(frozen=True)
class SparseColumn:
    """A large column that is read only in the rows where another one holds certain words; elsewhere it is null.

    Args:
        name: The large column.
        where: The column that decides.
        among: What stands there in the rows that keep their value.
    """

    name: str
    where: str
    among: tuple[str, ...]


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


def crc32_of(content: bytes) -> str:
    """The checksum of a file's bytes as it stands in its name: eight hexadecimal digits."""
    return f"{zlib.crc32(content):08x}"


def read_part(path: pathlib.Path, sparse: SparseColumn | None = None) -> Part:
    """Read a file and compare it with its checksum.

    Args:
        path: The file.
        sparse: A column that is not read in all rows; then it is the last one.

    Raises:
        DamagedFileError: It is not Parquet or a byte has changed since it was written.
        FileNotFoundError: There is no such file.
    """
    try:
        content = read_regular(path, LARGEST_TABLE_FILE)
        if (match := CHECKED_NAME.fullmatch(path.name)) and match["crc32"] != crc32_of(content):
            raise ValueError("its checksum is not that of its name")
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        _refuse_large(file.metadata)
        columns = [name for name in file.schema_arrow.names if sparse is None or name != sparse.name]
        # For a small file threads cost more than they save.
        rows = file.read(columns, use_threads=file.num_row_groups > 1)
        if sparse and {sparse.name, sparse.where} <= set(file.schema_arrow.names):
            rows = rows.append_column(sparse.name, _read_sparse(file, rows[sparse.where], sparse))
        metadata = dict(rows.schema.metadata or {})
        version, replaces = int(metadata.get(b"schema_version", b"1")), json.loads(metadata.get(REPLACES, b"[]"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DamagedFileError(path, error) from None
    return Part(path, rows, version, frozenset(replaces))


def _refuse_large(found: pq.FileMetaData) -> None:
    """Refuse a file that would not fit into memory, however small it is packed.

    Raises:
        ValueError: It has too many rows or bytes.
    """
    size = sum(found.row_group(group).total_byte_size for group in range(found.num_row_groups))
    for amount, most, noun in ((found.num_rows, MOST_ROWS, "rows"), (size, LARGEST_TABLE_FILE, "bytes")):
        if amount > most:
            raise ValueError(f"it may have at most {most:,} {noun}, and has {amount:,}")


def _read_sparse(file: pq.ParquetFile, words: pa.ChunkedArray, sparse: SparseColumn) -> pa.ChunkedArray:
    """The column, null where the words are others; row groups that hold none of the rows wanted are not decoded."""
    kind = file.schema_arrow.field(sparse.name).type
    chunks, start = [], 0
    for group in range(file.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        found = reduce(pc.or_, (pc.equal(words.slice(start, size), word) for word in sparse.among))
        is_wanted = pc.fill_null(found, False).combine_chunks()
        start += size
        if not is_wanted.true_count:
            chunks.append(pa.nulls(size, kind))
            continue
        done = 0
        for batch in file.iter_batches(BATCH_ROWS, [group], [sparse.name]):
            keep = is_wanted.slice(done, batch.num_rows)
            chunks.append(pc.if_else(keep, batch.column(0), pa.scalar(None, kind)))
            done += batch.num_rows
    return pa.chunked_array(chunks, kind)


def read_parts(folder: pathlib.Path, sparse: SparseColumn | None = None) -> list[Part]:
    """The files of a folder that count, in the order of their names.

    Args:
        folder: Where they are.
        sparse: A column that is not read in all rows.

    Raises:
        DamagedFileError: A file is damaged; the message names it.
        ValueError: There are more rows than fit into memory.
    """
    # A run may merge files meanwhile: then the new one is there before the old ones go.
    for _ in range(RETRIES):
        paths = sorted(folder.glob("*.parquet"))
        try:
            parts = read_all(paths, sparse)
        except FileNotFoundError:
            continue
        if sorted(folder.glob("*.parquet")) == paths:
            return counting(parts)
    raise DamagedFileError(folder, OSError("its files change all the time"))


def read_all(paths: Iterable[pathlib.Path], sparse: SparseColumn | None = None) -> list[Part]:
    """The files of a table, as long as they fit into memory together.

    Raises:
        DamagedFileError: A file is damaged.
        ValueError: There are too many rows.
        FileNotFoundError: There is no such file.
    """
    parts: list[Part] = []
    for path in paths:
        parts.append(read_part(path, sparse))
        refuse_too_many(path.parent, parts)
    return parts


def refuse_too_many(folder: pathlib.Path, parts: Iterable[Part]) -> None:
    """Refuse more rows than fit into memory together.

    Raises:
        ValueError: There are.
    """
    if (number := sum(part.rows.num_rows for part in parts)) > MOST_ROWS:
        raise ValueError(
            f"a table may have at most {MOST_ROWS:,} rows, {str(folder)!r} has {number:,} or more; remove the files "
            "of another study."
        )


def counting(parts: Iterable[Part]) -> list[Part]:
    """The files without those that another one replaces."""
    known = list(parts)
    replaced = frozenset[str]().union(*(part.replaces for part in known))
    return [part for part in known if part.path.name not in replaced]


def conform(rows: pa.Table, expected: pa.Schema) -> pa.Table:
    """The rows with the columns of `expected` in its order; what an older file lacks is null."""
    if rows.schema.equals(expected):
        return rows.replace_schema_metadata(expected.metadata)
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in expected
    ]
    return pa.Table.from_arrays(columns, schema=expected)


def check_columns(part: Part, expected: pa.Schema, may_lack: Iterable[str]) -> None:
    """Refuse a file that does not follow the schema.

    Args:
        part: The file.
        expected: The schema.
        may_lack: Columns that it need not have: those of hyperparameters that have joined the study later.

    Raises:
        ValueError: A column is missing, unknown or of another type, or the file comes from a later release.
    """
    found = part.rows.schema
    if part.version > SCHEMA_VERSION:
        raise ValueError(
            f"this release reads ledgers up to schema version {SCHEMA_VERSION}, {str(part.path)!r} has version "
            f"{part.version}; use the release that wrote it."
        )
    younger = {name for name, since in COLUMNS_SINCE.items() if since > part.version}
    for problem, names in (
        ("has twice the columns", {name for name in found.names if found.names.count(name) > 1}),
        ("lacks the columns", set(expected.names) - set(found.names) - set(may_lack) - younger),
        ("has unknown columns", set(found.names) - set(expected.names)),
        (
            "has columns of another type:",
            {f.name for f in found if f.name in expected.names and not _fits(f, expected)},
        ),
    ):
        if names:
            raise ValueError(
                f"{str(part.path)!r} {problem} {', '.join(sorted(names))}; docs/ledger.md lists the columns."
            )


def _fits(field: pa.Field, expected: pa.Schema) -> bool:
    wanted = expected.field(field.name).type
    # Which name the items of a list carry differs between writers and means nothing.
    return bool(field.type == wanted or (pa.types.is_list(wanted) and field.type.value_type == wanted.value_type))
