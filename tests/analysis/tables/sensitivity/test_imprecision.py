"""The cost of imprecision: closed forms, the luck of tuning, idle hyperparameters, domains, and the verdicts on it."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from analysis.ledger.study import Axis
from analysis.ledger.sweep_design import STEPS
from analysis.tables.sensitivity.imprecision import best_decade, imprecision_costs, imprecision_table
from analysis.tables.sensitivity.one_at_a_time import OneAtATime
from analysis.tables.sensitivity.points import Missing
from analysis.verdicts.evidence import PairedSeeds
from analysis.verdicts.judge import weigh

RATE = Axis(low=1e-4, high=1.0, scale="log")
WHOLE = np.array(sorted([*STEPS, 0.0]))
SEED_DEVIATION = 0.0195
"""Of an error on the mini set beyond what runs of one seed share: differences of two runs have 2.8 points."""

LEVEL = 1 - 0.05 / 2 / 6
"""Of a family of six at its first look."""

SMALLEST_EFFECT = 0.03
DIRECTIONAL = ("SUPPORTED", "DIRECTION ONLY", "REFUTED")


def curve_of(errors, *, steps=WHOLE, winner=0.1, name="a"):
    """A curve whose rows are errors by step, shape (num_steps,) or (num_steps, num_seeds)."""
    table = np.asarray(errors, dtype=float).reshape(len(steps), -1)
    return OneAtATime(
        optimizer=name, hyperparameter="learning_rate", axis=RATE, steps=steps, values=winner * 10**steps,
        errors=table, lost=table >= 1,
    )  # fmt: skip


def cost(curve):
    return imprecision_costs({"learning_rate": curve})


def parabola(steepness, center=0.0):
    return 0.5 + steepness * (WHOLE - center) ** 2


def test_the_cost_of_a_parabola_is_its_mean_over_the_decade():
    """Mean of x^2 over -.5, -.25, 0, .25, .5 is 1/8."""
    assert cost(curve_of(parabola(0.2))) == pytest.approx([0.2 / 8])


def test_a_flat_curve_costs_nothing():
    assert cost(curve_of(np.full((7, 4), 0.5))) == pytest.approx([0.0] * 4)


@pytest.mark.parametrize("winner", [-0.5, -0.25, 0.0, 0.25])
def test_the_decade_is_found_wherever_the_winner_lies(winner):
    """A cliff from .4 decades above the best value on: the best decade ends there, at whatever step that is."""
    at = WHOLE + winner
    curve = curve_of(np.where(at > 0.3, 0.9, 0.5 + 0.1 * np.abs(at)))
    middle, decade = best_decade(curve)
    assert middle + winner + 0.5 <= 0.3
    assert decade <= 0.56


def test_of_equal_decades_the_one_around_the_winner_counts():
    middle, decade = best_decade(curve_of(np.full((7, 2), 0.5)))
    assert middle == 0
    np.testing.assert_array_equal(decade, [0.5, 0.5])


@pytest.mark.parametrize(("steps", "middle"), [([0, 0.25, 0.5, 1], 0.5), ([-1, -0.5, -0.25, 0], -0.5)])
def test_a_curve_to_one_side_has_a_single_decade(steps, middle):
    curve = curve_of([0.5, 0.52, 0.54, 0.58], steps=np.array(steps, dtype=float))
    assert best_decade(curve)[0] == middle
    assert cost(curve) == pytest.approx(
        [np.interp(np.arange(5) / 4, np.array(steps) - steps[0], [0.5, 0.52, 0.54, 0.58]).mean() - 0.5]
    )


def test_all_hyperparameters_together_are_the_sum_so_that_an_idle_one_adds_nothing():
    steep, idle = curve_of(parabola(0.2)), curve_of(np.full(7, 0.5))
    both = imprecision_costs({"learning_rate": steep, "diffusion": idle})
    np.testing.assert_allclose(both, cost(steep))
    assert imprecision_costs({"learning_rate": steep, "momentum": steep}) == pytest.approx(2 * cost(steep))


def test_a_hole_is_no_cost():
    missing = Missing("One run is missing.")
    assert imprecision_costs({"learning_rate": curve_of(np.full(7, 0.5)), "momentum": missing}) == missing


def test_the_table_names_best_value_and_decade():
    table = imprecision_table({"a": {"learning_rate": curve_of(np.tile(parabola(0.2, 0.25), (3, 1)).T)}})
    row = table.row(0, named=True)
    assert row["best_value"] == pytest.approx(0.1 * 10**0.25)
    assert (row["decade_from"], row["decade_to"]) == pytest.approx((0.1 * 10**-0.25, 0.1 * 10**0.75))
    assert row["cost"] == pytest.approx(row["cost_low"]) == pytest.approx(row["cost_high"])
    together = table.row(by_predicate=pl.col("hyperparameter") == "all", named=True)
    assert (together["cost"], together["best_value"]) == (row["cost"], None)


def cliff(decades):
    """An error that falls slowly, then rises steeply: sgd's on the mini set, lowest at 0, divergence from .75 on."""
    return np.minimum(0.9, 0.55 + np.where(decades < 0, 0.08, 0.1) * decades**2 + 0.3 * np.maximum(decades - 0.45, 0))


def tuned(random, error, *, num_trials=24, num_seeds=2):
    """Where a search of 24 trials with two seeds each puts the winner, in decades from the best rate."""

    def mean_error(place):
        return (error(place) + SEED_DEVIATION * random.normal(size=num_seeds)).mean()

    places = list(random.uniform(-3, 1, 2 * num_trials // 3))
    found = [mean_error(place) for place in places]
    while len(places) < num_trials:
        places.append(random.choice(np.array(places)[np.argsort(found)[:3]]) + 0.25 * random.normal())
        found.append(mean_error(places[-1]))
    return places[int(np.argmin(found))]


def simulated(random, error, winner, *, num_seeds=12, cliff_at=None):
    """The curve of an optimizer with a winner there; beyond the cliff runs diverge at random."""
    at = (WHOLE + winner)[:, np.newaxis]
    errors = error(at) + SEED_DEVIATION * random.normal(size=(len(WHOLE), num_seeds))
    if cliff_at is not None:
        errors = np.where(random.random(errors.shape) < 1 / (1 + np.exp(-(at - cliff_at) / 0.06)), 1.0, errors)
    return curve_of(errors)


def verdict_on(ours, theirs, *, level=LEVEL):
    a, b = (cost(side)[np.newaxis] for side in (ours, theirs))
    return weigh(PairedSeeds.of(b - a, a, b), level, SMALLEST_EFFECT)


@pytest.mark.parametrize("shape", ["parabola", "cliff"])
def test_two_equal_optimizers_that_were_tuned_apart_seldom_get_a_direction(shape):
    """300 pairs, each tuned by a search of its own: at most 2.5 % and what chance adds."""
    random = np.random.default_rng(7)
    error, cliff_at = {"parabola": (lambda x: 0.55 + 0.06 * x**2, None), "cliff": (cliff, 0.75)}[shape]
    words = Counter()
    for _ in range(300):
        sides = [simulated(random, error, tuned(random, error), cliff_at=cliff_at) for _ in range(2)]
        words[verdict_on(*sides, level=1 - 0.025)[0]] += 1
    assert sum(words[word] for word in DIRECTIONAL) <= binom.ppf(0.999, 300, 0.025)
    assert words["EQUIVALENT"] > 150


@pytest.mark.parametrize("steepness", [0.0, 0.06, 0.2])
def test_the_verdict_on_settings_keeps_its_level(steepness):
    """The decade and the best value are sought on the seeds that measure them: this makes the test stricter."""
    random = np.random.default_rng(11)
    words = Counter(
        verdict_on(*(simulated(random, lambda x: 0.5 + steepness * x**2, 0.0) for _ in range(2)), level=0.95)[0]
        for _ in range(400)
    )
    assert sum(words[word] for word in DIRECTIONAL) <= binom.ppf(0.999, 400, 0.05)


def test_the_interval_of_twelve_seeds_reaches_three_points_to_either_side():
    random = np.random.default_rng(13)
    halves = []
    for _ in range(100):
        _, interval = verdict_on(*(simulated(random, lambda x: 0.5 + 0.06 * x**2, 0.0) for _ in range(2)))
        halves.append((interval.high - interval.low) / 2)
    assert 0.02 < np.mean(halves) < 0.03


def test_an_optimizer_that_is_twice_as_sensitive_is_found():
    """Costs of 5 and of 10 points, as those of sgd and of one with half its range of learning rates."""
    random = np.random.default_rng(17)
    for _ in range(20):
        flat, steep = (simulated(random, lambda x, s=s: 0.5 + s * x**2, 0.0) for s in (0.4, 0.8))
        assert verdict_on(flat, steep)[0] in ("SUPPORTED", "DIRECTION ONLY")
        assert verdict_on(steep, flat)[0] in ("REFUTED", "WORSE")


def test_a_much_less_sensitive_optimizer_is_supported():
    random = np.random.default_rng(19)
    flat, steep = (simulated(random, lambda x, s=s: 0.3 + s * x**2, 0.0) for s in (0.1, 1.0))
    assert verdict_on(flat, steep)[0] == "SUPPORTED"
