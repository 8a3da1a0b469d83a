"""The figures of the report, by what they are about: a question gets those of the family of its metric."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.metrics import METRICS, PAIR_METRICS
from analysis.report.charts import unchecked
from analysis.report.charts.palette import Palette
from analysis.report.figures.accuracy import accuracy
from analysis.report.figures.cost import step_cost, step_times
from analysis.report.figures.effects import effects
from analysis.report.figures.figure import Figure, Panel
from analysis.report.figures.hyperparameters import divergence, learning_rate, sensitivity
from analysis.report.figures.learning_curves import generalization_gap, learning_curves
from analysis.report.figures.overfitting import losses
from analysis.report.figures.search_space import good_volume, importance, valley
from analysis.report.figures.stability import divergence_rates
from analysis.report.figures.time_to_target import survival
from analysis.report.figures.tuning_budget import expected_best
from analysis.tables.overview import Findings
from analysis.tables.questions import Answers
from analysis.verdicts.study_metrics import STUDY_METRICS
from analysis.verdicts.verdicts import Verdict

Maker = Callable[[Answers, Palette], Figure]


def _of_findings(make: Callable[[Findings, Palette], Figure]) -> Maker:
    """A figure that needs no more than the findings."""
    return lambda answers, palette: make(answers.findings, palette)


FAMILIES: dict[str, tuple[Maker, ...]] = {
    "convergence": (_of_findings(learning_curves), survival),
    "stability": (divergence_rates, _of_findings(divergence)),
    "overfitting": (losses, _of_findings(generalization_gap)),
    "sensitivity": (
        _of_findings(learning_rate),
        valley,
        good_volume,
        expected_best,
        importance,
        _of_findings(sensitivity),
    ),
    "overhead": (step_cost,),
}
"""Figures of each family of metrics, which is named after the file of its metrics; others have none of their own."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures of a report in the order of its page.

    Args:
        headline: Belongs to the results in numbers.
        of_questions: By the name of a question: its effects, then those of its family.
        of_families: By the name of a family that no question is about.
        rest: What the study cost.
    """

    headline: Figure
    of_questions: dict[str, tuple[Figure, ...]]
    of_families: dict[str, tuple[Figure, ...]]
    rest: tuple[Figure, ...]

    @property
    def every(self) -> list[Figure]:
        """All figures, each once."""
        groups = [*self.of_questions.values(), *self.of_families.values(), self.rest]
        return [self.headline, *(figure for group in groups for figure in group)]


def figures(answers: Answers, verdicts: Sequence[Verdict]) -> Figures:
    """All figures of a report.

    Args:
        answers: What they draw.
        verdicts: On every claim that the study holds both sides of.
    """
    palette = Palette.of(answers.findings.ledger.study.optimizers)
    with unchecked():
        left = {family: tuple(make(answers, palette) for make in makers) for family, makers in FAMILIES.items()}
        of_questions = {}
        for place, question in enumerate(answers.claims.questions, start=1):
            own = [verdict for verdict in verdicts if verdict.question is question]
            if own:
                family = left.pop(metric_family(question.metric), ())
                of_questions[question.name] = (effects(own, place, palette), *family)
        return Figures(
            headline=accuracy(answers.findings, palette),
            of_questions=of_questions,
            of_families=left,
            rest=(step_times(answers.findings, palette),),
        )


def metric_family(metric: str) -> str:
    """Name of the family that a metric belongs to."""
    if metric in STUDY_METRICS:
        return STUDY_METRICS[metric].family
    found = METRICS.get(metric) or PAIR_METRICS[metric]
    return found.function.__module__.rpartition(".")[2]


__all__ = ["FAMILIES", "Figure", "Figures", "Panel", "figures", "metric_family"]
