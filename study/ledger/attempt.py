"""An attempt to train a task: its epochs, in memory and in the write-ahead log, until they are committed."""

import pathlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

import pyarrow as pa

from analysis.ledger.durable import write_part
from analysis.ledger.schema import epochs_schema
from study.ledger.log import LOGS, EpochLog, StoredLog
from study.ledger.rows import EpochRow, epoch_rows
from study.queue.tasks import Task
from trainables.training.trial import ReplicateEpoch

ATTEMPTS = "attempts"
"""Folder of what is superseded."""


class Attempt:
    """One attempt, from its start until it is committed or superseded.

    Args:
        directory: The study's directory.
        name: Name of its files, without ending.
        task: What is trained.
        number: Which attempt at it, from 0.
        checkpoint: Name of the checkpoint that its worker writes; None if it writes none.
        earlier: The attempt before, whose first epochs this one may go on from.

    Attributes:
        rows: All epochs so far as rows of the log; those before the first of its own are the earlier attempt's.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        name: str,
        task: Task,
        number: int,
        checkpoint: str | None,
        earlier: Self | None,
    ) -> None:
        self._directory, self.name, self.task, self.number, self._checkpoint = directory, name, task, number, checkpoint
        self.rows: list[EpochRow] = []
        self._log: EpochLog | None = None
        self._log_path = directory / LOGS / f"{name}.arrows"
        # An attempt that has not ended its first epoch has nothing to go on from.
        self._earlier: Self | None = earlier if earlier is None or earlier.rows else earlier._earlier

    @classmethod
    def stored(cls, directory: pathlib.Path, task: Task, log: StoredLog) -> Self:
        """An attempt of an earlier run."""
        attempt = cls(directory, log.path.stem, task, log.rows[-1]["attempt"], log.checkpoint, None)
        attempt.rows = log.rows
        return attempt

    def append(self, records: Sequence[ReplicateEpoch]) -> None:
        """Log an epoch before the next one is asked for.

        Raises:
            OSError: The disk is full or may not be written.
        """
        rows = epoch_rows(self.task, self.number, records)
        if self._log is None:
            self._log = EpochLog(self._log_path, self._checkpoint)
            self._take_over(min(row["epoch"] for row in rows))
        assert not self.rows or self.rows[-1]["epoch"] + 1 == rows[0]["epoch"], "an epoch is missing"
        self._log.append(rows)
        self.rows += rows

    def end_earlier(self) -> None:
        """What this attempt has not taken over from the earlier one no longer counts.

        Raises:
            OSError: The disk is full or may not be written.
        """
        if self._earlier is not None:
            self._earlier.supersede()
            self._earlier = None

    def supersede(self) -> None:
        """Keep in `attempts/` what this attempt has trained, which no longer counts.

        Raises:
            OSError: The disk is full or may not be written.
        """
        self.end_earlier()
        keep_superseded(self._directory, self.name, self.rows)
        self.remove_log()

    def remove_log(self) -> None:
        """Delete the log: its rows are stored elsewhere."""
        if self._log is not None:
            self._log.close()
        self._log_path.unlink(missing_ok=True)

    def _take_over(self, first_epoch: int) -> None:
        """Go on from the earlier attempt's epochs before the first of this one; its others are superseded."""
        if self._earlier is None:
            return
        taken = [row for row in self._earlier.rows if row["epoch"] < first_epoch]
        if taken:
            assert self._log is not None
            self._log.append(taken)
        self.rows += taken
        self._earlier.rows = [row for row in self._earlier.rows if row["epoch"] >= first_epoch]
        self.end_earlier()


def keep_superseded(directory: pathlib.Path, name: str, rows: Sequence[EpochRow]) -> None:
    """Store rows of the log that no longer count."""
    if rows:
        table = pa.Table.from_pylist(list(rows), schema=epochs_schema())
        write_superseded(table, directory / ATTEMPTS / "epochs", name)


def write_superseded(rows: pa.Table, folder: pathlib.Path, stem: str) -> None:
    """Store rows that no longer count, unless a run that was cut short has done so already."""
    with suppress(FileExistsError):
        write_part(rows, folder, stem)
