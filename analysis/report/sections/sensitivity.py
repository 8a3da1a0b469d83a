"""How much it matters to get the hyperparameters right: sweeps, good volume, importance, expected best."""

from collections.abc import Callable

import polars as pl

from analysis.report.figures.hyperparameters import learning_rate
from analysis.report.figures.hyperparameters import sensitivity as every_hyperparameter
from analysis.report.figures.joint_maps import joint_maps
from analysis.report.figures.search_space import good_volume, importance, valley
from analysis.report.figures.sweeps import imprecision, one_at_a_time
from analysis.report.figures.tuning_budget import expected_best
from analysis.report.section import Section
from analysis.tables.overview import Overview
from analysis.tables.runs import setup_of
from analysis.tables.sensitivity import SENSITIVITY_TABLES, pooled, sensitivity_tables
from analysis.tables.stability import shown_outcomes
from analysis.tables.study_tables import StudyTables


def every_table(tables: StudyTables) -> dict[str, pl.DataFrame]:
    """`sensitivity_tables` of the study."""
    chance = tables.once(setup_of).chance_accuracy
    return sensitivity_tables(
        tables.overview.ledger,
        explored=pooled(tables.ledgers),
        initial_error=1.0 if chance is None else 1.0 - chance,
        collapsed=tables.once(shown_outcomes).filter(pl.col("collapsed")),
    )


def one(name: str) -> Callable[[StudyTables], pl.DataFrame]:
    """How one of these tables is made."""
    return lambda tables: tables.once(every_table)[name]


def rows(overview: Overview) -> str:
    """Which rows answer the questions on the search space."""
    study = overview.ledger.study
    if study.sweeps_every_hyperparameter:
        sweep = (
            "Cost of imprecision, curves over one hyperparameter at a time, basin and headroom: the sweep around each "
            "winner and the winner's confirmation, on the same fresh seeds and validation images; a diverged run has "
            "error 1."
        )
    elif study.has_sweep:
        sweep = "Learning-rate response, basin and headroom: the sweep of nine learning rates, on the tuning seeds."
    else:
        sweep = "No sweep was planned."
    return (
        f"{sweep} Share of good settings, importance and expected best: explore points only, which no sampler chose; "
        "importance, expected best and the maps of two hyperparameters by the trials of all tunings together."
    )


SECTION = Section(
    title="Sensitivity to hyperparameters",
    place=4,
    family="sensitivity",
    tables={name: one(name) for name in SENSITIVITY_TABLES},
    figures=(
        imprecision,
        learning_rate,
        one_at_a_time,
        joint_maps,
        valley,
        good_volume,
        expected_best,
        importance,
        every_hyperparameter,
    ),
    methods=rows,
)
