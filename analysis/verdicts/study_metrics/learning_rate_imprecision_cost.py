"""What it costs to know the learning rate only within a factor of 3.2, seed by seed."""

from collections.abc import Sequence

from analysis.claims.questions import Question
from analysis.ledger.plan import RATE
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.evidence import PairedSeeds
from analysis.verdicts.study_metric import StudyMetric
from analysis.verdicts.study_metrics.imprecision_cost import paired_costs


def gather(question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns]) -> PairedSeeds:
    """The hyperparameter that both sides have."""
    return paired_costs(question, a, b, repeats, RATE)


METRIC = StudyMetric(
    name="learning_rate_imprecision_cost",
    gather=gather,
    unit="fraction",
    improvement="difference",
    noun="cost of an imprecise learning rate",
    counted="seed",
    interval="",
    exact_if="paired differences are symmetric",
    family="sensitivity",
    phases=("sweep",),
)
