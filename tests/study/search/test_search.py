"""Every search algorithm keeps the same contract; `optuna` numbers its points as the report expects."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import qmc

from study.search import Observation, PointRequest, load_search, search_names
from trainables.optimizers import load_optimizer, optimizer_names
from trainables.randomness import derive_seed
from trainables.spec import Hyperparameter

SPACES = {name: (load_optimizer(name).space, load_optimizer(name).published) for name in optimizer_names()}
PLANE = {
    "learning_rate": Hyperparameter(low=1e-4, high=1.0, scale="log"),
    "momentum": Hyperparameter(low=0.0, high=0.99, scale="log_complement"),
}
PUBLISHED = {"learning_rate": 0.01, "momentum": 0.9}
VALUES = {"learning_rate": (0.1, 0.01, 0.001), "momentum": (0.9, 0.5)}
FREE = [name for name in search_names() if load_search(name).num_points is None]
"""Searches that choose points themselves; the others take them from the values that they are given."""

FIRST = range(50)
DEAF = [name for name in FREE if not any(load_search(name).learns(number) for number in FIRST)]

numbers = st.integers(0, 40)
seeds = st.integers(0, 2**63 - 1)


@st.composite
def spaces(draw):
    """One to four hyperparameters on any scale."""
    space = {}
    for position in range(draw(st.integers(1, 4))):
        scale = draw(st.sampled_from(["linear", "log", "log_complement"]))
        low = draw(
            {"linear": st.floats(-5, 5), "log": st.floats(1e-9, 1.0), "log_complement": st.floats(-3, 0.9)}[scale]
        )
        width = draw(st.floats(1e-3, 5))
        high = {
            "linear": low + width,
            "log": low * (1 + width),
            "log_complement": low + (1 - low) * width / (1 + width),
        }
        space[f"h{position}"] = Hyperparameter(low=low, high=high[scale], scale=scale)
    return space


@st.composite
def point_requests(draw, number=numbers):
    space = draw(spaces())
    points = st.fixed_dictionaries({name: st.floats(0, 1).map(axis.at) for name, axis in space.items()})
    seen = draw(st.lists(st.tuples(points, st.floats(0, 1)), max_size=6))
    return PointRequest(
        number=draw(number),
        space=space,
        published={name: axis.at(0.5) for name, axis in space.items()},
        seed=draw(seeds),
        observations=[Observation(point, objective) for point, objective in seen],
        values={name: [axis.at(k / 40) for k in range(41)] for name, axis in space.items()},
    )


def ask(number, *, seed=0, search="optuna", observations=(), space=PLANE, published=PUBLISHED, values=VALUES):
    asked = PointRequest(
        number=number, space=space, published=published, seed=seed, observations=observations, values=values
    )
    return load_search(search).propose(asked)


@pytest.mark.parametrize("name", search_names())
@settings(max_examples=40, deadline=None)
@given(asked=point_requests())
def test_the_same_request_gets_the_same_answer_inside_the_space(name, asked):
    algorithm = load_search(name)
    proposal = algorithm.propose(asked)
    assert proposal == algorithm.propose(asked)
    assert set(proposal.point) == set(asked.space)
    for hyperparameter, axis in asked.space.items():
        assert axis.low <= proposal.point[hyperparameter] <= axis.high


@pytest.mark.parametrize("search", FREE)
@pytest.mark.parametrize("name", optimizer_names())
def test_every_search_but_a_grid_begins_with_the_published_setting(search, name):
    space, published = SPACES[name]
    proposal = ask(0, search=search, space=space, published=published)
    assert proposal.point == published
    assert (proposal.phase, proposal.sampler) == ("published", "published")


@pytest.mark.parametrize("search", FREE)
@pytest.mark.parametrize("number", [1, 12])
def test_seeds_get_points_of_their_own(search, number):
    points = [tuple(ask(number, search=search, seed=seed).point.values()) for seed in range(5)]
    assert len(set(points)) == 5


@pytest.mark.parametrize("search", DEAF)
def test_observations_do_not_move_the_points_of_a_search_that_does_not_learn(search):
    seen = [Observation(PUBLISHED, 0.5)]
    assert {"random", "sobol"} <= set(DEAF)
    assert ask(7, search=search) == ask(7, search=search, observations=seen)


def test_optuna_numbers_are_published_then_nine_sobol_then_odd_sobol_and_even_tpe():
    samplers = [ask(number).sampler for number in range(24)]
    assert samplers[0] == "published"
    assert samplers[1:10] == ["sobol"] * 9
    assert samplers[10:] == ["tpe", "sobol"] * 7
    phases = [ask(number).phase for number in range(24)]
    assert phases.count("explore") == 16
    assert [phase == "exploit" for phase in phases] == [sampler == "tpe" for sampler in samplers]
    assert [load_search("optuna").learns(number) for number in range(24)] == [s == "tpe" for s in samplers]


def test_the_sobol_points_of_optuna_are_one_sequence_without_gap_or_repeat():
    explored = [ask(number) for number in range(60)]
    ours = [proposal.point for proposal in explored if proposal.sampler == "sobol"]
    theirs = [ask(number, search="sobol").point for number in range(1, len(ours) + 1)]
    assert ours == theirs


def test_the_sobol_points_are_scipys_sequence():
    engine = qmc.Sobol(2, rng=derive_seed(5, "sobol"))
    fractions = engine.random(16)
    for number, (first, second) in enumerate(fractions, start=1):
        point = ask(number, search="sobol", seed=5).point
        assert point["learning_rate"] == PLANE["learning_rate"].at(float(first))
        assert point["momentum"] == PLANE["momentum"].at(float(second))


def test_sixteen_sobol_points_lie_one_in_each_sixteenth_of_every_hyperparameter():
    points = [ask(number, search="sobol").point for number in range(1, 17)]
    for name, axis in PLANE.items():
        assert sorted(int(16 * axis.fraction(point[name])) for point in points) == list(range(16))


def test_random_points_are_even_on_the_scale_of_their_hyperparameter():
    fractions = [PLANE["momentum"].fraction(ask(k, search="random").point["momentum"]) for k in range(1, 401)]
    assert abs(statistics.fmean(fractions) - 0.5) < 5 * math.sqrt(1 / 12 / 400)


def test_tpe_listens():
    """The same request but for one objective gets another point."""
    points = [ask(number, search="sobol").point for number in range(1, 9)]
    good_low = [Observation(point, PLANE["learning_rate"].fraction(point["learning_rate"])) for point in points]
    good_high = [Observation(point, 1 - seen.objective) for point, seen in zip(points, good_low, strict=True)]
    low, high = (ask(10, observations=seen).point["learning_rate"] for seen in (good_low, good_high))
    assert low != high


def test_tpe_answers_without_observations_and_with_equal_ones():
    assert ask(10).point != ask(12).point
    same = [Observation(PUBLISHED, 1.0)] * 9
    assert set(ask(10, observations=same).point) == set(PLANE)


def test_tpe_takes_the_ends_of_a_range_as_observations():
    ends = [Observation({name: axis.at(end) for name, axis in PLANE.items()}, 0.5) for end in (0.0, 1.0)]
    assert set(ask(10, observations=ends).point) == set(PLANE)


def test_tpe_beats_random_points_on_a_bowl():
    """Mean loss of a proposal on a bowl of known centre, over 40 seeds, against the exact mean of uniform points.

    The loss is the squared distance from (0.3, 0.7) in the unit square: a uniform point loses 2/12 + 2 * 0.2^2.
    """
    uniform = 2 / 12 + 2 * 0.2**2

    def loss(point):
        first, second = (PLANE[name].fraction(point[name]) for name in ("learning_rate", "momentum"))
        return (first - 0.3) ** 2 + (second - 0.7) ** 2

    losses = []
    for seed in range(40):
        explored = [ask(number, search="sobol", seed=seed).point for number in range(1, 17)]
        seen = [Observation(point, loss(point)) for point in explored]
        losses.append(loss(ask(24, seed=seed, observations=seen).point))
    margin = 5 * np.std(losses, ddof=1) / math.sqrt(len(losses))
    assert np.mean(losses) + margin < uniform


def test_a_grid_is_every_combination_with_the_last_hyperparameter_fastest():
    count = load_search("grid").num_points(VALUES)
    assert count == 6
    points = [tuple(ask(number, search="grid").point.values()) for number in range(count)]
    assert points == [(0.1, 0.9), (0.1, 0.5), (0.01, 0.9), (0.01, 0.5), (0.001, 0.9), (0.001, 0.5)]
    assert {ask(number, search="grid").phase for number in range(count)} == {"grid"}


def test_an_unknown_algorithm_lists_the_known_ones():
    known = ", ".join(search_names())
    with pytest.raises(ValueError, match=rf"Unknown search algorithm 'annealing'; choose one of {known}\."):
        load_search("annealing")
