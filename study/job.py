"""A study at work: what was asked for, what its ledger holds, what is left to do and about how long that takes."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from study.ledger import Ledger
from study.queue.tasks import Outcome
from study.queue.trial_queue import TrialQueue
from study.request.study import Study
from study.search import load_search


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run's share of a study.

    Args:
        study: All of it.
        ledger: Where the rows are.
        queue: What is left to do.
        outcomes: How the replicates of earlier runs ended.
        notes: One line about every damaged file that was found at the start.
    """

    study: Study
    ledger: Ledger
    queue: TrialQueue
    outcomes: Sequence[Outcome]
    notes: Sequence[str] = ()

    @classmethod
    def open(
        cls, study: Study, ledger: Ledger, notes: Sequence[str] = (), winner_seeds: Mapping[str, int] | None = None
    ) -> Self:
        """Read the ledger and work out what is left.

        Args:
            study: All of it.
            ledger: Where the rows are.
            notes: As of the class.
            winner_seeds: As of `TrialQueue`.

        Raises:
            ValueError: A file of the ledger is damaged.
        """
        outcomes = ledger.outcomes()
        queue = TrialQueue(study.spec, load_search(study.spec.identity.search), outcomes, winner_seeds)
        return cls(study=study, ledger=ledger, queue=queue, outcomes=outcomes, notes=notes)


EVALUATION_COST = 1 / 3
"""Work of an evaluated image, in trained images: a forward pass alone, without the backward pass of twice its cost."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Work that is left.

    Args:
        num_networks: Networks to train.
        num_images: Training images that they see, together.
        num_evaluations: Images that they are evaluated on, together.
    """

    num_networks: int
    num_images: int
    num_evaluations: int

    @classmethod
    def of(cls, *jobs: Job) -> Self:
        """What a study and its repeats have left to do."""
        plans = [cls._of_one(job) for job in jobs]
        return cls(
            num_networks=sum(plan.num_networks for plan in plans),
            num_images=sum(plan.num_images for plan in plans),
            num_evaluations=sum(plan.num_evaluations for plan in plans),
        )

    @classmethod
    def _of_one(cls, job: Job) -> Self:
        identity = job.study.spec.identity
        networks = job.queue.num_replicates() - len(job.outcomes)
        steps = identity.num_train_images // identity.batch_size
        tested = job.queue.num_confirmation_replicates()
        return cls(
            num_networks=networks,
            num_images=networks * identity.num_epochs * steps * identity.batch_size,
            num_evaluations=networks * identity.num_epochs * 2 * identity.num_evaluation_images
            + tested * identity.num_test_images,
        )

    def seconds(self, seconds_per_image: float, num_workers: int) -> float:
        """Wall time of the plan, start and report aside."""
        work = self.num_images + EVALUATION_COST * self.num_evaluations
        return work * seconds_per_image / num_workers


def local_workers(cpus_per_trial: float, max_concurrent: int | None) -> int:
    """Trials that this machine trains at once."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    fit = max(1, int(cores / cpus_per_trial))
    return min(fit, max_concurrent or fit)
