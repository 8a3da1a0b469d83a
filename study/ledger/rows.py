"""From the results of a group of replicates to ledger rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from study.queue.tasks import Outcome, Task
from trainables.training.trial import ReplicateEpoch

Row = Mapping[str, Any]
"""A row of a table, or of the log: there an epoch has its `diverged_step` as well."""


def epoch_rows(task: Task, attempt: int, records: Sequence[ReplicateEpoch]) -> list[dict[str, Any]]:
    """Rows of the log."""
    return [{**vars(record), **_key(task, record.replicate), "attempt": attempt} for record in records]


def trial_rows(task: Task, attempt: int, epochs: Sequence[Row], last_result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of `trials` for a group that has trained to its end.

    Args:
        task: What was trained.
        attempt: Which attempt, from 0.
        epochs: All its rows of the log.
        last_result: The last result of the trainable, with the test evaluation if there was one.
    """
    return [_trial_row(task, attempt, position, epochs, last_result) for position in range(len(task.replicates))]


def failed_rows(task: Task, attempt: int, epochs: Sequence[Row], message: str) -> list[dict[str, Any]]:
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


def _trial_row(
    task: Task, attempt: int, position: int, epochs: Sequence[Row], last_result: Mapping[str, Any]
) -> dict[str, Any]:
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
        "device": last_result["device"],
        "node": last_result["node_ip"],
    }
    if task.reads_test_set:
        row |= {"test_loss": None, "test_error": 1.0} if diverged else vars(last_result["tests"][position])
    return row


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


def _effort(epochs: Sequence[Row]) -> dict[str, Any]:
    return {name: sum(row[name] for row in epochs) for name in ("steps", "images", "seconds")}
