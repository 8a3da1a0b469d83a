"""What the report is made of: the tables of all sections, and their figures in the order of the page."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from analysis.claims.file import Claims
from analysis.metrics import METRICS, PAIR_METRICS
from analysis.plugins import NAME
from analysis.report.charts import unchecked
from analysis.report.charts.palette import Palette
from analysis.report.figures.accuracy import accuracy
from analysis.report.figures.effects import effects
from analysis.report.figures.figure import Figure
from analysis.report.section import Section
from analysis.report.sections import SECTIONS
from analysis.tables.overview import Overview
from analysis.tables.study_tables import StudyTables
from analysis.verdicts.study_metrics import STUDY_METRICS
from analysis.verdicts.verdict import Verdict

OTHER_TABLES = ("verdicts", "repeats", "ablation", "nested")
"""Names of the tables that are neither those of a section nor of the overview."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures of a report in the order of its page.

    Args:
        headline: Belongs to the results in numbers.
        of_questions: By the name of a question: its effects, then those of the section of its metric.
        of_sections: By the title of a section that no question is about.
        rest: Of the sections that answer no question.
    """

    headline: Figure
    of_questions: dict[str, tuple[Figure, ...]]
    of_sections: dict[str, tuple[Figure, ...]]
    rest: tuple[Figure, ...]

    @property
    def every(self) -> list[Figure]:
        """All figures, each once."""
        groups = [*self.of_questions.values(), *self.of_sections.values(), self.rest]
        return [self.headline, *(figure for group in groups for figure in group)]


def study_tables(overview: Overview, claims: Claims) -> StudyTables:
    """The tables of all sections.

    Raises:
        ValueError: Two tables share a name, or one can name no file.
    """
    makers: dict[str, Callable[[StudyTables], pl.DataFrame]] = {}
    taken = {*overview.tables(), *OTHER_TABLES}
    for section in SECTIONS:
        for name, make in section.tables.items():
            if not NAME.fullmatch(name) or name in taken:
                raise ValueError(
                    f"A table of a section needs a name of its own of small letters, digits and underscores, the "
                    f"section {section.title!r} has {name!r}; rename it."
                )
            taken.add(name)
            makers[name] = make
    return StudyTables(overview, claims, makers)


def figures(tables: StudyTables, verdicts: Sequence[Verdict]) -> Figures:
    """All figures of a report.

    Args:
        tables: What they draw.
        verdicts: On every claim that the study holds both sides of.

    Raises:
        ValueError: Two figures share a name.
    """
    palette = Palette.of(tables.overview.ledger.study.optimizers)
    with unchecked():
        drawn = {section: tuple(make(tables, palette) for make in section.figures) for section in SECTIONS}
        left: dict[str, list[Section]] = {}
        for section in SECTIONS:
            if section.family and section.figures:
                left.setdefault(section.family, []).append(section)
        of_questions = {}
        for place, question in enumerate(tables.claims.questions, start=1):
            own = [verdict for verdict in verdicts if verdict.question is question]
            if own:
                sections = left.pop(metric_family(question.metric), [])
                of_family = (figure for section in sections for figure in drawn[section])
                of_questions[question.name] = (effects(own, place, palette), *of_family)
        found = Figures(
            headline=accuracy(tables.overview, palette),
            of_questions=of_questions,
            of_sections={section.title: drawn[section] for sections in left.values() for section in sections},
            rest=tuple(figure for section in SECTIONS if section.family is None for figure in drawn[section]),
        )
    _refuse_equal([figure.name for figure in found.every])
    return found


def _refuse_equal(names: Sequence[str]) -> None:
    if doubled := sorted(name for name, number in Counter(names).items() if number > 1):
        raise ValueError(f"Each figure of a report needs a name of its own, two are {doubled[0]!r}; rename one.")


def metric_family(metric: str) -> str:
    """Name of the family that a metric belongs to."""
    if metric in STUDY_METRICS:
        return STUDY_METRICS[metric].family
    found = METRICS.get(metric) or PAIR_METRICS[metric]
    return found.function.__module__.rpartition(".")[2]


def which_rows(overview: Overview) -> str:
    """Which rows answer which question: a sentence of each section that has one."""
    return " ".join(filter(None, (section.methods(overview) for section in SECTIONS)))
