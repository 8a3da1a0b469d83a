"""Share of the search space that is good, from the explore points."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from analysis.claims.questions import Question
from analysis.tables.runs import ConfirmedRuns
from analysis.tables.sensitivity import Missing, good_volume_difference
from analysis.verdicts.evidence import Draws, NotTestableError
from analysis.verdicts.study_metric import StudyMetric


def gather(question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns]) -> Draws:
    """Mean over the repeats, each of which has other points."""
    del question
    found = [good_volume_difference(confirmed.overview.ledger, a, b) for confirmed in repeats]
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


METRIC = StudyMetric(
    name="good_volume",
    gather=gather,
    unit="fraction",
    improvement="difference",
    noun="share of good settings",
    counted="setting",
    interval="percentiles of a bootstrap over points and seeds",
    family="sensitivity",
    phases=("confirm", "explore"),
    better="higher",
)
