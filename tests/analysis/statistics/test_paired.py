"""Exact small-sample answers, and estimators against brute force."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, permutation_test

from analysis.statistics.paired import (
    fewest_pairs,
    hodges_lehmann,
    holm,
    sign_flip_interval,
    sign_flip_p,
    standardised_mean,
    superiority,
)

DIFFERENCES = st.lists(st.integers(-1000, 1000).map(lambda number: number / 64), min_size=1, max_size=9)


@pytest.mark.parametrize("num_pairs", [1, 5, 8, 12, 20])
def test_no_p_value_is_below_the_share_of_two_flips(num_pairs):
    assert sign_flip_p(np.arange(1.0, num_pairs + 1)) == 2.0 ** (1 - num_pairs)


@given(DIFFERENCES)
def test_p_value_counts_all_flips(differences):
    observed = abs(sum(differences))
    flips = itertools.product((-1, 1), repeat=len(differences))
    as_far = [abs(np.dot(signs, differences)) >= observed - 1e-9 for signs in flips]
    assert sign_flip_p(differences) == np.mean(as_far)


def test_p_value_agrees_with_scipy():
    differences = np.random.default_rng(3).normal(0.4, 1, size=11)
    theirs = permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(differences) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_random_flips_come_close_to_all():
    differences = np.random.default_rng(1).normal(0.4, 1, size=21)
    sums = np.zeros(1)
    for value in differences:
        sums = np.concatenate([sums + value, sums - value])
    exact = np.mean(np.abs(sums) >= abs(differences.sum()) - 1e-9)
    assert sign_flip_p(differences) == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 100_000))
    assert sign_flip_p(np.ones(40)) > 0


@given(DIFFERENCES, st.sampled_from([0.5, 0.75, 0.9, 0.95]))
def test_interval_holds_what_the_test_does_not_reject(differences, level):
    found = sign_flip_interval(differences, level)
    values = np.asarray(differences)
    for center in np.linspace(values.min() - 1.003, values.max() + 1.007, 57):
        if min(abs(center - found.low), abs(center - found.high)) > 1e-9:
            assert (found.low < center < found.high) == (sign_flip_p(values - center) > 1 - level)


def test_interval_covers_as_often_as_it_says():
    random = np.random.default_rng(0)
    samples = random.normal(size=(2000, 10))
    intervals = [sign_flip_interval(sample, 0.95) for sample in samples]
    covered = sum(found.low <= 0 <= found.high for found in intervals)
    exact = 1 - 2 * 25 / 1024  # 25 of 1,024 pieces are left out at each end
    low, high = binom.interval(0.999, len(samples), exact)
    assert low <= covered <= high


def test_interval_of_many_pairs_is_that_of_the_mean():
    differences = np.random.default_rng(2).normal(1.0, 0.5, size=200)
    found = sign_flip_interval(differences, 0.95)
    half = 1.96 * differences.std(ddof=1) / math.sqrt(200)
    assert found.low == pytest.approx(differences.mean() - half, abs=0.01)
    assert found.high == pytest.approx(differences.mean() + half, abs=0.01)


def test_interval_of_equal_differences_is_a_point():
    found = sign_flip_interval([0.25] * 8, 0.95)
    assert (found.low, found.high) == (0.25, 0.25)


def test_too_few_pairs_have_no_interval():
    assert fewest_pairs(0.95) == 6
    assert sign_flip_interval([1.0] * 5, 0.95).low == -math.inf
    assert sign_flip_interval([1.0] * 6, 0.95).low == 1.0
    assert fewest_pairs(1 - 0.05 / 6) == 8


@given(DIFFERENCES)
def test_hodges_lehmann_is_the_median_of_pairwise_means(differences):
    means = [(x + y) / 2 for place, x in enumerate(differences) for y in differences[place:]]
    assert hodges_lehmann(differences) == pytest.approx(np.median(means))


@given(DIFFERENCES)
def test_superiority_counts_pairs(differences):
    counted = np.mean([1.0 if x > 0 else 0.5 if x == 0 else 0.0 for x in differences])
    assert superiority(differences) == pytest.approx(counted)
    assert superiority(differences) + superiority(np.negative(differences)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("differences", "share"),
    [([1.0], 1), ([-1.0], 0), ([0.0], 0.5), ([1.0, 0.0], 0.75), ([1e-9, 1.0, -5.0, 0.0], 0.625)],
)
def test_superiority_knows_signs_and_no_sizes(differences, share):
    assert superiority(differences) == share


def test_holm_multiplies_the_smallest_by_their_number():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([0.01, 0.04, 0.03], 6) == pytest.approx([0.06, 0.16, 0.15])


def test_standardised_mean():
    assert standardised_mean([1.0, 2.0, 3.0]) == pytest.approx(2.0)
    assert standardised_mean([1.0, 1.0]) is None
    assert standardised_mean([1.0]) is None


@pytest.mark.parametrize("values", [[], [math.nan, 1.0], [math.inf]])
@pytest.mark.parametrize(
    "statistic", [sign_flip_p, hodges_lehmann, superiority, lambda values: sign_flip_interval(values, 0.95)]
)
def test_missing_values_are_refused(statistic, values):
    with pytest.raises(ValueError, match="finite"):
        statistic(values)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_level_is_a_probability(level):
    with pytest.raises(ValueError, match=r"0.95 is usual"):
        sign_flip_interval([1.0, 2.0], level)
