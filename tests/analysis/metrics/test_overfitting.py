"""Gaps, excesses and early stopping against curves computed by hand and a fine grid."""

import math

import numpy as np
import pytest

from analysis.metrics import METRICS, PAIR_METRICS

matched = PAIR_METRICS["matched_loss_gap"]


def test_the_matched_gap_of_straight_curves(make_run):
    # Training losses 2 -> 1 and 3 -> 1.5 share 1.5 .. 2; the validation losses there are l + 0.1 and 2 throughout.
    one = make_run(train=[2.0, 1.0], held_out=[2.1, 1.1])
    other = make_run(train=[3.0, 1.5], held_out=[2.0, 2.0])
    assert matched(one, other) == pytest.approx((0.1, 2 - 1.75))
    assert matched(other, one) == pytest.approx((2 - 1.75, 0.1))


def test_a_slow_run_is_not_rewarded_for_its_high_training_loss(make_run):
    """Same validation loss at every training loss, one run twice as slow: equal matched gaps, unequal last gaps."""
    train = np.linspace(2.0, 0.5, 7)
    fast = make_run(train=list(train), held_out=list(1 + 0.3 * (2 - train)))
    slow = make_run(train=list(train[:4]), held_out=list(1 + 0.3 * (2 - train[:4])))
    ours, theirs = matched(fast, slow)
    assert ours == pytest.approx(theirs)
    gap = METRICS["generalization_gap"]
    assert gap(fast) > gap(slow) + 0.5


def test_only_the_first_time_at_a_training_loss_counts(make_run):
    # 2 -> 1 -> 1.5 -> 0.5: losses from 1 to 2 are those of the first epoch, below 1 those of the last, on whose way
    # from (1.5, 4) to (0.5, 2) the validation loss at l is 1 + 2 l. From .5 to 1 the gap is 1 + l, in the mean 1.75.
    wavy = make_run(train=[2.0, 1.0, 1.5, 0.5], held_out=[2.0, 1.0, 4.0, 2.0])
    straight = make_run(train=[2.0, 0.5], held_out=[2.0, 0.5])
    ours, theirs = matched(wavy, straight)
    assert ours == pytest.approx(0.5 * 1.75 / 1.5)
    assert theirs == pytest.approx(0, abs=1e-12)


def test_the_exact_integral_agrees_with_a_fine_grid(make_run):
    random = np.random.default_rng(1)
    runs = [
        make_run(train=list(2 - 0.15 * np.arange(10) + 0.2 * random.random(10)), held_out=list(2 + random.random(10)))
        for _ in range(2)
    ]
    curves = [(run.curve("train_loss"), run.curve("validation_loss")) for run in runs]
    low, high = max(train.min() for train, _ in curves), min(train[0] for train, _ in curves)
    for found, (train, held_out) in zip(matched(*runs), curves, strict=True):
        times = np.linspace(0, 9, 900_001)
        fine, fine_held_out = (np.interp(times, np.arange(10), curve) for curve in (train, held_out))
        levels = np.linspace(high, low, 20_001)[:-1] - (high - low) / 40_000
        first = np.searchsorted(-np.minimum.accumulate(fine), -levels)
        assert found == pytest.approx((fine_held_out[first] - levels).mean(), abs=1e-3)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([2.0, 1.5], [1.4, 1.0]),  # one ends above where the other begins
        ([2.0, 1.5], [1.5, 1.0]),  # they share a point only
        ([2.0], [2.0]),  # one epoch
        ([1.0, 1.5], [2.0, 0.5]),  # the training loss of one never falls
        ([], []),
        ([2.0, None], [2.0, 1.0]),
    ],
)
def test_runs_that_share_no_training_loss_have_no_matched_gap(make_run, one, other):
    runs = [make_run(train=train, held_out=[1.0] * len(train)) for train in (one, other)]
    assert matched(*runs) is None
    assert matched(*runs[::-1]) is None


def test_a_diverged_replicate_has_no_gap_and_no_least_loss(make_run):
    whole = make_run(train=[2.0, 1.0], held_out=[2.0, 1.0])
    lost = make_run([0.5, 1.0], train=[2.0, None], held_out=[2.0, None], status="diverged")
    assert matched(whole, lost) is None
    assert METRICS["overfit_excess"](lost) is None
    assert METRICS["epoch_of_least_loss"](lost) is None
    assert METRICS["generalization_gap"](lost) is None
    assert METRICS["early_stopping_error"](lost) == 1.0


def test_excess_epoch_and_error_of_the_least_validation_loss(make_run):
    run = make_run([0.6, 0.45, 0.4, 0.42], held_out=[2.0, 1.5, 1.75, 1.9])
    assert METRICS["overfit_excess"](run) == pytest.approx(0.4)
    assert METRICS["epoch_of_least_loss"](run) == 2
    assert METRICS["early_stopping_error"](run) == 0.45


def test_the_first_of_equal_losses_is_the_least_and_one_epoch_has_no_excess(make_run):
    assert METRICS["epoch_of_least_loss"](make_run([0.5, 0.4, 0.3], held_out=[1.0, 0.5, 0.5])) == 2
    assert METRICS["overfit_excess"](make_run([0.5], held_out=[1.0])) == 0


@pytest.mark.parametrize("name", ["overfit_excess", "epoch_of_least_loss", "early_stopping_error"])
def test_a_run_without_losses_has_no_number(make_run, name):
    assert math.isnan(METRICS[name](make_run([])))
    assert math.isnan(METRICS[name](make_run([0.5, 0.5], held_out=[1.0, None])))


def test_test_error_and_loss_are_those_of_the_row(make_run):
    run = make_run(test_error=0.25, test_loss=0.75)
    assert (METRICS["test_error"](run), METRICS["test_loss"](run)) == (0.25, 0.75)
    untested = make_run(test_error=None, test_loss=None)
    assert math.isnan(METRICS["test_error"](untested))
    assert math.isnan(METRICS["test_loss"](untested))
    lost = make_run(test_error=1.0, test_loss=None, status="diverged")
    assert METRICS["test_error"](lost) == 1.0
    assert METRICS["test_loss"](lost) is None
