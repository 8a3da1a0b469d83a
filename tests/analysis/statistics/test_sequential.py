"""The sign-flip test at several looks, against the fixed one, exact levels, and intervals that only ever shrink."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.paired import sign_flip_interval, sign_flip_p
from analysis.statistics.sequential import (
    nominal_errors,
    rejections,
    sequential_interval,
    sequential_p,
    spent_share,
)

LOOKS = (12, 18, 24, 30, 36, 42, 48)


def rejects(values, error, looks=LOOKS, most=48):
    return any(rejections(values, looks, most, error))


def test_the_first_quarter_of_the_pairs_spends_half_of_the_error_and_the_last_look_all_of_it():
    assert spent_share(12, 48) == 0.5
    assert [spent_share(number, 48) for number in (48, 60)] == [1.0, 1.0]


@pytest.mark.parametrize("number", [8, 12, 15])
def test_one_look_at_all_pairs_is_the_exact_test(number):
    values = np.random.default_rng(number).normal(0.5, 1, size=number)
    found, exact = sequential_interval(values, [number], number, 0.05), sign_flip_interval(values, 0.95)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=1e-6)
    assert sequential_p(values, [number], number) == pytest.approx(sign_flip_p(values), rel=1e-5)


def test_a_first_look_at_a_quarter_is_the_exact_test_at_half_the_error():
    values = np.random.default_rng(3).normal(size=12)
    found, exact = sequential_interval(values, [12], 48, 0.05), sign_flip_interval(values, 0.975)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=1e-6)
    assert sequential_p(values, [12], 48) == pytest.approx(min(1, 2 * sign_flip_p(values)), rel=1e-5)


def test_over_all_signs_the_looks_together_reject_no_more_than_their_error():
    """By brute force: of the 2^12 choices of signs of one set of magnitudes, looks at 8 and at 12."""
    weights = np.abs(np.random.default_rng(1).normal(size=12))
    choices = itertools.product((1, -1), repeat=11)
    found = [rejects(weights * np.array([1, *signs]), 0.1, looks=(8, 12), most=12) for signs in choices]
    first = 2 * math.floor(0.1 * spent_share(8, 12) * 2**7)
    # Random paths stand for all at the second look: a standard error of sqrt(.1 / 2^15) and the ties of 2^12.
    assert first / 2**8 < np.mean(found) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("kind", ["normal", "t2", "contaminated"])
def test_the_error_of_all_looks_is_kept_whatever_symmetric_law_the_differences_have(kind):
    random, num_studies = np.random.default_rng(7), 300
    draws = {
        "normal": lambda: random.normal(size=48),
        "t2": lambda: random.standard_t(2, size=48),
        "contaminated": lambda: random.normal(size=48) * np.where(random.random(48) < 0.1, 10, 1),
    }
    found = sum(rejects(draws[kind](), 0.05) for _ in range(num_studies))
    assert stats.binom.ppf(0.0005, num_studies, 0.05) <= found <= stats.binom.ppf(0.9995, num_studies, 0.05)


def test_more_is_found_than_by_halving_the_error_at_each_look():
    random, found = np.random.default_rng(2), np.zeros(2)
    for _ in range(60):
        values = random.normal(0.6, 1, size=48)
        halved = (sign_flip_p(values[:look]) < 0.05 / 6 * 0.5**place for place, look in enumerate(LOOKS, start=1))
        found += rejects(values, 0.05 / 6), any(halved)
    assert found[0] > found[1] + 5  # .81 and .56 of 60


def test_the_interval_of_a_later_look_lies_within_that_of_an_earlier_one():
    random = np.random.default_rng(4)
    for mean in (0.0, 0.5, 1.0):
        values = random.normal(mean, 1, size=30)
        found = [sequential_interval(values, LOOKS[:number], 48, 0.05) for number in range(1, 5)]
        for wider, narrower in itertools.pairwise(found):
            assert wider.low <= narrower.low <= narrower.high <= wider.high
        p_values = [sequential_p(values, LOOKS[:number], 48) for number in range(1, 5)]
        assert p_values == sorted(p_values, reverse=True)


def test_interval_and_p_value_reject_zero_together():
    random = np.random.default_rng(8)
    for _ in range(10):
        values = random.normal(0.5, 1, size=24)
        found = sequential_interval(values, LOOKS[:3], 48, 0.05)
        assert (found.low > 0 or found.high < 0) == (sequential_p(values, LOOKS[:3], 48) <= 0.05)


def test_looks_that_contradict_one_another_leave_the_last_interval_that_held_something():
    values = np.array([*np.linspace(1.0, 1.1, 12), *np.linspace(-9.0, -9.1, 12)])
    kept = sequential_interval(values[:12], [12], 24, 0.05)
    assert sequential_interval(values, [12, 24], 24, 0.05) == kept
    assert kept.low > 0.9


def test_pairs_that_are_too_few_for_the_error_give_no_end():
    assert sequential_interval(np.arange(6.0), [6], 48, 0.05 / 6) == sequential_interval(np.ones(6), [6], 48, 0.05 / 6)
    assert sequential_interval(np.arange(6.0), [6], 48, 0.05 / 6).low == -math.inf
    assert sequential_p(np.arange(1.0, 7.0), [6], 48) == pytest.approx(2.0**-5 / spent_share(6, 48), rel=1e-5)


def test_interval_of_identical_differences_is_a_point():
    found = sequential_interval(np.full(18, 0.3), [12, 18], 48, 0.05)
    assert (found.low, found.high) == pytest.approx((0.3, 0.3))


def test_the_nominal_error_of_a_look_is_that_of_its_half_width():
    found = nominal_errors(LOOKS, 48, 0.05)
    assert found[0] == pytest.approx(0.025, rel=0.05)
    assert all(one < 0.025 / 2 for one in found[1:])
    assert nominal_errors((48,), 48, 0.05) == pytest.approx((0.05,), rel=0.05)


@pytest.mark.parametrize("looks", [(), (12, 12), (18, 12), (12, 31), (0, 12)])
def test_looks_must_increase_and_fit(looks):
    with pytest.raises(ValueError, match="looks must increase from 1 to at most 30 pairs"):
        sequential_interval(np.ones(30), looks, 48, 0.05)


def test_an_error_is_a_probability():
    with pytest.raises(ValueError, match="error must lie between 0 and 1, got 0"):
        sequential_interval(np.ones(30), [30], 48, 0.0)
