"""Intervals against closed forms."""

import math

import numpy as np
import polars as pl
import pytest
from scipy import stats
from scipy.optimize import brentq
from scipy.special import ndtri

from analysis.statistics.intervals import (
    Interval,
    clopper_pearson_interval,
    estimate,
    half_width,
    mean_interval,
    paired_differences,
    percentile_interval,
    summarise,
    wilson_interval,
    with_wilson,
)


def test_interval_of_two_values_is_the_cauchy_quantile_times_half_their_distance():
    # With n = 2 Student's t is Cauchy, whose 97.5 % quantile is tan(0.475 pi); s / sqrt(2) is half the distance.
    found = mean_interval([1.0, 3.0])
    assert found.mean == 2.0
    assert found.high == pytest.approx(2 + math.tan(0.475 * math.pi))
    assert found.low == pytest.approx(2 - math.tan(0.475 * math.pi))


def test_interval_agrees_with_scipy():
    values = np.random.default_rng(0).normal(size=12)
    expected = stats.t.interval(0.9, 11, values.mean(), stats.sem(values))
    found = mean_interval(list(values), level=0.9)
    assert (found.low, found.high) == pytest.approx(expected)


def test_interval_of_identical_runs_is_a_point():
    found = mean_interval([0.25] * 5)
    assert (found.low, found.mean, found.high) == (0.25, 0.25, 0.25)


def test_interval_covers_the_mean_as_often_as_promised():
    samples = np.random.default_rng(1).normal(size=(4000, 4))
    widths = half_width(samples.std(axis=1, ddof=1), np.full(4000, 4))
    covered = (np.abs(samples.mean(axis=1)) <= widths).mean()
    assert abs(covered - 0.95) < 5 * math.sqrt(0.95 * 0.05 / 4000)


def test_one_value_has_no_interval():
    with pytest.raises(ValueError, match=r"an interval needs at least 2 values, got 1; run more seeds"):
        mean_interval([1.0])
    assert estimate([0.5]).low is None
    assert estimate([]) is None


def test_an_average_of_nan_is_refused():
    with pytest.raises(ValueError, match=r"values holds 1 non-finite of 2; decide what a diverged replicate scores"):
        mean_interval([0.1, math.nan])


def test_a_level_must_be_a_probability():
    with pytest.raises(ValueError, match=r"level must lie between 0 and 1, got 95"):
        half_width(1.0, 3, level=95)


def test_pairs_are_the_common_replicates_only():
    assert paired_differences({0: 0.5, 1: 0.75, 2: 9.0}, {1: 0.25, 0: 0.25, 3: 7.0}) == [0.25, 0.5]


def test_pairing_removes_the_luck_that_both_sides_share():
    luck = np.random.default_rng(2).normal(size=8)
    ours = {seed: 1.0 + luck[seed] for seed in range(8)}
    theirs = {seed: luck[seed] for seed in range(8)}
    found = mean_interval(paired_differences(ours, theirs))
    assert (found.low, found.high) == pytest.approx((1.0, 1.0))


def test_summary_by_groups_equals_the_interval_of_each_group():
    rows = pl.DataFrame({"side": ["a", "b", "a", "b", "a", "c"], "value": [1.0, 5.0, 2.0, None, 4.0, 7.0]})
    found = {row["side"]: row for row in summarise(rows, ["side"], "value").to_dicts()}
    expected = mean_interval([1.0, 2.0, 4.0])
    assert found["a"]["low"] == pytest.approx(expected.low)
    assert found["a"]["high"] == pytest.approx(expected.high)
    assert (found["b"]["num_values"], found["b"]["num_rows"]) == (1, 2)
    assert found["b"]["low"] is None
    assert found["c"]["low"] is None


def test_a_summary_has_12_decimal_places_and_12_significant_digits():
    rows = pl.DataFrame({"side": ["a", "b", "c", "d"], "value": [0.0123456789012345, 1e-17, 12345.67890123456, 1.0]})
    assert summarise(rows, ["side"], "value")["mean"].to_list() == [0.012345678901, 0.0, 12345.6789012, 1.0]


def test_wilson_interval_is_what_the_normal_test_does_not_reject():
    quantile = 1.959963984540054

    def distance(p):
        return (0.3 - p) ** 2 - quantile**2 * p * (1 - p) / 10

    found = wilson_interval(3, 10)
    assert (found.low, found.high) == pytest.approx((brentq(distance, 1e-9, 0.3), brentq(distance, 0.3, 1 - 1e-9)))


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_interval_is_the_closed_form(level):
    """(p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n) of a share p of n."""
    quantile = float(ndtri((1 + level) / 2))
    for trials in (1, 2, 5, 12, 40, 1000):
        for successes in range(0, trials + 1, max(1, trials // 40)):
            share, scale = successes / trials, 1 + quantile**2 / trials
            center = share + quantile**2 / (2 * trials)
            reach = quantile * math.sqrt(share * (1 - share) / trials + (quantile / (2 * trials)) ** 2)
            found = wilson_interval(successes, trials, level)
            assert found.low == pytest.approx((center - reach) / scale, rel=0, abs=1e-15)
            assert found.high == pytest.approx((center + reach) / scale, rel=0, abs=1e-15)


def test_wilson_interval_of_none_or_all_ends_at_0_or_1():
    none, every = wilson_interval(0, 12), wilson_interval(12, 12)
    assert none.low == 0
    assert none.high == pytest.approx(1.959963984540054**2 / (12 + 1.959963984540054**2))
    assert (every.low, every.high) == (pytest.approx(1 - none.high), 1)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_wilson_interval_covers_about_as_often_as_promised(level):
    counts = np.random.default_rng(0).binomial(40, 0.3, size=4000)
    ends = [wilson_interval(int(count), 40, level) for count in range(41)]
    covered = np.mean([ends[count].low <= 0.3 <= ends[count].high for count in counts])
    assert covered == pytest.approx(level, abs=0.03)


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("trials", [1, 2, 12])
def test_clopper_pearson_covers_every_probability_at_least_as_often_as_it_says(trials, level):
    ends = [clopper_pearson_interval(successes, trials, level) for successes in range(trials + 1)]
    for p in np.linspace(0, 1, 201):
        chances = stats.binom.pmf(range(trials + 1), trials, p)
        covered = sum(chance for chance, found in zip(chances, ends, strict=True) if found.low <= p <= found.high)
        assert covered >= level - 1e-12


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_clopper_pearson_is_made_of_two_tails(level):
    found, error = clopper_pearson_interval(3, 12, level), (1 - level) / 2
    assert stats.binom.sf(2, 12, found.low) == pytest.approx(error)
    assert stats.binom.cdf(3, 12, found.high) == pytest.approx(error)


@pytest.mark.parametrize("interval", [wilson_interval, clopper_pearson_interval])
@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_impossible_counts_are_refused(interval, successes, trials):
    with pytest.raises(ValueError, match="successes must lie between 0 and trials"):
        interval(successes, trials)
    with pytest.raises(ValueError, match="level must lie between 0 and 1, got 95"):
        interval(1, 2, 95)


def test_a_share_of_nothing_is_null():
    found = with_wilson(pl.DataFrame({"hits": [0, 1], "of": [0, 2]}), "hits", "of", ["share", "low", "high"])
    assert found["share"].to_list() == [None, 0.5]
    assert found["low"].null_count() == 1


def test_percentiles_need_a_draw_beyond_each_end():
    draws = np.arange(101.0)
    assert (percentile_interval(draws, 0.9).low, percentile_interval(draws, 0.9).high) == pytest.approx((5, 95))
    assert percentile_interval(draws, 0.975).low == pytest.approx(1.25)
    assert percentile_interval(draws, 0.99) == Interval(-math.inf, math.inf)
