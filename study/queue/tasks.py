"""What the queue hands out and takes back: trials by key, groups of replicates to train, how each ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.ledger.schema import TESTED_PHASES, TUNING_PHASES
from study.search import Point
from study.spec import StudySpec
from trainables.randomness import replicate_seed


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
    def reads_test_set(self) -> bool:
        """Whether its runs do, which are on the confirmation seeds."""
        return self.key.phase in TESTED_PHASES


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one replicate of a trial ended: `status` is "complete", "diverged" (error 1) or "failed" (error None)."""

    key: TrialKey
    point: Point
    replicate: int
    status: str
    validation_error: float | None


def new_task(
    spec: StudySpec, key: TrialKey, sampler: str, point: Point, replicates: Sequence[int], *, is_fresh: bool
) -> Task:
    """A task with the seeds that its replicates have in a study.

    Args:
        spec: The study.
        key: The trial.
        sampler: What chose its point.
        point: A value for each hyperparameter.
        replicates: Numbers of those that are missing of the trial.
        is_fresh: Whether they have the seeds of confirmation rather than those of tuning.
    """
    root = spec.identity.replicates_seed
    shares = spec.identity.shared_order and key.phase in TUNING_PHASES
    return Task(
        key=key,
        sampler=sampler,
        point={name: point[name] for name in spec.optimizers[key.optimizer].space},
        replicates=tuple(replicates),
        seeds=tuple(replicate_seed(root, fresh=is_fresh, replicate=r) for r in replicates),
        order_seed=replicate_seed(root, fresh=False, replicate=0) if shares else None,
    )
