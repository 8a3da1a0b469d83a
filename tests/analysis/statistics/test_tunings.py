"""Verdicts over several tunings: known answers, and false verdicts where nothing differs."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.tunings import TuningVariance, tuning_half_width, tuning_interval, tuning_p


def differences_of(means):
    """Mean differences of all pairs, from means of shape (num_optimizers, num_tunings)."""
    return {(str(a), str(b)): means[b] - means[a] for a, b in combinations(range(len(means)), 2)}


def test_the_variance_is_that_of_the_interaction_in_a_two_way_layout():
    """Against Scheffe's sum of squares, written out; it does not see what all optimizers share in a tuning."""
    means = np.random.default_rng(1).normal(size=(5, 3))
    left = means - means.mean(axis=0) - means.mean(axis=1, keepdims=True) + means.mean()
    found = TuningVariance.of(differences_of(means + np.array([0.0, 100.0, -7.0])))
    assert found.value == pytest.approx(2 * (left**2).sum() / (4 * 2))
    assert found.num_comparisons == pytest.approx(4)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("a", "b")], 1.0),
        ([("a", "b"), ("c", "d")], 2.0),
        # Laplacian of a path of three: eigenvalues 0, 1, 3, so that (1 + 3)^2 / (1 + 9).
        ([("a", "b"), ("b", "c")], 1.6),
        (list(combinations("abcdef", 2)), 5.0),
    ],
)
def test_degrees_of_freedom_are_those_of_the_pairs_that_can_be_measured(pairs, expected):
    values = {pair: np.array([0.0, 1.0]) for pair in pairs}
    assert TuningVariance.of(values).num_comparisons == pytest.approx(expected)


def test_the_interval_is_students_with_the_larger_variance():
    calm, wild = np.array([0.1, 0.2, 0.3]), np.array([-3.0, 0.0, 3.6])
    for own, variance in ((calm, 4.0), (wild, 4.0)):
        used = max(variance, own.var(ddof=1))
        expected = stats.t.interval(0.99, 4 * 2, loc=own.mean(), scale=(used / 3) ** 0.5)
        found = tuning_interval(own, TuningVariance(variance, 4.0), 0.99)
        assert (found.low, found.high) == pytest.approx(expected)


def test_the_p_value_is_that_at_which_the_interval_reaches_zero():
    own, variance = np.array([0.5, 0.9, 0.4]), TuningVariance(0.1, 4.0)
    p = tuning_p(own, variance)
    assert tuning_interval(own, variance, 1 - p).low == pytest.approx(0.0, abs=1e-9)
    assert tuning_p(-own, variance) == p
    assert tuning_p(np.zeros(2), TuningVariance(0.0, 4.0)) == 1.0
    assert tuning_p(np.ones(2), TuningVariance(0.0, 4.0)) == 0.0


def test_the_half_width_of_more_tunings_is_that_of_students_t_at_their_number():
    own, variance = np.array([0.0, 0.1]), TuningVariance(0.02, 4.0)
    for number in (2, 5):
        expected = stats.t.ppf(0.995, 4 * (number - 1)) * (0.02 / number) ** 0.5
        assert tuning_half_width(own, variance, number, 0.99) == pytest.approx(expected)
    found = tuning_interval(own, variance, 0.99)
    assert (found.high - found.low) / 2 == pytest.approx(tuning_half_width(own, variance, 2, 0.99))


@pytest.mark.parametrize("num_tunings", [2, 3])
@pytest.mark.parametrize("luck", [0.0, 1.0, 4.0])
def test_nothing_differs_and_the_luck_of_tuning_is_not_taken_for_it(num_tunings, luck):
    """Five optimizers of 12 seeds a tuning, six claims: any interval beyond 0 in at most 2.5 % of studies."""
    random, num_studies, level = np.random.default_rng(7), 2000, 1 - 0.025 / 6
    false = 0
    for _ in range(num_studies):
        means = luck**0.5 * random.normal(size=(5, num_tunings)) + random.normal(size=(5, num_tunings))
        every = differences_of(means)
        variance = TuningVariance.of(every)
        claims = [every[str(b), str(a)] for b in range(3) for a in (3, 4)]
        intervals = [tuning_interval(own, variance, level) for own in claims]
        false += any(interval.low > 0 or interval.high < 0 for interval in intervals)
    assert false <= stats.binom.ppf(0.999, num_studies, 0.025)
    assert false > 0
