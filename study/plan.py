"""What a run will do: its trials, how many images it trains and about how long that takes."""

import os
from dataclasses import dataclass
from typing import Self

from study.job import Job

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
        identity = job.request.spec.identity
        networks = job.schedule.num_replicates() - len(job.outcomes)
        steps = identity.num_train_images // identity.batch_size
        tested = job.schedule.num_confirmation_replicates()
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
