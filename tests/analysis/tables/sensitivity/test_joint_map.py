"""The surrogate and its maps: planted ridges, what is unknown, where there are too few settings."""

import numpy as np
import polars as pl
import pytest

from analysis.ledger.study import Axis
from analysis.tables.sensitivity.joint_map import CELLS, joint_maps, joint_slopes
from analysis.tables.sensitivity.points import Missing
from analysis.tables.sensitivity.surrogate import fitted, with_spread

RATE = Axis(low=1e-4, high=1.0, scale="log")
MOMENTUM = Axis(low=0.0, high=0.99, scale="log_complement")
NOISE = Axis(low=1e-9, high=1e-1, scale="log")
SPACE = {"learning_rate": RATE, "momentum": MOMENTUM}


def luck(point, replicate):
    return 0.02 * np.random.default_rng([replicate, int(1e6 * point.sum())]).normal()


def ridge(point, replicate):
    """Best at eta = .1 (1 - mu): in the cube u = .75 - .5 v, over four and two decades."""
    return min(0.9, 0.4 + 2.0 * abs(point[0] - 0.75 + 0.5 * point[1])) + luck(point, replicate)


def valley(point, replicate):
    """Best at the same learning rate whatever the other hyperparameter is."""
    return min(0.9, 0.4 + 2.0 * abs(point[0] - 0.6)) + luck(point, replicate)


@pytest.fixture
def ledger(side, ledger_of):
    def make(error=ridge, space=None, **fields):
        return ledger_of({"a": side(error=error, space=space or SPACE, **{"explore": 24, **fields})})

    return make


def test_a_rate_proportional_to_one_minus_momentum_has_slope_one(ledger):
    (row,) = joint_slopes(ledger()).to_dicts()
    assert row["slope"] == pytest.approx(1, abs=0.2)
    assert row["low"] < 1 < row["high"]
    assert row["low"] > 0
    assert row["unit"] == "decades per decade of 1 - value"
    assert row["num_rows"] > CELLS // 2


def test_a_hyperparameter_that_moves_nothing_has_a_slope_around_zero(ledger):
    (row,) = joint_slopes(ledger(valley, {"learning_rate": RATE, "diffusion": NOISE})).to_dicts()
    assert row["low"] <= 0 <= row["high"]
    assert row["high"] - row["low"] < 0.5
    assert row["unit"] == "decades per decade"


def test_the_map_covers_the_search_space_and_marks_the_best_rate_of_each_row(ledger):
    table = joint_maps(ledger())
    assert table.height == CELLS**2
    assert table["rate_low"].min() == pytest.approx(1e-4)
    assert table["rate_high"].max() == pytest.approx(1.0)
    assert (table["value_low"].min(), table["value_high"].max()) == pytest.approx((0.0, 0.99))
    best = table.filter("is_best")
    assert best.height == best["value_low"].n_unique()
    for row in best.to_dicts():
        middle = 0.1 * ((1 - row["value_low"]) * (1 - row["value_high"])) ** 0.5
        assert abs(np.log10((row["rate_low"] * row["rate_high"]) ** 0.5 / middle)) < 0.5


def test_it_is_surer_near_settings_that_were_trained(ledger):
    held = ledger()
    surrogate = fitted(held.study.optimizers["a"], with_spread(held))
    tried = np.array([[0.5, 0.5]])
    _, deviations = surrogate.predict(np.concatenate([tried, [[3.0, 3.0]]]))
    assert deviations[0] < deviations[1]
    means, _ = surrogate.predict(np.array([[9.0, 9.0]]))
    assert means[0] == pytest.approx(surrogate.mean, abs=1e-3)


def test_the_expected_errors_are_near_the_true_ones(ledger):
    table = joint_maps(ledger(explore=64))
    rates = np.log10(np.sqrt(table["rate_low"] * table["rate_high"])) / 4 + 1
    heights = -np.log10(np.sqrt((1 - table["value_low"]) * (1 - table["value_high"]))) / 2
    truth = np.minimum(0.9, 0.4 + 2.0 * np.abs(rates - 0.75 + 0.5 * heights))
    assert np.abs(table["validation_error"].to_numpy() - truth).mean() < 0.05


def test_a_third_hyperparameter_stays_at_the_winner_and_has_a_map_of_its_own(ledger):
    space = {**SPACE, "diffusion": NOISE}
    table = joint_maps(ledger(space=space, explore=32))
    assert table["hyperparameter"].unique(maintain_order=True).to_list() == ["momentum", "diffusion"]
    assert table.height == 2 * CELLS**2


def test_too_few_settings_make_no_map(ledger):
    held = ledger(explore=9)
    reason = "a has 9 of the 16 settings that its map needs: 7 are missing."
    assert fitted(held.study.optimizers["a"], with_spread(held)) == Missing(reason)
    for table in (joint_maps(held), joint_slopes(held)):
        assert table["reason"].to_list() == [reason]


def test_an_error_that_nothing_changes_has_no_known_best_rate(ledger):
    held = ledger(lambda point, replicate: 0.9 + luck(point, replicate))
    assert not joint_maps(held)["is_best"].any()
    (row,) = joint_slopes(held).to_dicts()
    assert row["slope"] is None
    assert row["reason"] == "a is known too little for its best learning rate along momentum."


@pytest.mark.parametrize("space", [{"learning_rate": RATE}, {"momentum": MOMENTUM, "diffusion": NOISE}])
def test_without_two_hyperparameters_of_which_one_is_the_learning_rate_there_is_no_map(ledger, space):
    held = ledger(lambda *_: 0.5, space)
    assert joint_maps(held).is_empty()
    assert joint_slopes(held).is_empty()


def test_equal_rows_give_equal_maps(ledger):
    assert joint_maps(ledger()).equals(joint_maps(ledger()))
    assert joint_slopes(ledger()).equals(joint_slopes(ledger()))


def test_seeds_that_agree_are_no_reason_to_refuse(ledger):
    table = joint_maps(ledger(lambda point, _: 0.4 + abs(point[0] - 0.5)))
    assert table["deviation"].min() >= 0
    assert table.filter(pl.col("validation_error").is_nan()).is_empty()
