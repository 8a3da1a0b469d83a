"""The probability of being best, against the enumeration of all resamples."""

from itertools import product

import numpy as np
import polars as pl
import pytest

from analysis.tables.sensitivity import Missing, chances_of_best, probabilities_best, probability_best

A, B, C = np.array([0.3, 0.5, 0.5]), np.array([0.3, 0.4, 0.6, 1.0]), np.array([0.3, 0.45])


def enumerated(samples, num_trials):
    """Every resample of every side, ties shared."""
    bests = [[min(draw) for draw in product(values, repeat=num_trials)] for values in samples.values()]
    won = dict.fromkeys(samples, 0.0)
    for outcome in product(*bests):
        winners = [name for name, best in zip(samples, outcome, strict=True) if best == min(outcome)]
        for name in winners:
            won[name] += 1 / len(winners)
    total = np.prod([len(best) for best in bests])
    return {name: count / total for name, count in won.items()}


@pytest.mark.parametrize("num_trials", [1, 2, 3])
def test_two_sides_with_ties(num_trials):
    samples = {"a": A, "b": B}
    assert chances_of_best(samples, num_trials) == pytest.approx(enumerated(samples, num_trials))


@pytest.mark.parametrize("num_trials", [1, 2])
def test_three_sides_with_ties(num_trials):
    samples = {"a": A, "b": B, "c": C}
    found = chances_of_best(samples, num_trials)
    assert found == pytest.approx(enumerated(samples, num_trials))
    assert sum(found.values()) == pytest.approx(1)


def test_equal_sides_are_even():
    assert chances_of_best({"a": A, "b": A}, 5) == pytest.approx({"a": 0.5, "b": 0.5})


def test_the_side_that_is_always_better_wins():
    assert chances_of_best({"a": A, "b": A + 1}, 3) == pytest.approx({"a": 1, "b": 0})


def test_one_side_alone_is_best():
    assert chances_of_best({"a": A}, 3) == pytest.approx({"a": 1})


def test_no_budget_and_no_values_are_refused():
    with pytest.raises(ValueError, match="at least 1 trial"):
        chances_of_best({"a": A, "b": B}, 0)
    with pytest.raises(ValueError, match=r"\[3, 0\]"):
        chances_of_best({"a": A, "b": np.empty(0)}, 2)


def wide(point, _):
    return 0.3 + 0.4 * point[0]


def narrow(point, _):
    return 0.25 if point[0] < 0.1 else 0.8


@pytest.fixture
def ledger(side, ledger_of):
    return ledger_of({"wide": side(error=wide, explore=20), "narrow": side(error=narrow, explore=18, exploit=[[0.01]])})


def test_a_larger_budget_favours_what_is_better_but_harder_to_find(ledger):
    small, large = (probability_best(ledger, ["wide", "narrow"], n)["narrow"] for n in (1, 19))
    assert small < 0.2
    assert large > 0.8


def test_the_budget_is_that_of_the_smaller_side_and_all_tuning_trials_count(ledger):
    """18 explore trials and one exploit trial of narrow, 20 explore trials of wide."""
    means = ledger.trials.group_by("optimizer", "number").agg(pl.col("validation_error").mean().round(12))
    samples = {name: means.filter(optimizer=name)["validation_error"].to_numpy() for name in ("wide", "narrow")}
    assert [len(values) for values in samples.values()] == [20, 19]
    assert probability_best(ledger) == pytest.approx(chances_of_best(samples, 19))


def test_all_budgets_are_in_the_table(ledger):
    table = probabilities_best(ledger)
    assert table["num_trials"].unique().to_list() == list(range(1, 20))
    np.testing.assert_allclose(table.group_by("num_trials").agg(pl.col("probability").sum())["probability"], 1)
    found = table.filter(optimizer="wide", num_trials=4)["probability"].item()
    assert found == probability_best(ledger, ["wide", "narrow"], 4)["wide"]


def test_too_few_trials_are_counted(side, ledger_of):
    ledger = ledger_of({"a": side(), "b": side(explore=12)})
    assert probability_best(ledger, ["a", "b"]) == Missing(
        "b has 12 of the 16 tuning trials that its probability of being best needs: 4 are missing."
    )
    assert probabilities_best(ledger).is_empty()


def test_an_unknown_optimizer_lists_the_known_ones(ledger):
    with pytest.raises(ValueError, match=r"Unknown optimizer 'adamax'; this study holds wide, narrow"):
        probability_best(ledger, ["wide", "adamax"])
