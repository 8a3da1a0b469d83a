"""How fast runs learn: curves, times to targets, and how often each optimizer is among the fastest."""

import polars as pl

from analysis.report.figures.learning_curves import learning_curves
from analysis.report.figures.time_to_target import survival
from analysis.report.section import Section
from analysis.tables.runs import setup_of
from analysis.tables.study_tables import StudyTables
from analysis.tables.targets import (
    performance_profiles,
    performance_ratios,
    profile_scores,
    survival_curves,
    target_times,
    times_to_target,
)


def times(tables: StudyTables) -> pl.DataFrame:
    """`target_times` of the shown runs."""
    ledger = tables.overview.ledger
    return target_times(ledger.trials, ledger.epochs, tables.overview.shown, tables.once(setup_of))


def ratios(tables: StudyTables) -> pl.DataFrame:
    """`performance_ratios` of the times to targets."""
    return performance_ratios(tables["times_to_target"])


SECTION = Section(
    title="Convergence",
    place=1,
    family="convergence",
    tables={
        "target_times": times,
        "times_to_target": lambda tables: times_to_target(tables["target_times"]),
        "survival": lambda tables: survival_curves(tables["target_times"]),
        "performance_profile": lambda tables: performance_profiles(tables.once(ratios)),
        "performance_score": lambda tables: profile_scores(tables.once(ratios)),
    },
    figures=(learning_curves, survival),
)
