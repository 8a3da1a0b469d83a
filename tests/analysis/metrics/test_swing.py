"""The swing of the step losses at equal training loss, on runs whose noise is known."""

import math

import numpy as np
import pytest

from analysis.metrics import METRICS, PAIR_METRICS
from analysis.metrics._swing import rolling_median

matched = PAIR_METRICS["matched_loss_swing"]
EPOCH = 80
NUM_SEEDS = 40


def test_rolling_median_agrees_with_brute_force():
    values = np.random.default_rng(0).random(130)
    expected = [np.median(values[max(0, place - 25) : place + 26]) for place in range(130)]
    assert rolling_median(values).tolist() == pytest.approx(expected)


@pytest.fixture
def trained(make_run):
    """A run of 16 epochs whose training loss falls exponentially and whose step losses have noise of a known law."""

    def run(seed, *, haste=1.0, noise=(0.0, 0.1)):
        """Standard deviation of the noise: noise[0] + noise[1] * level."""
        steps = np.arange(1, 16 * EPOCH + 1)
        level = 0.3 + 2 * np.exp(-haste * steps / (8 * EPOCH))
        luck = np.random.default_rng([seed, round(1000 * haste)]).normal(size=steps.size)
        losses = level + (noise[0] + noise[1] * level) * luck
        return make_run(train=list(level[EPOCH - 1 :: EPOCH]), step_losses=list(losses), steps=EPOCH)

    return run


def mean_log_ratio(pairs):
    """Mean over pairs of log(other / one), and its standard error."""
    found = np.array([math.log(theirs / ours) for ours, theirs in (matched(*pair) for pair in pairs)])
    return found.mean(), found.std(ddof=1) / math.sqrt(found.size)


@pytest.mark.parametrize("noise", [(0.2, 0.0), (0.0, 0.1), (0.4, -0.1)])
def test_the_same_noise_at_another_speed_is_no_difference(trained, noise):
    """The fast run ends far lower; what it swings at a loss is what the slow one swings there."""
    pairs = [
        (trained(seed, haste=2.5, noise=noise), trained(seed, haste=1.0, noise=noise)) for seed in range(NUM_SEEDS)
    ]
    found, error = mean_log_ratio(pairs)
    assert abs(found) < 4 * error
    assert error < 0.02


def test_a_lower_loss_alone_is_no_stability_as_it_is_for_the_oscillation(trained):
    pairs = [[trained(seed, haste=haste, noise=(0.2, 0.0)) for haste in (1.0, 2.5)] for seed in range(NUM_SEEDS)]
    found, error = mean_log_ratio(pairs)
    assert abs(found) < 4 * error
    oscillation = METRICS["oscillation"]
    assert np.mean([math.log(oscillation(fast) / oscillation(slow)) for slow, fast in pairs]) > 0.3


@pytest.mark.parametrize("haste", [1.0, 2.5])
def test_a_swing_twice_as_large_at_the_same_loss_is_found_whatever_the_speed(trained, haste):
    pairs = [(trained(seed, haste=haste), trained(1000 + seed, noise=(0.0, 0.2))) for seed in range(NUM_SEEDS)]
    found, error = mean_log_ratio(pairs)
    assert found == pytest.approx(math.log(2), abs=4 * error)
    assert error < 0.02


def test_the_swing_is_the_standard_deviation_of_the_noise(trained):
    runs = [trained(seed, noise=(0.2, 0.0)) for seed in range(NUM_SEEDS)]
    swings = [swing for pair in zip(runs[::2], runs[1::2], strict=True) for swing in matched(*pair)]
    # Of 51 values the median takes part in the distance: var(x - median) = var(x) (1 + (pi / 2 - 2) / 51), about.
    expected = 0.2 * math.sqrt(1 + (math.pi / 2 - 2) / 51)
    assert np.mean(swings) == pytest.approx(expected, abs=4 * np.std(swings) / math.sqrt(len(swings)) + 0.001)


def test_the_exact_integral_agrees_with_the_steps_sorted_by_training_loss(make_run):
    """Wavy training losses, of which levels are met on the way down and up, against a fine grid of steps and levels."""
    random = np.random.default_rng(3)
    trains = [2 - 0.1 * np.arange(12) + 0.3 * random.random(12) for _ in range(2)]
    noises = [(0.1 + 0.3 * random.random(12 * EPOCH)) * random.normal(size=12 * EPOCH) for _ in range(2)]
    runs = [
        make_run(train=list(train), step_losses=list(1 + noise), steps=EPOCH)
        for train, noise in zip(trains, noises, strict=True)
    ]
    low, high = max(train.min() for train in trains), min(train.max() for train in trains)
    edges = np.linspace(low, high, 501)
    for found, run, train in zip(matched(*runs), runs, trains, strict=True):
        losses = run.step_losses()
        squares = (losses - rolling_median(losses)) ** 2
        times = np.arange(EPOCH, 12 * EPOCH, 0.001) + 0.0005
        levels = np.interp(times, EPOCH * np.arange(1, 13), train)
        bins = np.digitize(levels, edges)
        sums, counts = (np.bincount(bins, weights, 502)[1:501] for weights in (squares[times.astype(int)], None))
        assert found == pytest.approx(math.sqrt((sums / counts).mean()), rel=2e-3)


def test_noise_on_the_way_up_counts(make_run):
    """A run that loses what it had learned in a wild epoch swings more than one that does not."""
    random = np.random.default_rng(5)
    calm = random.normal(size=4 * EPOCH)
    wild = np.where(np.arange(4 * EPOCH) // EPOCH == 2, 5.0, 1.0) * calm
    steady = make_run(train=[2.0, 1.8, 1.4, 1.0], step_losses=list(0.1 * calm), steps=EPOCH)
    spiky = make_run(train=[2.0, 1.0, 2.0, 1.0], step_losses=list(0.1 * wild), steps=EPOCH)
    ours, theirs = matched(steady, spiky)
    assert theirs > 2 * ours


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([2.0, 1.5], [1.4, 1.0]),  # one ends above where the other begins
        ([2.0, 1.5], [1.5, 1.0]),  # they share a point only
        ([2.0], [2.0]),  # one evaluation
        ([2.0, 1.0], [2.0, 1.5]),  # 40 steps of the first in the range
        ([2.0, None], [2.0, 1.0]),
        ([], []),
    ],
)
def test_runs_without_51_steps_at_common_training_losses_have_no_swing(make_run, one, other):
    runs = [make_run(train=train, step_losses=[1.0] * EPOCH * len(train), steps=EPOCH) for train in (one, other)]
    assert matched(*runs) is None
    assert matched(*runs[::-1]) is None


def test_fifty_one_steps_at_common_training_losses_are_enough(make_run):
    losses = list(np.random.default_rng(0).normal(size=2 * EPOCH))
    slow = make_run(train=[2.0, 1.36], step_losses=losses, steps=EPOCH)
    assert matched(make_run(train=[2.0, 1.0], step_losses=losses, steps=EPOCH), slow) is not None


def test_without_step_losses_and_after_a_divergence_there_is_no_swing(make_run):
    train, losses = [2.0, 1.0], [1.0, 2.0] * EPOCH
    whole = make_run(train=train, step_losses=losses, steps=EPOCH)
    assert matched(whole, whole) is not None
    assert matched(whole, make_run(train=train, steps=EPOCH)) is None
    assert matched(whole, make_run(train=train, step_losses=losses[1:], steps=EPOCH)) is None
    assert matched(whole, make_run(train=train, step_losses=losses, steps=EPOCH, status="diverged")) is None
