"""A study at work: what was asked for, what its ledger holds and what is left to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from study.ledger import Ledger
from study.queue.tasks import Outcome
from study.queue.trial_queue import Schedule
from study.request.request import Request
from study.search import load_search


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run's share of a study.

    Args:
        request: What is asked for.
        ledger: Where the rows are.
        schedule: What is left to do.
        outcomes: How the replicates of earlier runs ended.
        notes: One line about every damaged file that was found at the start.
    """

    request: Request
    ledger: Ledger
    schedule: Schedule
    outcomes: Sequence[Outcome]
    notes: Sequence[str] = ()

    @classmethod
    def open(cls, request: Request, ledger: Ledger, notes: Sequence[str] = ()) -> Self:
        """Read the ledger and work out what is left.

        Raises:
            ValueError: A file of the ledger is damaged.
        """
        outcomes = ledger.outcomes()
        schedule = Schedule(request.spec, load_search(request.spec.identity.search), outcomes)
        return cls(request=request, ledger=ledger, schedule=schedule, outcomes=outcomes, notes=notes)
