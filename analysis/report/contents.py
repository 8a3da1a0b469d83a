"""What the report is made of: the tables of all sections, and their figures in the order of the page."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.claims.file import Claims
from analysis.metrics import METRICS, PAIR_METRICS
from analysis.report.charts import unchecked
from analysis.report.charts.palette import Palette
from analysis.report.figures.accuracy import accuracy
from analysis.report.figures.effects import effects
from analysis.report.figures.figure import Figure
from analysis.report.section import Section
from analysis.report.sections import ORIGINS, SECTIONS
from analysis.report.sections._checked import refuse_shared
from analysis.tables.overview import Overview
from analysis.tables.study_tables import StudyTables
from analysis.verdicts.study_metrics import STUDY_METRICS
from analysis.verdicts.verdict import Verdict

REPORT = "the report itself"
"""Where names come from that no section has given."""

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


def study_tables(overview: Overview, claims: Claims, tunings: Sequence[Overview] = ()) -> StudyTables:
    """The tables of all sections.

    Args:
        overview: What they are computed from.
        claims: What is claimed.
        tunings: Overview of every tuning, that one first; it alone if none is given.

    Raises:
        PluginError: A section has a table of a name that the report has already.
    """
    named = [(name, where) for section, where in ORIGINS.items() for name in section.tables]
    refuse_shared("table", named, dict.fromkeys((*overview.tables(), *OTHER_TABLES), REPORT))
    makers = {name: make for section in SECTIONS for name, make in section.tables.items()}
    return StudyTables(overview, claims, makers, tunings)


def figures(tables: StudyTables, verdicts: Sequence[Verdict]) -> Figures:
    """All figures of a report.

    Args:
        tables: What they draw.
        verdicts: On every claim that the study holds both sides of.

    Raises:
        PluginError: A figure cannot be made, or has a name that the report has already.
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
        headline = accuracy(tables.overview, palette)
        taken = [headline.name, *(first.name for first, *_ in of_questions.values())]
        named = [(figure.name, ORIGINS[section]) for section in SECTIONS for figure in drawn[section]]
        refuse_shared("figure", named, dict.fromkeys(taken, REPORT))
        return Figures(
            headline=headline,
            of_questions=of_questions,
            of_sections={section.title: drawn[section] for sections in left.values() for section in sections},
            rest=tuple(figure for section in SECTIONS if section.family is None for figure in drawn[section]),
        )


def metric_family(metric: str) -> str:
    """Name of the family that a metric belongs to."""
    if metric in STUDY_METRICS:
        return STUDY_METRICS[metric].family
    found = METRICS.get(metric) or PAIR_METRICS[metric]
    return found.function.__module__.rpartition(".")[2]


def which_rows(overview: Overview) -> str:
    """Which rows answer which question: a sentence of each section that has one."""
    return " ".join(filter(None, (section.methods(overview) for section in SECTIONS)))
