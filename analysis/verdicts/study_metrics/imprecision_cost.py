"""What it costs to know every hyperparameter only within a factor of 3.2, seed by seed."""

from collections.abc import Sequence

import numpy as np

from analysis.claims.questions import Question
from analysis.tables.runs import ConfirmedRuns
from analysis.tables.sensitivity import Missing, imprecision_costs, one_at_a_time
from analysis.verdicts.evidence import NotTestableError, PairedSeeds
from analysis.verdicts.study_metric import StudyMetric


def paired_costs(
    question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns], hyperparameter: str | None
) -> PairedSeeds:
    """Of the first repeat, the only one with a sweep.

    Args:
        question: Says how the sides are compared.
        a: The optimizer that the claim praises.
        b: Its rival.
        repeats: The repeats of the tuning.
        hyperparameter: The only one that is known so roughly; None for all.

    Raises:
        NotTestableError: A side has no such hyperparameter, or its sweep is not whole.
    """
    curves = one_at_a_time(repeats[0].overview.ledger)
    sides = []
    for name in (a, b):
        if hyperparameter is not None and hyperparameter not in curves[name]:
            raise NotTestableError(f"{name} searches no {hyperparameter}")
        found = imprecision_costs(curves[name], hyperparameter)
        if isinstance(found, Missing):
            raise NotTestableError(found.reason[0].lower() + found.reason[1:].rstrip("."))
        sides.append(found)
    num_seeds = min(len(side) for side in sides)
    ours, theirs = (side[:num_seeds][np.newaxis] for side in sides)
    improvement = question.improvement.measure(ours, theirs, metric=question.metric, better="lower")
    return PairedSeeds.of(improvement, ours, theirs)


def gather(question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns]) -> PairedSeeds:
    """All hyperparameters of each side, effects added."""
    return paired_costs(question, a, b, repeats, None)


METRIC = StudyMetric(
    name="imprecision_cost",
    gather=gather,
    unit="fraction",
    improvement="difference",
    noun="cost of imprecision",
    counted="seed",
    interval="",
    exact_if="paired differences are symmetric",
    family="sensitivity",
    phases=("sweep",),
)
