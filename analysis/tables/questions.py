"""The numbers that answer the questions of the claims, beyond the findings: what the figures of each question draw."""

from dataclasses import dataclass, fields

import polars as pl

from analysis.claims.file import Claims
from analysis.tables.cost import cost_table
from analysis.tables.overfitting import mean_losses, run_losses
from analysis.tables.overview import Findings
from analysis.tables.runs import ConfirmedRuns, run_metrics
from analysis.tables.sensitivity import sensitivity_tables
from analysis.tables.stability import _outcomes, divergence_rates, seed_spread
from analysis.tables.targets import (
    performance_profiles,
    performance_ratios,
    profile_scores,
    survival_curves,
    target_times,
    times_to_target,
)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Tables by the name of their CSV file; the functions named below say which columns each has.

    Args:
        findings: What they were computed from.
        claims: What is claimed, with what is fixed about the data set.
        target_times: `survival.target_times`.
        times_to_target: `survival.times_to_target`.
        survival: `survival.survival_curves`.
        performance_profile: `survival.performance_profiles`.
        performance_score: `survival.profile_scores`.
        run_metrics: `run_metrics`.
        seed_spread: `stability.seed_spread` of every metric.
        mean_losses: `mean_losses`.
        run_losses: `run_losses`.
        divergence_rates: `divergence_rates`.
        learning_rate_sensitivity: `sensitivity.responses`.
        learning_rate_drift: `sensitivity.drift`.
        good_volume: `sensitivity.good_volumes`.
        importance: `sensitivity.importances`.
        expected_best: `sensitivity.expected_best`.
        best_so_far: `sensitivity.best_so_far`.
        tunability: `sensitivity.tunability`.
        probability_best: `sensitivity.probabilities_best`.
        step_cost: `overhead.cost_table`.
    """

    findings: Findings
    claims: Claims
    target_times: pl.DataFrame
    times_to_target: pl.DataFrame
    survival: pl.DataFrame
    performance_profile: pl.DataFrame
    performance_score: pl.DataFrame
    run_metrics: pl.DataFrame
    seed_spread: pl.DataFrame
    mean_losses: pl.DataFrame
    run_losses: pl.DataFrame
    divergence_rates: pl.DataFrame
    learning_rate_sensitivity: pl.DataFrame
    learning_rate_drift: pl.DataFrame
    good_volume: pl.DataFrame
    importance: pl.DataFrame
    expected_best: pl.DataFrame
    best_so_far: pl.DataFrame
    tunability: pl.DataFrame
    probability_best: pl.DataFrame
    step_cost: pl.DataFrame

    def tables(self) -> dict[str, pl.DataFrame]:
        """What is stored as CSV, by file name."""
        held = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: table for name, table in held.items() if isinstance(table, pl.DataFrame)}


def find_answers(findings: Findings, claims: Claims) -> Answers:
    """Compute all numbers of the questions.

    Args:
        findings: The numbers of the report.
        claims: With the targets and the accuracy of a guess for the data set.
    """
    ledger, setup = findings.ledger, ConfirmedRuns(findings, claims).setup
    times = target_times(ledger.trials, ledger.epochs, findings.shown, setup)
    cells = times_to_target(times)
    ratios = performance_ratios(cells)
    measured = run_metrics(findings, setup)
    went_wrong = _outcomes(findings, setup)
    chance = setup.chance_accuracy
    return Answers(
        findings=findings,
        claims=claims,
        target_times=times,
        times_to_target=cells,
        survival=survival_curves(times),
        performance_profile=performance_profiles(ratios),
        performance_score=profile_scores(ratios),
        run_metrics=measured,
        seed_spread=seed_spread(measured, ["optimizer", "setting", "metric", "unit"]),
        mean_losses=mean_losses(findings.seed_curves),
        run_losses=run_losses(findings),
        divergence_rates=divergence_rates(findings, went_wrong),
        **sensitivity_tables(
            ledger,
            initial_error=1.0 if chance is None else 1.0 - chance,
            collapsed=went_wrong.filter(pl.col("collapsed")),
        ),
        step_cost=cost_table(ledger.timings, list(ledger.study.optimizers)),
    )
