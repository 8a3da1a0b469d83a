"""Times to targets, areas and errors against curves computed by hand."""

import math

import numpy as np
import pytest

from analysis.metrics import METRICS, Setup
from analysis.metrics.convergence import budget, mean_height, sustained_times, times_to_targets

SETUP = Setup(targets=(0.3, 0.5), chance_accuracy=0.1, num_steps=400)


def test_a_target_is_reached_between_two_evaluations(make_run):
    # Accuracies .1 (a guess), .2, .4, .6, .8 at steps 0, 100, ...: .3 at 150, .5 at 250.
    run = make_run([0.8, 0.6, 0.4, 0.2], setup=SETUP)
    assert times_to_targets(run, "steps") == pytest.approx([150, 250])
    assert METRICS["restricted_steps_to_target"](run) == pytest.approx(200)
    assert METRICS["restricted_epochs_to_target"](run) == pytest.approx(2)
    assert METRICS["restricted_seconds_to_target"](run) == pytest.approx(4)


def test_before_the_first_evaluation_the_accuracy_rises_from_that_of_a_guess(make_run):
    # .1 at 0 to .5 at 100: .3 at 50.
    assert times_to_targets(make_run([0.5], setup=SETUP), "steps") == pytest.approx([50, 100])


def test_without_a_known_guess_a_target_held_from_the_start_counts_as_reached_at_the_first_evaluation(make_run):
    setup = Setup(targets=(0.3, 0.7), num_steps=200)
    assert times_to_targets(make_run([0.6, 0.2], setup=setup), "steps") == pytest.approx([100, 175])


def test_touching_a_target_early_does_not_count(make_run):
    # Accuracies .1, .6, .2, .4, .6: both targets are touched before step 100 and held only later.
    run = make_run([0.4, 0.8, 0.6, 0.4], setup=SETUP)
    assert times_to_targets(run, "steps") == pytest.approx([250, 350])


def test_a_target_lost_at_the_end_is_missed(make_run):
    run = make_run([0.4, 0.4, 0.4, 0.6], setup=SETUP)
    assert times_to_targets(run, "steps").tolist() == [pytest.approx(40), math.inf]
    assert METRICS["restricted_steps_to_target"](run) == pytest.approx((40 + 400) / 2)


def test_equality_is_enough_to_stay_above():
    assert sustained_times(np.array([1.0, 2.0]), np.array([0.3, 0.3]), [0.3]).tolist() == [1.0]


def test_a_target_met_exactly_is_reached_whatever_the_rounding(make_run):
    """In floats 1 - 0.8 is less than 0.2 and 1 - 0.7 more than 0.3."""
    for target in (0.2, 0.3, 0.35, 0.4, 0.55, 0.6):
        setup = Setup(targets=(target,), chance_accuracy=0.1, num_steps=100)
        assert times_to_targets(make_run([1 - target], setup=setup), "steps") == pytest.approx([100])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("restricted_steps_to_target", 400),
        ("restricted_epochs_to_target", 4),
        ("restricted_seconds_to_target", 4 * 3.0),
        ("area_over_steps", 0),
        ("area_over_log_steps", 0),
        ("best_validation_error", 1),
        ("tail_validation_error", 1),
    ],
)
def test_a_diverged_replicate_scores_the_budget_or_the_worst(make_run, name, expected):
    # It had reached both targets in its first epoch; the budget in seconds is at its own pace of 3 s per epoch.
    run = make_run([0.2, 1.0], held_out=[1.0, None], seconds=[3.0, 3.0], status="diverged", setup=SETUP)
    assert METRICS[name](run) == pytest.approx(expected)


def test_a_run_that_misses_every_target_scores_exactly_the_budget(make_run):
    assert METRICS["restricted_steps_to_target"](make_run([0.9] * 4, setup=SETUP)) == 400


def test_the_pace_of_unequal_epochs_is_their_mean(make_run):
    run = make_run([0.9, 0.9], seconds=[1.0, 5.0], setup=SETUP)
    assert budget(run, "seconds") == pytest.approx(400 * 6 / 200)
    assert run.clock("seconds").tolist() == [1.0, 6.0]


@pytest.mark.parametrize("clock", ["steps", "epochs", "seconds"])
@pytest.mark.parametrize("status", ["complete", "diverged"])
def test_without_targets_or_steps_there_is_no_time(make_run, clock, status):
    for setup in (Setup(chance_accuracy=0.1, num_steps=400), Setup(targets=(0.3,), chance_accuracy=0.1)):
        assert math.isnan(METRICS[f"restricted_{clock}_to_target"](make_run([0.2], status=status, setup=setup)))


@pytest.mark.parametrize(
    "name",
    [
        "restricted_steps_to_target",
        "restricted_seconds_to_target",
        "area_over_steps",
        "area_over_log_steps",
        "best_validation_error",
        "tail_validation_error",
    ],
)
def test_a_run_without_evaluations_or_with_a_lost_one_has_no_number(make_run, name):
    assert math.isnan(METRICS[name](make_run([], setup=SETUP)))
    assert math.isnan(METRICS[name](make_run([0.5, None], setup=SETUP)))


def test_the_area_is_the_mean_height_of_the_curve(make_run):
    # Trapezoids of .1, .3, .5, .5: (.2 + .4 + .5) / 3.
    run = make_run([0.7, 0.5, 0.5], setup=SETUP)
    assert METRICS["area_over_steps"](run) == pytest.approx(1.1 / 3)


def test_the_area_over_log_steps_weighs_each_decade_alike(make_run):
    # From a guess at step 1 over .3 at step 10 to .5 at step 100 in a run of one epoch of 10 and one of 90 steps.
    run = make_run([0.7, 0.5], setup=SETUP)
    epochs = run.epochs.with_columns(steps=np.array([10, 90]))
    run = type(run)(run.trial, epochs, run.setup)
    assert METRICS["area_over_log_steps"](run) == pytest.approx((0.2 + 0.4) / 2)


def test_between_evaluations_the_curve_is_linear_in_the_logarithm(make_run):
    # From .1 at step 1 to .5 at step 100, then flat to step 400.
    run = make_run([0.5, 0.5, 0.5, 0.5], setup=SETUP)
    expected = (0.3 * math.log(100) + 0.5 * math.log(4)) / math.log(400)
    assert METRICS["area_over_log_steps"](run) == pytest.approx(expected)


def test_the_area_needs_the_accuracy_of_a_guess_and_a_length(make_run):
    assert math.isnan(METRICS["area_over_steps"](make_run([0.5])))
    assert math.isnan(METRICS["area_over_log_steps"](make_run([0.5])))
    assert math.isnan(METRICS["area_over_log_steps"](make_run([0.5], steps=1, setup=SETUP)))
    assert math.isnan(mean_height(np.array([1.0]), np.array([1.0])))


def test_best_final_and_tail_error_are_three_numbers(make_run):
    # The last 20 % of ten evaluations are the last two, of four only the last.
    errors = [0.9, 0.8, 0.7, 0.2, 0.5, 0.5, 0.5, 0.5, 0.4, 0.6]
    run = make_run(errors, validation_error=0.6)
    assert METRICS["best_validation_error"](run) == 0.2
    assert METRICS["validation_error"](run) == 0.6
    assert METRICS["tail_validation_error"](run) == pytest.approx(0.5)
    assert METRICS["tail_validation_error"](make_run(errors[-5:])) == 0.6
    assert METRICS["tail_validation_error"](make_run([0.3])) == 0.3


def test_noise_on_a_plateau_is_flattered_by_first_hits_only():
    """On noise around a level below the target the sustained time is that of the last excursion, never the first."""
    random = np.random.default_rng(0)
    values = 0.3 + 0.1 * random.standard_normal(200)
    values[-1] = 0.6
    positions = np.arange(200.0)
    found = float(sustained_times(positions, values, [0.5])[0])
    first_hit = float(positions[values >= 0.5][0])
    assert 198 < found < 199
    assert first_hit < 100
