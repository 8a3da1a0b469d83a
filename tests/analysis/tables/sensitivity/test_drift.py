"""How the best learning rate moves: ridges of known slope."""

import numpy as np
import pytest

from analysis.ledger.study import Axis
from analysis.tables.sensitivity import drift
from analysis.tables.sensitivity.drift import slope_of_best

RATE = Axis(low=1e-4, high=1.0, scale="log")


def slopes(ledger):
    return {row["hyperparameter"]: row for row in drift(ledger).to_dicts()}


def test_the_slope_of_a_ridge_is_found():
    random = np.random.default_rng(2)
    rates, others = random.uniform(-4, 0, 400), random.uniform(-3, 0, 400)
    means = np.abs(rates + 3 - 0.7 * (others + 1.5) - 1) / 10
    assert slope_of_best(rates, others, means) == pytest.approx(0.7, abs=0.1)


def test_a_rate_proportional_to_one_minus_momentum_has_slope_one(side, ledger_of):
    """Best at eta = .1 (1 - mu): in the cube u = .75 - .5 v over four and two decades."""
    space = {"learning_rate": RATE, "momentum": Axis(low=0.0, high=0.99, scale="log_complement")}
    error = lambda p, _: 0.3 + 0.5 * abs(p[0] - 0.75 + 0.5 * p[1])  # noqa: E731
    found = slopes(ledger_of({"a": side(error=error, space=space, explore=128)}))["momentum"]
    assert found["slope"] == pytest.approx(1, abs=0.15)
    assert found["low"] < 1 < found["high"]
    assert found["unit"] == "decades per decade of 1 - value"
    assert found["num_good"] == 32


def test_a_hyperparameter_that_does_not_matter_moves_nothing(side, ledger_of):
    space = {"learning_rate": RATE, "diffusion": Axis(low=1e-9, high=0.1, scale="log")}
    found = slopes(ledger_of({"a": side(error=lambda p, _: 0.3 + abs(p[0] - 0.5) / 2, space=space, explore=64)}))
    assert found["diffusion"]["slope"] == pytest.approx(0, abs=0.05)
    assert found["diffusion"]["low"] < 0 < found["diffusion"]["high"]


def test_a_linear_axis_has_a_slope_per_unit(side, ledger_of):
    """Best at u = .25 + .5 v; four decades over a range of ten units: .2 decades per unit."""
    space = {"learning_rate": RATE, "warmup": Axis(low=0.0, high=10.0, scale="linear")}
    error = lambda p, _: 0.3 + 0.5 * abs(p[0] - 0.25 - 0.5 * p[1])  # noqa: E731
    found = slopes(ledger_of({"a": side(error=error, space=space, explore=128)}))["warmup"]
    assert found["slope"] == pytest.approx(0.2, abs=0.03)
    assert found["unit"] == "decades per unit"


def test_there_is_no_row_for_the_learning_rate_alone(side, ledger_of):
    assert drift(ledger_of({"a": side()})).is_empty()


def test_too_few_points_and_a_constant_have_a_reason(side, ledger_of):
    space = {"learning_rate": RATE, "diffusion": Axis(low=1e-9, high=0.1, scale="log")}
    constant = [[place / 16, 0.5] for place in range(16)]
    ledger = ledger_of({"few": side(space=space, explore=5), "constant": side(space=space, explore=constant)})
    reasons = drift(ledger)["reason"].to_list()
    assert reasons == [
        "few has 5 of the 16 explore points that its drift of the best learning rate needs: 11 are missing.",
        "diffusion is the same in all good points of constant.",
    ]
