"""A search algorithm that answers badly is refused before anything is trained, in one line that names its file."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from analysis.plugins import PluginError
from study.queue.proposals import ask, fixed_points, learns
from study.search import PointRequest, Proposal, SearchAlgorithm, load_search
from trainables.spec import Hyperparameter

SPACE = {
    "learning_rate": Hyperparameter(low=1e-4, high=1.0, scale="log"),
    "momentum": Hyperparameter(low=0.0, high=0.99, scale="log_complement"),
}
PUBLISHED = {"learning_rate": 0.01, "momentum": 0.9}
REQUEST = PointRequest(number=3, space=SPACE, published=PUBLISHED, seed=0)
POINT = {"learning_rate": 0.1, "momentum": 0.5}
WHERE = "study/search/mine.py"


def answered(answer, asked=REQUEST):
    """What the study gets of an algorithm that gives or raises this answer to every request."""

    def propose(_):
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return ask(SearchAlgorithm(propose=propose, name="mine", where=WHERE), asked)


PHASES = "a phase among published, explore, exploit, grid"
NAMES = "a value for each of learning_rate, momentum and for nothing else"
RATE = "a number from 0.0001 to 1 for learning_rate"
MOMENTUM = "a number from 0 to 0.99 for momentum"
BAD = {
    "tuple": ((POINT, "explore", "mine"), "a study.search.Proposal", "tuple"),
    "nothing": (None, "a study.search.Proposal", "NoneType"),
    "phase that is none": (Proposal(POINT, "wild", "mine"), PHASES, "'wild'"),
    "phase of confirmation": (Proposal(POINT, "confirm", "mine"), PHASES, "'confirm'"),
    "phase of a list": (Proposal(POINT, ["explore"], "mine"), PHASES, "['explore']"),
    "sampler without a name": (
        Proposal(POINT, "explore", None), "a sampler named by one line of 1 to 40 printable characters", "None"
    ),
    "hyperparameter missing": (Proposal({"learning_rate": 0.1}, "explore", "mine"), NAMES, "learning_rate"),
    "hyperparameter too many": (
        Proposal({**POINT, "beta": 0.1}, "explore", "mine"), NAMES, "learning_rate, momentum, beta"
    ),
    "point that is a list": (Proposal([0.1, 0.5], "explore", "mine"), NAMES, "list"),
    "point that is a word": (Proposal("point", "explore", "mine"), NAMES, "str"),
    "NaN": (Proposal({**POINT, "learning_rate": math.nan}, "explore", "mine"), RATE, "nan"),
    "infinite": (Proposal({**POINT, "learning_rate": math.inf}, "explore", "mine"), RATE, "inf"),
    "infinite in a grid": (Proposal({**POINT, "learning_rate": math.inf}, "grid", "mine"), RATE, "inf"),
    "outside": (Proposal({**POINT, "learning_rate": 1.5}, "explore", "mine"), RATE, "1.5"),
    "outside at the upper end": (Proposal({**POINT, "momentum": 0.991}, "exploit", "mine"), MOMENTUM, "0.991"),
    "beyond the end of the scale": (Proposal({**POINT, "momentum": 1.0}, "exploit", "mine"), MOMENTUM, "1.0"),
    "nobody's choice": (Proposal({**POINT, "momentum": 0.999}, "grid", "mine"), MOMENTUM, "0.999"),
    "string": (Proposal({**POINT, "learning_rate": "0.1"}, "explore", "mine"), RATE, "'0.1'"),
    "truth": (Proposal({**POINT, "learning_rate": True}, "explore", "mine"), RATE, "True"),
    "published setting of its own": (
        Proposal(POINT, "published", "mine"),
        f"the published setting in the phase 'published', {PUBLISHED}",
        str(POINT),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_answer_names_the_file_of_the_algorithm(case):
    answer, must, given = BAD[case]
    message = f"The search algorithm 'mine' must propose {must}, {WHERE} gave {given} as point 3; mend it."
    with pytest.raises(PluginError, match=f"^{re.escape(message)}$"):
        answered(answer)


@pytest.mark.parametrize("error", [KeyError("rate"), SystemExit(0), TypeError("first\nsecond")])
def test_an_algorithm_that_raises_is_named(error):
    message = f"'mine' must propose a point, study/search/mine.py raises {error!r}; mend or remove it."
    with pytest.raises(PluginError, match=re.escape(message)):
        answered(error)


@pytest.mark.parametrize(
    ("point", "phase"),
    [
        ({"learning_rate": 1e-4, "momentum": 0.99}, "explore"),
        ({"momentum": np.float32(0.5), "learning_rate": np.int64(1)}, "exploit"),
        ({"learning_rate": 1.0 + 1e-12, "momentum": 0.99 + 1e-13}, "exploit"),
        (PUBLISHED, "published"),
    ],
)
def test_a_point_of_the_space_is_passed_on_as_plain_numbers(point, phase):
    """Rounding may put an end of the space a hair outside."""
    proposal = answered(Proposal(point, phase, "mine"))
    assert proposal == Proposal(point, phase, "mine")
    assert {type(value) for value in proposal.point.values()} == {float}


def test_points_that_the_user_or_the_authors_name_may_lie_outside_the_space():
    values = {"learning_rate": (2.0, 0.0), "momentum": (0.995,)}
    asked = PointRequest(number=1, space=SPACE, published=PUBLISHED, seed=0, values=values)
    assert ask(load_search("grid"), asked).point == {"learning_rate": 0.0, "momentum": 0.995}
    published = {"learning_rate": 3.0, "momentum": 0.9}
    asked = PointRequest(number=0, space=SPACE, published=published, seed=0)
    assert ask(load_search("random"), asked).point == published


def test_an_algorithm_that_cannot_say_whether_it_learns_or_how_many_points_it_has_is_named():
    algorithm = SearchAlgorithm(
        propose=answered, learns=lambda _: 1 / 0, num_points=lambda _: "many", name="mine", where=WHERE
    )
    with pytest.raises(PluginError, match=rf"'mine' must say whether it learns, {WHERE} raises ZeroDivisionError"):
        learns(algorithm, 3)
    with pytest.raises(PluginError, match=rf"'mine' must give a number of points, {WHERE} raises TypeError"):
        fixed_points(algorithm, {})
    empty = replace(algorithm, num_points=lambda _: 0)
    with pytest.raises(PluginError, match=rf"'mine' must give at least 1 point, {WHERE} gave 0; mend it\."):
        fixed_points(empty, {})


def test_only_an_algorithm_that_fixes_its_points_has_a_number_of_them():
    assert fixed_points(load_search("random"), {}) is None
    assert fixed_points(load_search("grid"), {"learning_rate": (0.1, 0.2), "momentum": (0.5, 0.6, 0.9)}) == 6


def test_a_loaded_algorithm_knows_its_file():
    assert load_search("sobol").where == "study/search/sobol.py"
    assert load_search("sobol").name == "sobol"
