"""What follows once a trial has ended: it is stored, and then the queue and the live view hear of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from study.display.progress import Progress
from study.ledger.rows import outcomes
from study.tune.assignments import Assignments
from study.tune.commits import Commit, Commits


class Settlement:
    """Between the commits and all who wait for them.

    Args:
        commits: Stores the trials.
        assignments: Tells the queue.
        progress: Live view.

    Attributes:
        error: What kept rows from being stored and ended the study, a full disk for instance; None if all went well.
    """

    def __init__(self, commits: Commits, assignments: Assignments, progress: Progress) -> None:
        self._commits, self._assignments, self._progress = commits, assignments, progress
        self.error: OSError | ValueError | None = None

    def add(self, commit: Commit) -> None:
        """Begin to store a trial.

        Raises:
            OSError: The disk is full or may not be written.
        """
        if self._commits.is_full:
            self.settle(wait=True)
        self._commits.add(commit)

    def settle(self, *, wait: bool) -> None:
        """Tell the queue and the live view about the trials that have been stored.

        Args:
            wait: Whether to wait for those that are being stored.

        Raises:
            OSError: The disk is full or may not be written.
        """
        with self.storing():
            for commit in self._commits.ended(wait=wait):
                ended = outcomes(commit.attempt.task, commit.rows)
                kind = self._assignments.kind(commit.trial_id)
                self._assignments.finish(commit.trial_id, ended)
                self._progress.trial_finished(ended, commit.rows, kind)

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Tune ends the study at an error of a callback and turns it into text; the caller wants the error itself."""
        try:
            yield
        except (OSError, ValueError) as error:
            self.error = error
            raise
