"""The write-ahead log of an attempt: an Arrow IPC stream of its epochs, each batch with a checksum."""

import pathlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from analysis.parts import checksum
from analysis.schema import epochs_schema
from study.rows import Row

LOG_SCHEMA = epochs_schema().append(pa.field("diverged_step", pa.int64()))
"""The columns of `epochs`, and the one that only the rows of `trials` keep."""

CHECKSUM, CHECKPOINT = b"crc32", b"checkpoint"


class EpochLog:
    """A log that is being written: what `append` has returned from survives the end of this process.

    It is not flushed to the disk: a power loss takes no more than the trials in training.

    Args:
        path: A file that is not there yet.
        checkpoint: Name of the checkpoint from which the attempt can go on; None if there is none.
    """

    def __init__(self, path: pathlib.Path, checkpoint: str | None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(exist_ok=False)
        self.path = path
        metadata = {} if checkpoint is None else {CHECKPOINT: checkpoint.encode()}
        self._file = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_stream(self._file, LOG_SCHEMA.with_metadata(metadata))

    def append(self, rows: Sequence[Row]) -> None:
        """Store rows.

        Raises:
            OSError: The disk is full or may not be written.
        """
        batch = pa.RecordBatch.from_pylist(list(rows), schema=LOG_SCHEMA)
        self._writer.write_batch(batch, custom_metadata={CHECKSUM: str(_checksum(batch)).encode()})

    def remove(self) -> None:
        """Delete the log: its rows are stored elsewhere."""
        self.close()
        self.path.unlink()

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
    rows: list[dict[str, Any]]
    checkpoint: str | None
    damage: str | None

    @property
    def group(self) -> str:
        """What was trained, as in the name of the file."""
        return self.path.stem.rpartition("-")[0]

    @property
    def attempt(self) -> int:
        """Which attempt at it, as in the name of the file."""
        return int(self.path.stem.rpartition("-")[2])


def read_log(path: pathlib.Path) -> StoredLog:
    """Read a log, of which a killed writer may have left any first part."""
    content = path.read_bytes()
    rows: list[dict[str, Any]] = []
    checkpoint = damage = None
    try:
        if content:  # the writer was killed before its first batch
            source = pa.BufferReader(content)
            reader = pa.ipc.open_stream(source)
            if not reader.schema.equals(LOG_SCHEMA):
                raise ValueError("its columns are not those of this release")
            checkpoint = (reader.schema.metadata or {}).get(CHECKPOINT, b"").decode() or None
            rows = _read_batches(reader)
    except _DamagedLogError as error:
        rows, damage = error.rows, str(error)
    except (OSError, ValueError, pa.ArrowException) as error:
        damage = _one_line(error)
    else:
        if content and source.tell() != len(content):
            damage = f"it ends at byte {source.tell()} of {len(content)}"
    return StoredLog(path=path, rows=rows, checkpoint=checkpoint, damage=damage)


class _DamagedLogError(ValueError):
    def __init__(self, message: str, rows: list[dict[str, Any]]) -> None:
        super().__init__(message)
        self.rows = rows


def _read_batches(reader: pa.RecordBatchReader) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        try:
            batch, metadata = reader.read_next_batch_with_custom_metadata()
            batch.validate(full=True)
            if not metadata or metadata.get(CHECKSUM) != str(_checksum(batch)).encode():
                raise ValueError("a checksum does not match")
            rows += batch.to_pylist()
        except StopIteration:
            return rows
        except (OSError, ValueError, pa.ArrowException) as error:
            raise _DamagedLogError(_one_line(error), rows) from None


def _checksum(batch: pa.RecordBatch) -> int:
    sums = [checksum(column) for column in batch.columns]
    return zlib.crc32(b"".join(value.to_bytes(4, "little") for value in sums))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
