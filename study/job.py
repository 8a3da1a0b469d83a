"""A study at work: what was asked for, what its ledger holds and what is left to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from study.ledger import Ledger
from study.request import Request
from study.schedule import Outcome, Schedule
from study.search import load_search


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run's share of a study.

    Args:
        request: What is asked for.
        ledger: Where the rows are.
        schedule: What is left to do.
        outcomes: How the replicates of earlier runs ended.
        notes: One line about every file that was damaged.
    """

    request: Request
    ledger: Ledger
    schedule: Schedule
    outcomes: Sequence[Outcome]
    notes: Sequence[str]

    @classmethod
    def open(cls, request: Request, *, recover: bool, keep_logs: bool) -> Self:
        """Read the ledger and work out what is left.

        Args:
            request: What is asked for.
            recover: Whether to bring the ledger in order first, which only the holder of its lock may.
            keep_logs: Whether trials that were cut off may go on from a checkpoint.

        Raises:
            ValueError: A file of the ledger is damaged, or was added by hand.
        """
        ledger = Ledger(request.directory, request.spec)
        notes = ledger.recover(keep_logs=keep_logs) if recover else []
        outcomes = ledger.outcomes()
        schedule = Schedule(request.spec, load_search(request.spec.identity.search), outcomes)
        return cls(request=request, ledger=ledger, schedule=schedule, outcomes=outcomes, notes=notes)
