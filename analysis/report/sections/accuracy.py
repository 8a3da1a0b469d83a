"""Final error: how the effects of its claims are drawn is all that it needs; every metric of every run is its table."""

import polars as pl

from analysis.report.section import Section
from analysis.tables.overview import Overview
from analysis.tables.runs import run_metrics, setup_of
from analysis.tables.study_tables import StudyTables


def every_metric(tables: StudyTables) -> pl.DataFrame:
    """`run_metrics` of the shown runs."""
    return run_metrics(tables.overview, tables.once(setup_of))


def rows(overview: Overview) -> str:
    """Which rows answer the questions on runs."""
    if overview.is_confirmed:
        return (
            "Final error: test images, last epoch, confirmation runs of the tuned setting. Convergence, stability and "
            "overfitting: training and validation curves of the same runs."
        )
    return "No confirmation has been run, so nothing that needs fresh seeds is answered."


SECTION = Section(
    title="Accuracy",
    place=0,
    family="accuracy",
    tables={"run_metrics": every_metric},
    methods=rows,
)
