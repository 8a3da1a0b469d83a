"""From the results of a group of replicates to ledger rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypedDict

import numpy as np

from study.queue.tasks import Outcome, Task
from trainables.training.trial import ReplicateEpoch, ReplicateTest

Row = Mapping[str, Any]
"""A row of a table whose columns depend on the study, or of one that is only handed on."""


class EpochRow(TypedDict):
    """A row of the log: what `epochs` holds, whose schema tells the units, and the step of divergence.

    It is the `ReplicateEpoch` that the worker has sent and the trial that it belongs to, in the form that Arrow takes.
    """

    optimizer: str
    phase: str
    number: int
    replicate: int
    attempt: int
    epoch: int
    train_loss: float | None
    train_error: float
    validation_loss: float | None
    validation_error: float
    step_losses: np.ndarray[Any, np.dtype[np.float32]] | Sequence[float]
    gradient_norm: float | None
    update_norm: float | None
    weight_norm: float | None
    seconds: float
    steps: int
    images: int
    diverged_step: int | None


@dataclass(frozen=True, kw_only=True)
class TrialEnd:
    """What the last epoch of a group brings beside its records.

    Args:
        device: `cpu`, or the name of the GPU.
        node: Address of the node that trained it.
        tests: A `ReplicateTest` of each replicate; None where the test set is not read.
    """

    device: str
    node: str
    tests: Sequence[ReplicateTest] | None = None

    @classmethod
    def of(cls, last_result: Mapping[str, Any]) -> Self:
        """From the last result of a `RayTrainable`, to which Tune has added the node."""
        return cls(device=last_result["device"], node=last_result["node_ip"], tests=last_result.get("tests"))


def epoch_rows(task: Task, attempt: int, records: Sequence[ReplicateEpoch]) -> list[EpochRow]:
    """Rows of the log.

    Args:
        task: What is trained.
        attempt: Which attempt, from 0.
        records: Those of an epoch, numbered within the group.
    """
    return [EpochRow(**{**vars(record), **_key(task, record.replicate)}, attempt=attempt) for record in records]  # type: ignore[typeddict-item]


def trial_rows(task: Task, attempt: int, epochs: Sequence[EpochRow], end: TrialEnd) -> list[dict[str, Any]]:
    """Rows of `trials` for a group that has trained to its end.

    Args:
        task: What was trained.
        attempt: Which attempt, from 0.
        epochs: All its rows of the log.
        end: What came with its last epoch.
    """
    return [_trial_row(task, attempt, position, epochs, end) for position in range(len(task.replicates))]


def failed_rows(task: Task, attempt: int, epochs: Sequence[EpochRow], message: str) -> list[dict[str, Any]]:
    """Rows of `trials` for a group that ended in an error."""
    rows = []
    for position, replicate in enumerate(task.replicates):
        mine = [row for row in epochs if row["replicate"] == replicate]
        rows.append(
            {**_origin(task, attempt, position), **_effort(mine), "status": "failed", "message": message}
            | {"device": "unknown", "node": "unknown"}
        )
    return rows


def outcomes(task: Task, rows: Sequence[Row]) -> list[Outcome]:
    """What the queue has to know of rows of `trials`."""
    return [
        Outcome(
            key=task.key,
            point=task.point,
            replicate=row["replicate"],
            status=row["status"],
            validation_error=row.get("validation_error"),
        )
        for row in rows
    ]


def _trial_row(task: Task, attempt: int, position: int, epochs: Sequence[EpochRow], end: TrialEnd) -> dict[str, Any]:
    mine = [row for row in epochs if row["replicate"] == task.replicates[position]]
    last = mine[-1]
    diverged = last["diverged_step"] is not None
    finite_losses = [row["validation_loss"] for row in mine if row["validation_loss"] is not None]
    row = {
        **_origin(task, attempt, position),
        **_effort(mine),
        "status": "diverged" if diverged else "complete",
        "diverged_step": last["diverged_step"],
        "validation_loss": last["validation_loss"],
        "validation_error": last["validation_error"],
        "best_validation_loss": min(finite_losses, default=None),
        "best_validation_error": min(row["validation_error"] for row in mine),
        "device": end.device,
        "node": end.node,
    }
    if task.reads_test_set:
        row |= {"test_loss": None, "test_error": 1.0} if diverged else vars(_tests(end)[position])
    return row


def _tests(end: TrialEnd) -> Sequence[ReplicateTest]:
    assert end.tests is not None, "a run that reads the test set reports it"
    return end.tests


def _key(task: Task, position: int) -> dict[str, Any]:
    key = task.key
    return {
        "optimizer": key.optimizer,
        "phase": key.phase,
        "number": key.number,
        "replicate": task.replicates[position],
    }


def _origin(task: Task, attempt: int, position: int) -> dict[str, Any]:
    return {
        **_key(task, position),
        **task.point,
        "attempt": attempt,
        "sampler": task.sampler,
        "seed": task.seeds[position],
        "group_size": len(task.replicates),
        "shared_order": task.order_seed is not None,
    }


def _effort(epochs: Sequence[EpochRow]) -> dict[str, float]:
    return {
        "steps": sum(row["steps"] for row in epochs),
        "images": sum(row["images"] for row in epochs),
        "seconds": sum(row["seconds"] for row in epochs),
    }
