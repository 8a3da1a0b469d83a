"""The write-ahead log of an attempt: an Arrow IPC stream of its epochs, each batch with a checksum."""

import json
import pathlib
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import pyarrow as pa

from analysis.ledger.durable import publish
from analysis.ledger.regular import LARGEST_TABLE_FILE, read_regular
from analysis.ledger.schema import epochs_schema
from analysis.lines import one_line
from study.ledger.rows import EpochRow

LOGS = "log"
"""Folder of the logs."""

LOG_SCHEMA = epochs_schema().append(pa.field("diverged_step", pa.int64()))
"""The columns of `epochs`, and the one that only the rows of `trials` keep."""

CHECKSUM, CHECKPOINT = b"crc32", b"checkpoint"

FILE_NAME = re.compile(r"(?P<group>\w+-\w+-\d+-\d+)-(?P<attempt>\d+)", re.ASCII)
"""First part of the name of a file that holds an attempt; `group` is what is trained at once."""


class EpochLog:
    """A log that is being written: what `append` has returned from survives the end of this process.

    It is not flushed to the disk: a power loss takes no more than the finished epochs of trials in training.

    Args:
        path: A file that is not there yet.
        checkpoint: Name of the checkpoint from which the attempt can go on; None if there is none.
    """

    def __init__(self, path: pathlib.Path, checkpoint: str | None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(exist_ok=False)
        metadata = {} if checkpoint is None else {CHECKPOINT: checkpoint.encode()}
        self._file = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_stream(self._file, LOG_SCHEMA.with_metadata(metadata))

    def append(self, rows: Sequence[EpochRow]) -> None:
        """Store rows.

        Raises:
            OSError: The disk is full or may not be written.
        """
        batch = pa.RecordBatch.from_pylist(list(rows), schema=LOG_SCHEMA)
        self._writer.write_batch(batch, custom_metadata={CHECKSUM: str(_checksum(batch)).encode()})

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(frozen=True, kw_only=True)
class StoredLog:
    """What a log file holds.

    Args:
        path: The file.
        rows: All rows up to the first that is not what was written.
        checkpoint: Name of the checkpoint from which the attempt can go on.
        damage: What is wrong from there on; None if the file is whole.
    """

    path: pathlib.Path
    rows: list[EpochRow]
    checkpoint: str | None
    damage: str | None

    @property
    def attempt(self) -> int:
        """Which attempt it is, as in the name of the file; -1 if its name is none of a log."""
        match = FILE_NAME.fullmatch(self.path.stem)
        return int(match["attempt"]) if match else -1


def read_logs(directory: pathlib.Path) -> list[StoredLog]:
    """All logs of a study."""
    return [read_log(path) for path in sorted((directory / LOGS).glob("*.arrows"))]


def read_log(path: pathlib.Path) -> StoredLog:
    """Read a log, of which a killed writer or a full disk may have left any first part."""
    rows: list[EpochRow] = []
    checkpoint = damage = None
    try:
        if not FILE_NAME.fullmatch(path.stem):
            raise ValueError("its name is none of a log")
        content = read_regular(path, LARGEST_TABLE_FILE)
        if content:  # else the writer was killed before its first batch
            source = pa.BufferReader(content)
            reader = pa.ipc.open_stream(source)
            if not reader.schema.equals(LOG_SCHEMA):
                raise ValueError("its columns are not those of this release")
            checkpoint = (reader.schema.metadata or {}).get(CHECKPOINT, b"").decode() or None
            for batch in _batches(reader):
                rows += batch
            if source.tell() != len(content):
                raise ValueError(f"it ends at byte {source.tell()} of {len(content)}")
    except (OSError, ValueError, pa.ArrowException) as error:
        damage = one_line(str(error))[:200]
    return StoredLog(path=path, rows=rows, checkpoint=checkpoint, damage=damage)


def rewrite_log(log: StoredLog) -> None:
    """Put a log of its good rows in the place of a damaged one."""

    def write(draft: pathlib.Path) -> None:
        clean = EpochLog(draft, log.checkpoint)
        for _, rows in groupby(log.rows, key=lambda row: row["epoch"]):
            clean.append(list(rows))
        clean.close()

    publish(log.path, write)


def checksum(column: pa.Array) -> int:
    """CRC-32 of the values of a column: of its length, of which are null, and of the others in order.

    It depends on the values alone, not on buffers or the release of Arrow.
    """
    values = column
    crc = zlib.crc32(len(values).to_bytes(8, "little"))
    if values.null_count:
        crc = zlib.crc32(values.is_null().to_numpy(zero_copy_only=False), crc)
        values = values.drop_null()
    if pa.types.is_list(values.type):
        crc = zlib.crc32(values.value_lengths().to_numpy(), crc)
        values = values.flatten()
    if pa.types.is_string(values.type):
        return zlib.crc32(json.dumps(values.to_pylist()).encode(), crc)
    return zlib.crc32(values.to_numpy(zero_copy_only=False), crc)


def _batches(reader: pa.RecordBatchReader) -> Iterator[list[EpochRow]]:
    while True:
        try:
            batch, metadata = reader.read_next_batch_with_custom_metadata()
        except StopIteration:
            return
        batch.validate(full=True)
        if not metadata or metadata.get(CHECKSUM) != str(_checksum(batch)).encode():
            raise ValueError("a checksum does not match")
        yield batch.to_pylist()


def _checksum(batch: pa.RecordBatch) -> int:
    sums = [checksum(column) for column in batch.columns]
    return zlib.crc32(b"".join(value.to_bytes(4, "little") for value in sums))
