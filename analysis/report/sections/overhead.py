"""What a step of each optimizer costs beside one of the baseline."""

from analysis.report.figures.cost import step_cost
from analysis.report.section import Section
from analysis.tables.cost import cost_table
from analysis.tables.overview import Overview


def rows(overview: Overview) -> str:
    """Which rows answer the questions on cost."""
    if overview.ledger.timings.is_empty():
        return "No steps were timed, so nothing is said about the cost of a step."
    return "Cost of a step: steps timed in turns after the study."


SECTION = Section(
    title="Overhead",
    place=5,
    family="step_time",
    tables={
        "step_cost": lambda tables: cost_table(
            tables.overview.ledger.timings, list(tables.overview.ledger.study.optimizers)
        )
    },
    figures=(step_cost,),
    methods=rows,
)
