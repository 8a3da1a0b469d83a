"""What a search algorithm proposes, checked before anything is trained or stored of it."""

import math
from collections.abc import Mapping

from analysis.ledger.schema import TUNING_PHASES
from study.search import Proposal, Question, SearchAlgorithm
from trainables.spec import Hyperparameter

MUST = "The search algorithm of this study must propose"

SEARCHED = ("explore", "exploit")
"""Phases whose points come from the space; published settings and the values of a grid are somebody's choice."""

TOLERANCE = 1e-9
"""In fractions of a range: rounding may put an end of it a hair outside."""


def ask(algorithm: SearchAlgorithm, question: Question) -> Proposal:
    """The algorithm's proposal, which a study can train.

    Raises:
        ValueError: The algorithm raises, or proposes what is none: another type, phase or set of hyperparameters, a
            value that is not finite, or in a phase of `SEARCHED` one outside of its range.
    """
    try:
        proposal = algorithm.propose(question)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{MUST} a point for number {question.number}, it raises {error!r:.300}.") from error
    if not isinstance(proposal, Proposal):
        raise ValueError(f"{MUST} a Proposal, got {proposal!r:.200}.")
    if proposal.phase not in TUNING_PHASES:
        raise ValueError(f"{MUST} a point of phase {' or '.join(TUNING_PHASES)}, got {proposal.phase!r:.100}.")
    if not isinstance(proposal.point, Mapping) or proposal.point.keys() != question.space.keys():
        raise ValueError(f"{MUST} a value of each of {', '.join(question.space)}, got {proposal.point!r:.200}.")
    for name, value in proposal.point.items():
        _check_value(name, value, question.space[name], is_searched=proposal.phase in SEARCHED)
    return proposal


def _check_value(name: str, value: object, axis: Hyperparameter, *, is_searched: bool) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{MUST} finite numbers, got {name}={value!r:.100}.")
    if is_searched and not (axis.low <= value <= axis.high or -TOLERANCE <= axis.fraction(value) <= 1 + TOLERANCE):
        raise ValueError(f"{MUST} {name} from {axis.low:g} to {axis.high:g}, got {value!r}.")
