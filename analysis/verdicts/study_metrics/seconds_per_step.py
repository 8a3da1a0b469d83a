"""Seconds of an optimizer step, from the steps that were timed in turns."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.claims.questions import Question
from analysis.tables.cost import step_cost_ratio
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.evidence import Draws, NotTestableError
from analysis.verdicts.study_metric import StudyMetric

FEWEST_BLOCKS = 16
"""Timing blocks of a verdict.

The bootstrap of a median of fewer is wrong too often: at 1 - 0.05 / 12 seven times as often as it says from 6 blocks
and up to nine times from 9, since its ends then are ratios near the middle.
"""


def gather(question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns]) -> Draws:
    """Of the first repeat: steps are timed once."""
    ratio = step_cost_ratio(repeats[0].overview.ledger.timings, a, b, question.batch_size or 0)
    if isinstance(ratio, str):
        raise NotTestableError(ratio)
    if ratio.num_blocks < FEWEST_BLOCKS:
        raise NotTestableError(f"{ratio.num_blocks} timing blocks hold both, and a verdict needs {FEWEST_BLOCKS}")

    def improvement(ratios: NDArray[np.float64]) -> NDArray[np.float64]:
        return question.improvement.measure(ratios, np.ones_like(ratios), metric=METRIC.name, better="lower")

    return Draws(
        estimate=float(improvement(np.array([ratio.estimate]))[0]),
        value_a=ratio.estimate,
        value_b=1.0,
        num_values=ratio.num_blocks,
        draws=improvement(ratio.draws),
    )


METRIC = StudyMetric(
    name="seconds_per_step",
    gather=gather,
    unit="seconds",
    improvement="within",
    needs_batch_size=True,
    noun="time per step",
    counted="block",
    resampled="blocks for times",
    family="overhead",
    phases=("confirm",),
)
