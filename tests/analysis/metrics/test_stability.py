"""Labels, swings and spikes against sequences made by hand and brute force."""

import math

import numpy as np
import pytest

from analysis.metrics import METRICS, Setup
from analysis.metrics.stability import (
    blown_up_at,
    chance_margin,
    collapsed_at,
    excess_total_variation,
    has_learned,
    oscillation,
    spike_share,
)

SETUP = Setup(chance_accuracy=0.1, num_steps=400)
GUESS = math.log(10)


def blown_up_step(run):
    return run.epochs.select(blown_up_at(run.setup)).item()


def collapsed_step(run):
    return run.epochs.select(collapsed_at(run.setup)).item()


def test_the_margin_is_002_or_two_standard_errors():
    assert chance_margin(SETUP) == 0.02
    assert chance_margin(Setup(chance_accuracy=0.1, num_evaluation_images=10_000)) == 0.02
    assert chance_margin(Setup(chance_accuracy=0.1, num_evaluation_images=225)) == pytest.approx(0.04)
    assert math.isnan(chance_margin(Setup(num_evaluation_images=225)))


def test_blown_up_is_three_times_the_loss_of_a_guess_at_three_successive_evaluations(make_run):
    high, low = 3.01 * GUESS, 2.99 * GUESS
    assert blown_up_step(make_run(train=[low, high, high, high, low], setup=SETUP)) == 200
    assert blown_up_step(make_run(train=[high, high, low, high, high], setup=SETUP)) is None
    assert blown_up_step(make_run(train=[high, high], setup=SETUP)) is None
    assert METRICS["blown_up"](make_run(train=[high] * 3, setup=SETUP)) == 1
    assert METRICS["blown_up"](make_run(train=[low] * 3, setup=SETUP)) == 0


def test_without_a_known_guess_the_first_step_loss_is_the_initial_one(make_run):
    assert blown_up_step(make_run(train=[3.1] * 3, step_losses=[1.0, 2.0])) == 100
    assert blown_up_step(make_run(train=[2.9] * 3, step_losses=[1.0, 2.0])) is None
    assert math.isnan(METRICS["blown_up"](make_run(train=[3.1] * 3)))


def test_a_validation_loss_that_rises_is_not_blown_up(make_run):
    assert blown_up_step(make_run(train=[0.1] * 4, held_out=[9.0] * 4, setup=SETUP)) is None


@pytest.mark.parametrize(
    ("accuracies", "step"),
    [
        ([0.16, 0.12, 0.08], 200),  # three margins above chance is enough, one margin is still chance
        ([0.159, 0.1, 0.1], None),  # never learned
        ([0.4, 0.1, 0.13, 0.1], None),  # not in a row
        ([0.1, 0.1, 0.4, 0.4], None),  # before it learned
        ([0.4, 0.3, 0.1, 0.1], 300),
        ([0.4], None),
    ],
)
def test_collapsed_is_back_at_chance_twice_in_a_row_after_having_learned(make_run, accuracies, step):
    run = make_run([1 - accuracy for accuracy in accuracies], setup=SETUP)
    assert collapsed_step(run) == step
    assert METRICS["collapsed"](run) == float(step is not None)


def test_more_images_make_for_a_smaller_margin(make_run):
    errors = [0.85, 0.87, 0.87]
    assert collapsed_step(make_run(errors, setup=Setup(chance_accuracy=0.1, num_evaluation_images=100))) is None
    assert (
        collapsed_step(make_run([0.7, *errors[1:]], setup=Setup(chance_accuracy=0.1, num_evaluation_images=100))) == 200
    )
    assert collapsed_step(make_run([0.7, *errors[1:]], setup=SETUP)) is None


def test_without_evaluations_there_is_no_label(make_run):
    for name in ("blown_up", "collapsed"):
        assert math.isnan(METRICS[name](make_run([], setup=SETUP)))
        assert math.isnan(METRICS[name](make_run([])))


def test_without_a_known_guess_nobody_can_tell_a_collapse(make_run):
    assert collapsed_step(make_run([0.5, 0.9, 0.9])) is None
    assert math.isnan(METRICS["collapsed"](make_run([0.5, 0.9, 0.9])))


def test_the_end_of_a_diverged_replicate_is_no_collapse(make_run):
    run = make_run([0.5, 0.9, 1.0], held_out=[1.0, 2.3, None], status="diverged", setup=SETUP)
    assert collapsed_step(run) is None
    earlier = make_run([0.5, 0.9, 0.9, 1.0], held_out=[1.0, 2.3, 2.3, None], status="diverged", setup=SETUP)
    assert collapsed_step(earlier) == 200


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("divergence", 1),
        ("blown_up", 1),
        ("collapsed", 1),
        ("oscillation", 10),
        ("spike_share", 1),
        ("excess_total_variation", None),
        ("upward_share", 1),
        ("max_drawdown", 1),
    ],
)
def test_a_diverged_replicate_scores_the_worst(make_run, name, score):
    run = make_run([0.5, 1.0], train=[1.0, None], step_losses=[2.0] * 99, status="diverged", setup=SETUP)
    assert METRICS[name](run) == score


@pytest.mark.parametrize("name", ["oscillation", "spike_share", "excess_total_variation", "upward_share"])
@pytest.mark.parametrize("step_losses", [None, [], [1.0]])
def test_without_step_losses_there_is_no_number(make_run, name, step_losses):
    assert math.isnan(METRICS[name](make_run([0.5, 0.4], step_losses=step_losses, setup=SETUP)))
    assert math.isnan(METRICS[name](make_run([], setup=SETUP)))


def test_step_losses_of_several_epochs_follow_one_another(make_run):
    run = make_run([0.5, 0.4], step_losses=[2.0, 1.0])
    assert run.step_losses().tolist() == [2.0, 1.0]


def test_oscillation_by_hand(make_run):
    # With one low loss in five the median is the high one, and the low ones are 1 below it.
    losses = np.where(np.arange(500) % 5 == 0, 1.0, 2.0)
    assert oscillation(make_run([0.5], step_losses=losses)) == pytest.approx(math.sqrt(0.2) / 1.8)


def test_oscillation_sees_neither_a_trend_nor_the_first_80_percent(make_run):
    falling = np.linspace(3, 1, 1000)
    # At the very end the median lags: its window is cut off on one side.
    assert oscillation(make_run([0.5], step_losses=falling)) < 0.01
    wild = falling.copy()
    wild[:770:2] += 5
    assert oscillation(make_run([0.5], step_losses=wild)) == pytest.approx(
        oscillation(make_run([0.5], step_losses=falling))
    )


def test_oscillation_of_noise_is_its_standard_deviation_over_the_mean(make_run):
    losses = 2 + 0.1 * np.random.default_rng(2).standard_normal(50_000)
    # A deviation from the median of 51 has variance s^2 (1 - 2 c + pi / 102), with c = 1 / 51 its covariance with it.
    expected = 0.05 * math.sqrt(1 - 2 / 51 + math.pi / 102)
    assert oscillation(make_run([0.5], step_losses=losses)) == pytest.approx(expected, rel=0.03)


def test_oscillation_needs_a_window_of_steps_and_a_positive_mean(make_run):
    assert math.isnan(oscillation(make_run([0.5], step_losses=[1.0] * 50)))
    assert oscillation(make_run([0.5], step_losses=[1.0] * 51)) == 0
    assert math.isnan(oscillation(make_run([0.5], step_losses=[0.0] * 51)))


def test_spikes_are_counted_where_they_stand_out_of_the_noise_around_them(make_run):
    random = np.random.default_rng(3)
    losses = 2 + np.repeat([0.1, 0.01], 500) * random.uniform(-1, 1, 1000)
    assert spike_share(make_run([0.5], step_losses=losses)) == 0
    # A jump of 0.15 is nothing in the first half and twenty deviations in the second.
    losses[[200, 300]] = 2.15
    losses[[700, 800, 900]] = 2.15
    assert spike_share(make_run([0.5], step_losses=losses)) == pytest.approx(3 / 1000)


def test_excess_total_variation_by_hand(make_run):
    # Up and down 1 + 0.5 + 1.5 = 3 for a way of 2 - 0 = 2.
    run = make_run([0.5], step_losses=[2.0, 1.0, 1.5, 0.0], setup=SETUP)
    assert excess_total_variation(run) == pytest.approx(0.5)
    assert excess_total_variation(make_run([0.5], step_losses=[2.0, 1.0, 0.5], setup=SETUP)) == pytest.approx(0)


def test_what_has_learned_nothing_has_no_total_variation(make_run):
    for errors, losses in (([0.5], [2.0, 1.0, 2.0]), ([0.5], [2.0, 2.5]), ([0.88], [2.0, 1.0]), ([], [2.0, 1.0])):
        run = make_run(errors, step_losses=losses, setup=SETUP)
        assert not has_learned(run)
        assert math.isnan(excess_total_variation(run))
    assert has_learned(make_run([0.87], step_losses=[2.0, 1.0], setup=SETUP))
    assert has_learned(make_run([0.9], step_losses=[2.0, 1.0]))


def test_upward_steps_and_drawdown_by_hand(make_run):
    assert METRICS["upward_share"](make_run([0.5], step_losses=[2.0, 1.0, 1.5, 1.5, 1.0])) == 0.25
    assert METRICS["max_drawdown"](make_run([0.5, 0.3, 0.6, 0.2, 0.4])) == pytest.approx(0.3)
    assert METRICS["max_drawdown"](make_run([0.5, 0.4])) == 0
    assert METRICS["max_drawdown"](make_run([0.5])) == 0
    assert math.isnan(METRICS["max_drawdown"](make_run([])))
