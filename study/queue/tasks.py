"""What the queue hands out and takes back: trials by key, groups of replicates to train, how each ended."""

from dataclasses import dataclass

from analysis.ledger.schema import TESTED_PHASES
from study.search import Point


@dataclass(frozen=True, order=True)
class TrialKey:
    """One optimizer at one point in one phase; all tuning phases share one numbering."""

    optimizer: str
    phase: str
    number: int


@dataclass(frozen=True, kw_only=True)
class Task:
    """A group of replicates to train at once: a trial, or the part of it that is missing."""

    key: TrialKey
    sampler: str
    point: Point
    replicates: tuple[int, ...]
    seeds: tuple[int, ...]
    order_seed: int | None = None
    """Seed of the data order that the replicates share; None if each has its own."""

    @property
    def tests(self) -> bool:
        """Whether it is trained on the confirmation seeds and reads the test set."""
        return self.key.phase in TESTED_PHASES


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one replicate of a trial ended: `status` is "complete", "diverged" (error 1) or "failed" (error None)."""

    key: TrialKey
    point: Point
    replicate: int
    status: str
    validation_error: float | None
