"""What a search algorithm answers, checked before anything is trained or stored of it: a bad answer names its file."""

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real

from analysis.ledger.schema import TUNING_PHASES
from analysis.plugins import PluginError, blamed
from study.search import Point, PointRequest, Proposal, SearchAlgorithm

LONGEST_SAMPLER = 40

TOLERANCE = 1e-9
"""In fractions of a range: rounding may put an end of it a hair outside."""


def ask(algorithm: SearchAlgorithm, request: PointRequest) -> Proposal:
    """The algorithm's proposal, which a study can train; its values are plain numbers.

    Raises:
        PluginError: The algorithm raises, or proposes what is none: another type, phase or set of hyperparameters, a
            sampler without a name, a value that is not finite or that neither its range nor anybody's choice holds.
    """
    with blamed(f"{_noun(algorithm)} must propose a point", algorithm.where):
        found = algorithm.propose(request)
        fault = _fault(found, request)
    if fault is not None:
        must, given = fault
        raise PluginError(
            f"{_noun(algorithm)} must propose {must}, {algorithm.where} gave {str(given)[:80]} as point "
            f"{request.number}; mend it."
        )
    return replace(found, point={key: float(found.point[key]) for key in found.point})


def learns(algorithm: SearchAlgorithm, number: int) -> bool:
    """Whether the point of a number depends on earlier results.

    Raises:
        PluginError: The algorithm cannot say.
    """
    with blamed(f"{_noun(algorithm)} must say whether it learns", algorithm.where):
        return bool(algorithm.learns(number))


def fixed_points(algorithm: SearchAlgorithm, values: Mapping[str, Sequence[float]]) -> int | None:
    """Number of points of one optimizer that has these values; None if the algorithm leaves it to the user.

    Raises:
        PluginError: The algorithm gives no number above 0.
    """
    if algorithm.num_points is None:
        return None
    with blamed(f"{_noun(algorithm)} must give a number of points", algorithm.where):
        found = operator.index(algorithm.num_points(values))
    if found < 1:
        raise PluginError(f"{_noun(algorithm)} must give at least 1 point, {algorithm.where} gave {found}; mend it.")
    return found


def _noun(algorithm: SearchAlgorithm) -> str:
    return f"The search algorithm {algorithm.name!r}"


def _fault(found: object, request: PointRequest) -> tuple[str, object] | None:
    """What an answer must be and what it is instead; None if it may be trained on."""
    if not isinstance(found, Proposal):
        return "a study.search.Proposal", type(found).__name__
    if found.phase not in TUNING_PHASES:
        return f"a phase among {', '.join(TUNING_PHASES)}", repr(found.phase)
    sampler: object = found.sampler
    if not isinstance(sampler, str) or not sampler.isprintable() or not 0 < len(sampler) <= LONGEST_SAMPLER:
        return f"a sampler named by one line of 1 to {LONGEST_SAMPLER} printable characters", repr(sampler)
    point: object = found.point
    if not isinstance(point, Mapping) or set(point) != set(request.space):
        given = ", ".join(map(str, point)) or "none" if isinstance(point, Mapping) else type(point).__name__
        return f"a value for each of {', '.join(sorted(request.space))} and for nothing else", given
    if outside := next((name for name in request.space if not _may_be(name, point[name], request)), None):
        axis = request.space[outside]
        return f"a number from {axis.low:g} to {axis.high:g} for {outside}", repr(point[outside])
    if found.phase == "published" and _numbers(point) != _numbers(request.published):
        return f"the published setting in the phase 'published', {_numbers(request.published)}", _numbers(point)
    return None


def _may_be(name: str, value: object, request: PointRequest) -> bool:
    """Whether a value lies in its range, or is one that the user or the optimizer's authors have named."""
    if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
        return False
    axis, number = request.space[name], float(value)
    if axis.low <= number <= axis.high or number == request.published[name] or number in request.values.get(name, ()):
        return True
    try:
        return -TOLERANCE <= axis.fraction(number) <= 1 + TOLERANCE
    except ValueError:  # the scale ends before it
        return False


def _numbers(point: Point) -> dict[str, float]:
    return {name: float(value) for name, value in sorted(point.items())}
