"""A search algorithm whose answers are checked as they arrive: a bad one names its file before it is trained on."""

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real

from analysis.ledger.schema import TUNING_PHASES
from analysis.plugins import PluginError, blamed
from study.search import Point, Proposal, Question, SearchAlgorithm

LONGEST_SAMPLER = 40


def checked(name: str, algorithm: SearchAlgorithm, where: str) -> SearchAlgorithm:
    """The algorithm, which answers as it did or raises a `PluginError`.

    Args:
        name: Its name.
        algorithm: What its file declares.
        where: File or package that it comes from.
    """
    noun = f"The search algorithm {name!r}"
    num_points = algorithm.num_points

    def propose(question: Question) -> Proposal:
        with blamed(f"{noun} must propose a point", where):
            found = algorithm.propose(question)
            fault = _fault(found, question)
        if fault is not None:
            must, given = fault
            raise PluginError(
                f"{noun} must propose {must}, {where} gave {str(given)[:80]} as point {question.number}; mend it."
            )
        return replace(found, point={key: float(found.point[key]) for key in found.point})

    def learns(number: int) -> bool:
        with blamed(f"{noun} must say whether it learns", where):
            return bool(algorithm.learns(number))

    def count(values: Mapping[str, Sequence[float]]) -> int:
        assert num_points is not None
        with blamed(f"{noun} must give a number of points", where):
            found = operator.index(num_points(values))
        if found < 1:
            raise PluginError(f"{noun} must give at least 1 point, {where} gave {found}; mend it.")
        return found

    return SearchAlgorithm(propose=propose, learns=learns, num_points=None if num_points is None else count)


def _fault(found: object, question: Question) -> tuple[str, object] | None:
    """What an answer must be and what it is instead; None if it may be trained on."""
    if not isinstance(found, Proposal):
        return "a study.search.Proposal", type(found).__name__
    if found.phase not in TUNING_PHASES:
        return f"a phase among {', '.join(TUNING_PHASES)}", repr(found.phase)
    sampler: object = found.sampler
    if not isinstance(sampler, str) or not sampler.isprintable() or not 0 < len(sampler) <= LONGEST_SAMPLER:
        return f"a sampler named by one line of 1 to {LONGEST_SAMPLER} printable characters", repr(sampler)
    point: object = found.point
    if not isinstance(point, Mapping) or set(point) != set(question.space):
        given = ", ".join(map(str, point)) or "none" if isinstance(point, Mapping) else type(point).__name__
        return f"a value for each of {', '.join(sorted(question.space))} and for nothing else", given
    if outside := next((name for name in question.space if not _may_be(name, point[name], question)), None):
        axis = question.space[outside]
        return f"a number from {axis.low:g} to {axis.high:g} for {outside}", repr(point[outside])
    if found.phase == "published" and _numbers(point) != _numbers(question.published):
        return f"the published setting in the phase 'published', {_numbers(question.published)}", _numbers(point)
    return None


def _may_be(name: str, value: object, question: Question) -> bool:
    """Whether a value lies in its range, or is one that the user or the optimizer's authors have named."""
    if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
        return False
    axis, number = question.space[name], float(value)
    is_inside = axis.low <= number <= axis.high
    return is_inside or number == question.published[name] or number in question.values.get(name, ())


def _numbers(point: Point) -> dict[str, float]:
    return {name: float(value) for name, value in sorted(point.items())}
