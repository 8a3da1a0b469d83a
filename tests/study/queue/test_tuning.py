"""The tuning of one optimizer: numbers, waiting and the winner."""

import pytest

from study.queue.tuning import Tuning
from study.search import load_search


@pytest.fixture
def tuning(make_spec, listening):
    """Six trials of two replicates; point 4 waits for 0 and 1, point 2 for none."""
    definition = make_spec().optimizers["sgd"]
    return Tuning(listening(), definition, seed=0, num_trials=6, num_seeds=2, lag=3)


def train(tuning, number, *errors):
    proposal = tuning.start(number)
    for replicate, error in enumerate(errors):
        tuning.record(number, proposal.point, replicate, error)
    return proposal.point


def test_numbers_are_handed_out_in_order_until_none_is_left(tuning):
    numbers = []
    while (number := tuning.next_number()) is not None:
        numbers.append(number)
        train(tuning, number, 0.5, 0.6)
    assert numbers == [0, 1, 2, 3, 4, 5]
    assert tuning.finished
    assert tuning.num_started == 6


def test_a_point_that_learns_waits_for_the_numbers_a_lag_before_it(tuning):
    train(tuning, 0, 0.5, 0.5)
    for number in (1, 2, 3):
        assert tuning.next_number() == number
        points = {number: tuning.start(number).point}
    assert tuning.next_number() is None  # 4 learns from 0 and 1
    tuning.record(1, {"learning_rate": 0.5}, 0, 0.4)
    assert tuning.next_number() is None, "one replicate of two is not a trial"
    tuning.record(1, {"learning_rate": 0.5}, 1, 0.4)
    assert tuning.next_number() == 4
    assert points


def test_a_trial_stored_before_a_smaller_number_is_not_trained_again(tuning):
    for number in (0, 1, 3):
        for replicate in (0, 1):
            tuning.record(number, {"learning_rate": 0.1 * (number + 1)}, replicate, 0.5)
    assert tuning.num_started == 3
    assert tuning.num_reached == 4
    assert tuning.next_number() == 2
    tuning.start(2)
    assert tuning.next_number() == 4


def test_a_half_stored_trial_misses_the_other_half(tuning):
    tuning.record(0, {"learning_rate": 0.01}, 1, 0.5)
    assert tuning.next_number() == 0
    assert tuning.missing(0) == (0,)
    assert tuning.objective(0) is None


def test_the_winner_has_the_lowest_mean_over_its_replicates(tuning):
    train(tuning, 0, 0.5, 0.5)
    point = train(tuning, 1, 0.1, 0.7)
    train(tuning, 2, 0.41, 0.41)
    assert tuning.best() == (pytest.approx(0.4), point)


def test_a_tie_goes_to_the_lower_number(tuning):
    train(tuning, 0, 0.9, 0.9)
    first = train(tuning, 1, 0.25, 0.75)
    train(tuning, 2, 0.5, 0.5)
    assert tuning.best() == (0.5, first)


def test_a_diverged_replicate_counts_as_one(tuning):
    train(tuning, 0, 0.1, 1.0)
    assert tuning.objective(0) == 0.55


def test_a_trial_with_a_failed_replicate_never_wins(tuning):
    train(tuning, 0, 0.01, None)
    assert tuning.best() is None
    point = train(tuning, 1, 1.0, 1.0)
    assert tuning.best() == (1.0, point)


def test_a_failed_trial_is_no_observation_and_holds_nobody_up(tuning):
    train(tuning, 0, None, None)
    for number in (1, 2, 3):
        train(tuning, number, 0.5, 0.5)
    assert tuning.next_number() == 4
    assert tuning.start(4).point


def test_tpe_waits_for_the_lag_and_sobol_never_does(make_spec):
    tuning = Tuning(load_search("optuna"), make_spec().optimizers["sgd"], seed=0, num_trials=24, num_seeds=1, lag=8)
    for number in range(10):
        assert tuning.next_number() == number
        tuning.start(number)
    assert tuning.next_number() is None
    for number in range(3):
        tuning.record(number, {"learning_rate": 0.01 * (number + 1)}, 0, 0.5)
    assert tuning.next_number() == 10
