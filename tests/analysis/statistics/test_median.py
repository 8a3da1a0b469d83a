"""The interval of a median against the binomial law, SciPy's test of quantiles and brute force."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, quantile_test

from analysis.statistics.intervals import Interval
from analysis.statistics.median import median_interval
from analysis.statistics.paired import fewest_pairs

CLAIM = 1 - 0.025 / 6
"""Level of a claim in a family of six, at the first look."""


def missed(num_values, level):
    """Probability that the interval misses the median, from which of the values in order are its ends."""
    found = median_interval(np.arange(1.0, num_values + 1), level)
    return 0.0 if math.isinf(found.low) else 2 * binom.cdf(found.low - 1, num_values, 0.5)


@pytest.mark.parametrize(
    ("num_values", "level", "ends", "error"),
    [
        (9, CLAIM, (1, 9), 2 / 2**9),
        (12, CLAIM, (1, 12), 2 / 2**12),
        (16, CLAIM, (2, 15), 2 * 17 / 2**16),  # 0.05 %
        (32, CLAIM, (8, 25), 2 * 4_514_873 / 2**32),  # 0.21 %
        (6, 0.95, (1, 6), 2 / 2**6),
        (17, 0.95, (5, 13), 2 * 3_214 / 2**17),
        (2, 0.5, (1, 2), 2 / 2**2),
    ],
)
def test_ends_are_the_values_that_the_binomial_law_allows(num_values, level, ends, error):
    assert median_interval(np.arange(1.0, num_values + 1), level) == Interval(*ends)
    assert missed(num_values, level) == pytest.approx(error, rel=1e-12)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, CLAIM, 1 - 0.0125 / 6, 0.999])
@pytest.mark.parametrize("num_values", [*range(1, 41), 100, 999])
def test_no_interval_errs_more_often_than_it_says_or_is_wider_than_it_must_be(num_values, level):
    assert missed(num_values, level) <= (1 - level) * (1 + 1e-9)
    found = median_interval(np.arange(1.0, num_values + 1), level)
    narrower = 1 if math.isinf(found.low) else found.low + 1
    assert narrower > num_values / 2 or 2 * binom.cdf(narrower - 1, num_values, 0.5) > 1 - level


@pytest.mark.parametrize("seed", range(30))
def test_interval_is_that_of_scipys_test_of_quantiles(seed):
    random = np.random.default_rng(seed)
    values = random.lognormal(size=int(random.integers(1, 60)))
    found, theirs = median_interval(values, 0.97), quantile_test(values, p=0.5).confidence_interval(0.97)
    assert (found.low, found.high) == (
        -math.inf if math.isnan(theirs.low) else theirs.low,
        math.inf if math.isnan(theirs.high) else theirs.high,
    )


def test_ends_come_with_the_fewest_values_that_a_range_allows():
    for level in (0.5, 0.75, 0.9, 0.95, 0.96875, CLAIM, 1 - 2.0**-20):
        fewest = fewest_pairs(level)
        assert math.isfinite(median_interval(np.zeros(fewest), level).low)
        if fewest > 1:
            assert median_interval(np.zeros(fewest - 1), level) == Interval(-math.inf, math.inf)


def test_every_choice_of_sides_is_counted():
    """Each of 9 values is above or below the median 0 with probability 1/2: all 512 choices by brute force."""
    sizes = np.arange(1.0, 10.0)
    found = [median_interval(sizes * signs, 0.9) for signs in itertools.product((-1, 1), repeat=9)]
    assert np.mean([not one.low <= 0 <= one.high for one in found]) == pytest.approx(missed(9, 0.9), rel=1e-12)


@pytest.mark.parametrize("share", [0.5, 0.6, 0.8, 1.0])
def test_values_of_two_alternating_distributions_are_missed_no_more_often(share):
    """Half of 16 values lie below the median of the mixture with probability `share`, half with 1 - `share`."""
    below = np.ones(1)
    for chance in [share, 1 - share] * 8:
        below = np.convolve(below, [1 - chance, chance])
    k = int(median_interval(np.arange(1.0, 17), 0.95).low)
    error = below[:k].sum() + below[-k:].sum()
    assert error <= missed(16, 0.95) * (1 + 1e-12)
    assert (error == pytest.approx(missed(16, 0.95))) == (share == 0.5)


@given(st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=30), st.permutations(range(30)))
def test_the_order_of_the_values_does_not_matter(values, order):
    shuffled = [values[place] for place in order if place < len(values)]
    assert median_interval(shuffled, 0.9) == median_interval(values, 0.9)


@given(st.lists(st.integers(-4, 4).map(float), min_size=6, max_size=30))
def test_interval_holds_the_median_and_its_ends_are_values(values):
    found = median_interval(values, 0.95)
    assert found.low <= np.median(values) <= found.high
    assert {found.low, found.high} <= set(values)


@pytest.mark.parametrize("values", [[], [math.nan, 1.0], [math.inf]])
def test_missing_values_are_refused(values):
    with pytest.raises(ValueError, match="finite"):
        median_interval(values, 0.95)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_level_is_a_probability(level):
    with pytest.raises(ValueError, match=r"0.95 is usual"):
        median_interval([1.0, 2.0], level)
