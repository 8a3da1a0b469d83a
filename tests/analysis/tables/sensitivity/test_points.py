"""Points in the unit cube, and which trials count."""

import math

import numpy as np
import polars as pl
import pytest

from analysis.ledger.load import Ledger
from analysis.ledger.study import Axis
from analysis.tables.sensitivity.points import Missing, clouds, pooled_seed_deviation, unit


@pytest.mark.parametrize(
    ("axis", "values", "expected"),
    [
        (Axis(low=-1, high=3, scale="linear"), [-1, 0, 3, 5], [0, 0.25, 1, 1.5]),
        (Axis(low=1e-4, high=1, scale="log"), [1e-4, 1e-3, 1, 10], [0, 0.25, 1, 1.25]),
        (Axis(low=0, high=0.99, scale="log_complement"), [0, 0.9, 0.99, 0.999], [0, 0.5, 1, 1.5]),
    ],
)
def test_a_value_stands_where_its_scale_says(axis, values, expected):
    np.testing.assert_allclose(unit(axis, values), expected, atol=1e-12)


def test_a_value_where_the_scale_is_not_defined_has_no_place():
    assert math.isnan(unit(Axis(low=1e-4, high=1, scale="log"), 0.0))
    assert math.isnan(unit(Axis(low=0, high=0.99, scale="log_complement"), 1.0))


def test_an_empty_range_is_refused():
    with pytest.raises(ValueError, match=r"low < high on scale='log', got low=1, high=1"):
        unit(Axis(low=1, high=1, scale="log"), 1.0)


def test_only_whole_explore_trials_count(side, ledger_of):
    """Failed replicates have no outcome, a diverged one has error 1, exploit trials are not spread over the space."""

    def error(point, replicate):
        return math.nan if point[0] == 0.5 and replicate == 1 else 1.0 if point[0] == 1 else 0.3 + 0.1 * replicate

    ledger = ledger_of({"a": side(error=error, explore=[[0.0], [0.5], [1.0]], exploit=[[0.25]])})
    cloud = clouds(ledger)["a"]
    assert cloud.numbers.tolist() == [1, 3]
    np.testing.assert_allclose(cloud.points, [[0], [1]], atol=1e-12)
    np.testing.assert_allclose(cloud.errors, [[0.3, 0.4], [1, 1]])
    np.testing.assert_allclose(cloud.means, [0.35, 1])


def test_rows_in_any_order_give_the_same_points(side, ledger_of):
    ledger = ledger_of({"a": side(error=lambda point, replicate: 0.5 * point[0] + 0.01 * replicate)}, num_seeds=3)
    shuffled = Ledger(ledger.study, ledger.trials.sample(fraction=1, shuffle=True, seed=1), ledger.epochs, 0)
    one, other = clouds(ledger)["a"], clouds(shuffled)["a"]
    np.testing.assert_array_equal(one.points, other.points)
    np.testing.assert_array_equal(one.errors, other.errors)


def test_a_point_outside_the_declared_space_is_refused(side, ledger_of):
    ledger = ledger_of({"a": side(explore=[[0.5], [1.2]])})
    with pytest.raises(ValueError, match="a has 1 of 2 that do not"):
        clouds(ledger)


def test_a_missing_hyperparameter_is_refused(side, ledger_of):
    ledger = ledger_of({"a": side(explore=[[0.5], [0.7]])})
    trials = ledger.trials.with_columns(learning_rate=pl.lit(None, dtype=pl.Float64))
    with pytest.raises(ValueError, match="a has 2 of 2 that do not"):
        clouds(Ledger(ledger.study, trials, ledger.epochs, 0))


def test_too_few_points_are_counted(side, ledger_of):
    cloud = clouds(ledger_of({"a": side(explore=15)}))["a"]
    assert cloud.lacks(16, "good volume") == Missing(
        "a has 15 of the 16 explore points that its good volume needs: 1 is missing."
    )
    assert cloud.lacks(15, "good volume") is None
    assert "17 are missing" in cloud.lacks(32, "importance").reason


def test_an_optimizer_without_a_space_has_no_number(side, ledger_of):
    cloud = clouds(ledger_of({"a": side(space={}, explore=[[]] * 20)}))["a"]
    assert cloud.lacks(16, "good volume") == Missing("a declares no search space, so it has no good volume.")


def test_the_pooled_deviation_is_that_of_the_better_half_without_divergence():
    errors = np.array([[0.1, 0.3], [0.2, 0.2], [0.5, 0.9], [0.6, 0.6], [0.2, 1.0]])
    # Means .2, .2, .7, .6 without the diverged point; the better half are the first two, variances .02 and 0.
    assert pooled_seed_deviation(errors) == pytest.approx(0.1)


def test_one_seed_or_no_learning_has_no_deviation():
    assert pooled_seed_deviation(np.full((4, 1), 0.5)) is None
    assert pooled_seed_deviation(np.ones((4, 3))) is None
