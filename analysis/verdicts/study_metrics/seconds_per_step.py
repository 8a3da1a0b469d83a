"""Seconds of an optimizer step, from the steps that were timed in turns."""

from collections.abc import Sequence

import numpy as np

from analysis.claims.questions import Question
from analysis.tables.cost import step_cost_ratio
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.evidence import Median, NotTestableError
from analysis.verdicts.study_metric import StudyMetric


def gather(question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns]) -> Median:
    """Of the first repeat: steps are timed once."""
    ratio = step_cost_ratio(repeats[0].overview.ledger.timings, a, b, question.batch_size or 0)
    if isinstance(ratio, str):
        raise NotTestableError(ratio)
    ratios = ratio.by_block
    values = question.improvement.measure(ratios, np.ones_like(ratios), metric=METRIC.name, better="lower")
    return Median(
        estimate=float(np.median(values)),
        value_a=ratio.estimate,
        value_b=1.0,
        num_values=len(values),
        values=values,
    )


METRIC = StudyMetric(
    name="seconds_per_step",
    gather=gather,
    unit="seconds",
    improvement="within",
    needs_batch_size=True,
    noun="time per step",
    counted="timing block",
    interval="that of a median, two of its block ratios in order, exact by the binomial law",
    family="step_time",
    phases=("confirm",),
    exact_if="timing blocks are independent",
)
