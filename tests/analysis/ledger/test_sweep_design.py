"""Which points a sweep has, how many replicates each gets, and where a hyperparameter's domain ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.ledger.study import Axis
from analysis.ledger.sweep_design import STEPS, EveryHyperparameter, NineRates, SweepPoint, moved, sweep_design

RATE = Axis(low=1e-4, high=1.0, scale="log")
MOMENTUM = Axis(low=0.0, high=0.99, scale="log_complement")
SHARE = Axis(low=0.0, high=1.0, scale="linear")


def test_a_logarithmic_hyperparameter_moves_by_factors_beyond_its_range_too():
    assert [moved(RATE, 0.5, step) for step in STEPS] == pytest.approx(
        [0.05, 0.1581139, 0.2811707, 0.8891397, 1.581139, 5]
    )


def test_a_momentum_moves_by_factors_of_its_distance_to_one():
    found = [moved(MOMENTUM, 0.99, step) for step in STEPS]
    assert [1 - value for value in found] == pytest.approx([0.1, 0.0316228, 0.0177828, 0.00562341, 0.00316228, 0.001])


@pytest.mark.parametrize(("axis", "value"), [(MOMENTUM, 0.5), (MOMENTUM, 0.0), (RATE, 0.0), (SHARE, 0.0), (SHARE, 1.0)])
def test_a_step_out_of_the_domain_is_left_out(axis, value):
    found = [moved(axis, value, step) for step in STEPS]
    if axis is MOMENTUM:
        assert [number is None for number in found] == [True, True, value == 0, False, False, False]
    elif axis is RATE:
        assert found == [None] * 6
    else:
        assert [number is None for number in found] == [step * (-1) ** value < 0 for step in STEPS]


def test_a_linear_hyperparameter_moves_by_parts_of_its_range():
    assert [moved(SHARE, 0.5, step) for step in STEPS] == [0.25, 0.375, 0.4375, 0.5625, 0.625, 0.75]


@given(value=st.floats(0, 0.9999), step=st.sampled_from(STEPS))
def test_a_momentum_that_has_moved_is_still_one(value, step):
    found = moved(MOMENTUM, value, step)
    assert found is None or (0 <= found < 1 and (found > value) == (step > 0))


def test_every_hyperparameter_has_a_block_of_six_numbers_used_or_not():
    design = EveryHyperparameter(num_seeds=12)
    points = design.points({"momentum": MOMENTUM, "learning_rate": RATE}, {"learning_rate": 0.1, "momentum": 0.0})
    assert sorted(points) == [0, 1, 2, 3, 4, 5, 9, 10, 11]
    assert points[0] == SweepPoint("learning_rate", -1.0, pytest.approx(0.01))
    assert points[11] == SweepPoint("momentum", 1.0, pytest.approx(0.9))
    assert design.block_size({"momentum": MOMENTUM, "learning_rate": RATE}) == 12


def test_every_trial_of_a_sweep_has_its_seeds():
    assert EveryHyperparameter(num_seeds=9).num_replicates(["beta1", "beta2"]) == 9 * 12


def test_a_sweep_without_a_number_of_seeds_is_one_of_nine_rates_on_the_tuning_seeds():
    design = sweep_design(has_sweep=True, num_sweep_seeds=None, num_tuning_seeds=2)
    assert design == NineRates(num_seeds=2)
    assert not design.is_fresh
    assert design.num_replicates(["learning_rate", "momentum"]) == 18
    assert design.num_replicates(["stride"]) == 0
    assert design.points({"stride": RATE}, {"stride": 0.1}) == {}


def test_a_study_without_a_sweep_has_no_design():
    assert sweep_design(has_sweep=False, num_sweep_seeds=12, num_tuning_seeds=2) is None
