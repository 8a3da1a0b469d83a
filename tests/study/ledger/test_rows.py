"""From results to ledger rows: what a replicate's row says of its epochs."""

from dataclasses import replace

import numpy as np
import pytest

from study.ledger.log import LOG_SCHEMA
from study.ledger.rows import EpochRow, TrialEnd, epoch_rows, failed_rows, outcomes, trial_rows
from study.queue.tasks import Task, TrialKey
from trainables.training.trial import ReplicateEpoch, ReplicateTest

POINT = {"learning_rate": 0.1}
END = TrialEnd(device="cpu", node="10.0.0.7")


def task(phase="explore", replicates=(4, 5)):
    return Task(
        key=TrialKey("sgd", phase, 3),
        sampler="sobol",
        point=POINT,
        replicates=replicates,
        seeds=tuple(100 + r for r in replicates),
    )


def record(replicate, epoch, error, *, diverged_step=None):
    return ReplicateEpoch(
        replicate=replicate,
        epoch=epoch,
        train_loss=None if diverged_step else 2 * error,
        train_error=error,
        validation_loss=None if diverged_step else 3 * error,
        validation_error=error,
        step_losses=np.zeros(2, dtype=np.float32),
        gradient_norm=None,
        update_norm=None,
        weight_norm=None,
        seconds=0.5,
        steps=7,
        images=70,
        diverged_step=diverged_step,
    )


RECORDS = [record(0, 1, 0.5), record(1, 1, 0.4), record(0, 2, 0.6), record(1, 2, 1.0, diverged_step=9)]
EPOCHS = epoch_rows(task(), 0, RECORDS)


def test_a_row_of_the_log_has_the_columns_of_the_log():
    assert {*EpochRow.__annotations__} == {*LOG_SCHEMA.names}
    assert {*EPOCHS[0]} == {*LOG_SCHEMA.names}


def test_replicates_of_a_group_are_numbered_as_those_of_the_trial():
    assert [row["replicate"] for row in trial_rows(task(), 0, EPOCHS, END)] == [4, 5]
    assert [row["replicate"] for row in epoch_rows(task(), 0, RECORDS)] == [4, 5, 4, 5]


def test_final_values_are_those_of_the_last_epoch_and_best_ones_the_lowest():
    row, _ = trial_rows(task(), 0, EPOCHS, END)
    assert (row["validation_error"], row["best_validation_error"]) == (0.6, 0.5)
    assert (row["validation_loss"], row["best_validation_loss"]) == pytest.approx((1.8, 1.5))
    assert (row["steps"], row["images"], row["seconds"]) == (14, 140, 1.0)
    assert row["status"] == "complete"


def test_a_diverged_replicate_keeps_its_step_and_scores_one():
    _, row = trial_rows(task(), 0, EPOCHS, END)
    assert (row["status"], row["diverged_step"], row["validation_error"]) == ("diverged", 9, 1.0)
    assert row["validation_loss"] is None
    assert row["best_validation_error"] == 0.4
    assert row["best_validation_loss"] == pytest.approx(1.2)


def test_a_replicate_that_diverged_at_once_has_no_best_loss():
    alone = task(replicates=(0,))
    (row,) = trial_rows(alone, 0, epoch_rows(alone, 0, [record(0, 1, 1.0, diverged_step=1)]), END)
    assert row["best_validation_loss"] is None


def test_a_trial_says_where_it_ran_and_what_chose_it():
    row, _ = trial_rows(task(), 2, EPOCHS, END)
    assert {name: row[name] for name in ("device", "node", "sampler", "seed", "group_size", "attempt")} == {
        "device": "cpu",
        "node": "10.0.0.7",
        "sampler": "sobol",
        "seed": 104,
        "group_size": 2,
        "attempt": 2,
    }


def test_confirmation_alone_has_test_columns_and_a_diverged_replicate_fails_every_test_image():
    tests = [
        ReplicateTest(test_loss=1.1, test_error=0.3, test_correct=b"\x80"),
        ReplicateTest(test_loss=9.9, test_error=0.9, test_correct=b"\x00"),
    ]
    end = replace(END, tests=tests)
    complete, diverged = trial_rows(task("confirm"), 0, EPOCHS, end)
    assert (complete["test_loss"], complete["test_error"], complete["test_correct"]) == (1.1, 0.3, b"\x80")
    assert (diverged["test_loss"], diverged["test_error"]) == (None, 1.0)
    assert "test_correct" not in diverged
    assert "test_error" not in trial_rows(task(), 0, EPOCHS, end)[0]


def test_a_failed_trial_counts_the_effort_of_the_epochs_it_reached():
    first, second = failed_rows(task(), 1, EPOCHS[:1], "RuntimeError: no")
    assert (first["status"], first["message"], first["steps"]) == ("failed", "RuntimeError: no", 7)
    assert (second["steps"], second["seconds"]) == (0, 0)


def test_outcomes_carry_the_error_of_ended_and_none_of_failed_replicates():
    ended = outcomes(task(), trial_rows(task(), 0, EPOCHS, END))
    assert [(o.replicate, o.status, o.validation_error) for o in ended] == [(4, "complete", 0.6), (5, "diverged", 1.0)]
    failed = outcomes(task(), failed_rows(task(), 0, [], "no"))
    assert [(o.status, o.validation_error) for o in failed] == [("failed", None)] * 2
