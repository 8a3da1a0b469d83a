"""Stores trials that have ended while others train: Tune has one thread, which must not wait for the disk."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from study.ledger import Attempt, Ledger
from study.ledger.rows import Row
from study.tune.checkpoints import Continuation

NUM_AT_ONCE = 4
"""Commits at once: they mostly wait for the disk, which writes several as fast as one."""

MOST_WAITING = 16
"""Trials that may have ended without being stored; the next one has to wait."""


@dataclass(frozen=True)
class Commit:
    """A trial that has ended: its Tune trial, its attempt and its rows of `trials`."""

    trial_id: str
    attempt: Attempt
    rows: Sequence[Row]


class Commits:
    """Every commit is that of `Ledger.commit`, whole or absent; until it is done the log has the trial's epochs.

    A trial counts as ended once `ended` has returned it. Nothing but `ended` may be relied on in between.

    Args:
        ledger: Where rows go.
        continuation: Knows the checkpoints, which are discarded after the commit; None without a storage for them.
    """

    def __init__(self, ledger: Ledger, continuation: Continuation | None) -> None:
        self._ledger, self._continuation = ledger, continuation
        self._threads = ThreadPoolExecutor(NUM_AT_ONCE, thread_name_prefix="commit")
        self._waiting: deque[tuple[Commit, Future[None]]] = deque()

    @property
    def is_full(self) -> bool:
        """Whether so many wait that no other should be added."""
        return len(self._waiting) >= MOST_WAITING

    def add(self, commit: Commit) -> None:
        """Begin to store a trial."""
        self._waiting.append((commit, self._threads.submit(self._store, commit)))

    def ended(self, *, wait: bool) -> Iterator[Commit]:
        """What has been stored since the last call, in the order in which it was added.

        Args:
            wait: Whether to wait for all that was added.

        Raises:
            OSError: The disk is full or may not be written; that trial is not stored.
        """
        while self._waiting and (wait or self._waiting[0][1].done()):
            commit, stored = self._waiting.popleft()
            stored.result()
            yield commit

    def _store(self, commit: Commit) -> None:
        self._ledger.commit(commit.attempt, commit.rows)
        if self._continuation:
            self._continuation.discard(commit.attempt.task)
