"""Evidence that is measured on a study as a whole, not seed by seed: the good volume and the seconds per step."""

from collections.abc import Callable, Sequence
from statistics import fmean

import numpy as np

from analysis.claims.questions import Question
from analysis.tables.cost import step_cost_ratio
from analysis.tables.runs import ConfirmedRuns
from analysis.tables.sensitivity import Missing, good_volume_difference
from analysis.verdicts.evidence import Draws, NotTestableError

FEWEST_BLOCKS = 16
"""Timing blocks of a verdict.

The bootstrap of a median of fewer is wrong too often: at 1 - 0.05 / 12 seven times as often as it says from 6 blocks
and up to nine times from 9, since its ends then are ratios near the middle.
"""


def _good_volume(question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns]) -> Draws:
    """Mean over the repeats, each of which has other points."""
    del question
    found = [good_volume_difference(confirmed.findings.ledger, a, b) for confirmed in repeats]
    if missing := next((volume for volume in found if isinstance(volume, Missing)), None):
        raise NotTestableError(missing.reason.rstrip("."))
    volumes = [volume for volume in found if not isinstance(volume, Missing)]
    return Draws(
        estimate=fmean(volume.estimate for volume in volumes),
        value_a=fmean(volume.volumes[0] for volume in volumes),
        value_b=fmean(volume.volumes[1] for volume in volumes),
        num_values=sum(volume.num_points for volume in volumes),
        draws=np.mean([volume.draws for volume in volumes], axis=0),
    )


def _seconds_per_step(question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns]) -> Draws:
    ledger = repeats[0].findings.ledger
    ratio = step_cost_ratio(ledger.timings, a, b, question.batch_size or 0)
    if isinstance(ratio, str):
        raise NotTestableError(ratio)
    if ratio.num_blocks < FEWEST_BLOCKS:
        raise NotTestableError(f"{ratio.num_blocks} timing blocks hold both, and a verdict needs {FEWEST_BLOCKS}")
    bound = question.bound or 0.0
    return Draws(
        estimate=bound - ratio.estimate,
        value_a=ratio.estimate,
        value_b=1.0,
        num_values=ratio.num_blocks,
        draws=bound - ratio.draws,
    )


STUDY_EVIDENCE: dict[str, Callable[[Question, str, str, Sequence[ConfirmedRuns]], Draws]] = {
    "good_volume": _good_volume,
    "seconds_per_step": _seconds_per_step,
}
"""By metric."""
