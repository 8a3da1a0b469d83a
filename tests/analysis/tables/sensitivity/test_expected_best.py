"""Expected best of n against brute force over all subsets and sequences; tunability by hand."""

from itertools import combinations, product

import numpy as np
import polars as pl
import pytest

from analysis.tables.sensitivity import best_so_far, expected_best, plug_in_best, tunability, unbiased_best
from analysis.tables.sensitivity.expected_best import tunability_weights

VALUES = np.array([0.62, 0.31, 1.0, 0.44, 0.31, 0.9, 0.55])


def test_the_unbiased_best_is_the_mean_over_all_subsets():
    expected = [np.mean([min(subset) for subset in combinations(VALUES, n)]) for n in range(1, 8)]
    np.testing.assert_allclose(unbiased_best(VALUES), expected, rtol=1e-12)


def test_the_plug_in_best_is_the_mean_over_all_sequences():
    values = VALUES[:5]
    expected = [np.mean([min(sequence) for sequence in product(values, repeat=n)]) for n in range(1, 6)]
    np.testing.assert_allclose(plug_in_best(values), expected, rtol=1e-12)


def test_one_trial_is_the_mean_and_all_trials_are_the_best():
    for estimate in (plug_in_best, unbiased_best):
        assert estimate(VALUES)[0] == pytest.approx(VALUES.mean())
    assert unbiased_best(VALUES)[-1] == pytest.approx(0.31)
    assert plug_in_best(VALUES)[-1] > 0.31


def test_equal_errors_have_no_better_best():
    for estimate in (plug_in_best, unbiased_best):
        np.testing.assert_allclose(estimate(np.full(40, 0.4)), 0.4, rtol=1e-12)


def test_the_unbiased_best_of_many_values_loses_no_digits():
    """Of the ranks 1 to N the lowest of n is (N + 1) / (n + 1) on average."""
    ranks = np.arange(1, 2001, dtype=float)
    np.testing.assert_allclose(unbiased_best(ranks), 2001 / (np.arange(1, 2001) + 1), rtol=1e-9)


def test_several_samples_are_estimated_at_once():
    both = np.stack([VALUES, VALUES[::-1] / 2])
    np.testing.assert_allclose(unbiased_best(both)[1], unbiased_best(VALUES) / 2)
    np.testing.assert_allclose(plug_in_best(both)[1], plug_in_best(VALUES) / 2)


@pytest.mark.parametrize("values", [[], [0.3, np.nan]])
def test_values_that_are_no_errors_are_refused(values):
    with pytest.raises(ValueError, match="all must be finite"):
        unbiased_best(values)


def error(point, replicate):
    return 1.0 if point[0] > 0.9 else 0.3 + 0.5 * abs(point[0] - 0.4) + 0.01 * replicate


def test_intervals_end_at_a_third_of_the_points(side, ledger_of):
    table = expected_best(ledger_of({"a": side(error=error, explore=20)}))
    assert table["num_trials"].to_list() == list(range(1, 21))
    assert table["low"].is_not_null().to_list() == [n <= 6 for n in range(1, 21)]
    given = table.filter(table["low"].is_not_null())
    assert (given["low"] < given["unbiased"]).all()
    assert (given["unbiased"] < given["high"]).all()
    assert (table["plug_in"] >= table["unbiased"] - 1e-12).all()


def test_too_few_points_are_counted_in_every_table(side, ledger_of):
    ledger = ledger_of({"a": side(explore=10)})
    assert expected_best(ledger)["reason"].to_list() == [
        "a has 10 of the 16 explore points that its expected best needs: 6 are missing."
    ]
    assert tunability(ledger)["reason"].to_list() == [
        "a has 10 of the 16 explore points that its tunability needs: 6 are missing."
    ]


def test_exploit_trials_do_not_enter_the_expected_best_but_the_best_so_far(side, ledger_of):
    exploits = side(error=lambda point, _: 0.1 if point[0] == 0.5 else 0.6, explore=[[0.3]] * 16, exploit=[[0.5]])
    ledger = ledger_of({"a": exploits})
    assert expected_best(ledger)["unbiased"].min() == pytest.approx(0.6)
    table = best_so_far(ledger)
    assert table["number"].to_list() == list(range(1, 18))
    assert table["best_so_far"].to_list() == [0.6] * 16 + [0.1]


def test_the_best_so_far_of_one_optimizer_does_not_see_another(side, ledger_of):
    sides = {"a": side(error=lambda *_: 0.2, explore=3), "b": side(error=lambda p, _: 0.9 - 0.5 * p[0], explore=3)}
    table = best_so_far(ledger_of(sides))
    assert table.filter(optimizer="a")["best_so_far"].to_list() == [0.2] * 3
    errors = table.filter(optimizer="b")
    assert errors["best_so_far"].to_list() == np.minimum.accumulate(errors["validation_error"].to_numpy()).tolist()


def test_weights_of_tunability():
    weights = tunability_weights(4)
    np.testing.assert_allclose(weights["CPE"], [3 / 6, 2 / 6, 1 / 6, 0])
    np.testing.assert_allclose(weights["CPU"], [1 / 4] * 4)
    np.testing.assert_allclose(weights["CPL"], [1 / 10, 2 / 10, 3 / 10, 4 / 10])
    with pytest.raises(ValueError, match="at least 2 trials, got 1"):
        tunability_weights(1)


def test_tunability_compares_optimizers_at_one_budget(side, ledger_of):
    ledger = ledger_of({"a": side(error=error, explore=18), "b": side(error=error, explore=30)})
    table = tunability(ledger)
    assert set(table["budget"]) == {6, 18}
    for (name, budget), rows in table.group_by("optimizer", "budget"):
        value = dict(rows.select("scheme", "value").iter_rows())
        assert value["CPE"] > value["CPU"] > value["CPL"], name
        assert rows["low"].is_null().all() == (budget == 18)
    best = unbiased_best(
        ledger.trials.filter(optimizer="a")
        .group_by("number")
        .agg(pl.col("validation_error").mean())["validation_error"]
    )
    found = table.filter(optimizer="a", scheme="CPL", budget=6)["value"].item()
    assert found == pytest.approx(best[:6] @ np.arange(1, 7) / 21)


def test_tunability_of_a_flat_response_is_its_error(side, ledger_of):
    table = tunability(ledger_of({"a": side(error=lambda *_: 0.4)}))
    np.testing.assert_allclose(table["value"], 0.4)
    given = table.filter(table["low"].is_not_null())
    np.testing.assert_allclose(given["low"], 0.4)
    np.testing.assert_allclose(given["high"], 0.4)


@pytest.mark.slow
def test_the_interval_of_the_expected_best_covers_the_true_one(side, ledger_of):
    """Errors .3 + .4 u at random u: the best of n is .3 + .4 / (n + 1) on average; 4 seeds with noise of their own."""
    random, num_studies, covered = np.random.default_rng(11), 300, np.zeros(6)
    for _ in range(num_studies):
        places = random.random(24)
        common = random.normal(0, 0.005, 4)
        study = side(error=lambda p, r, c=common: 0.3 + 0.4 * p[0] + c[r], explore=[[place] for place in places])
        table = expected_best(ledger_of({"a": study}, num_seeds=4)).head(6)
        truth = 0.3 + 0.4 / (np.arange(1, 7) + 1)
        covered += (table["low"].to_numpy() <= truth) & (truth <= table["high"].to_numpy())
    # From so few points, 95 % intervals of a lowest value cover a little less.
    assert (covered / num_studies > 0.93 - 3 * np.sqrt(0.93 * 0.07 / num_studies)).all(), covered / num_studies
