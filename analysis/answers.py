"""The numbers that answer the questions of the claims, beyond the findings: what the figures of each question draw."""

from dataclasses import dataclass, fields

import polars as pl

from analysis.claims.file import Claims
from analysis.confirmed import ConfirmedRuns
from analysis.findings import Findings
from analysis.ledger.schema import KEY
from analysis.metrics import METRICS, Setup, measure
from analysis.overhead import cost_table
from analysis.selection import TRIAL
from analysis.sensitivity import sensitivity_tables
from analysis.stability import outcomes, rates, seed_spread
from analysis.statistics.intervals import summarise, with_wilson
from analysis.survival import (
    performance_profiles,
    performance_ratios,
    profile_scores,
    survival_curves,
    target_times,
    times_to_target,
)

SEARCH_SPACE = "search space"
"""Group of the replicates of the explore points, beside the groups "tuned" and "published" of fresh seeds."""


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


def run_metrics(findings: Findings, setup: Setup) -> pl.DataFrame:
    """Every metric of every shown run: `optimizer`, `setting`, `replicate`, `status`, `metric`, `unit`, `value`."""
    ledger, shown = findings.ledger, findings.shown
    rows = ledger.trials.join(shown, on=TRIAL, how="semi")
    epochs = ledger.epochs.join(rows, on=KEY, how="semi")
    frames = [
        shown.join(measure(metric, rows, epochs, setup), on=TRIAL, maintain_order="left").select(
            "optimizer", "setting", "replicate", "status", metric=pl.lit(name), unit=pl.lit(metric.unit), value="value"
        )
        for name, metric in sorted(METRICS.items())
        if findings.is_confirmed or not name.startswith("test_")
    ]
    return pl.concat(frames)


def mean_losses(seeds: pl.DataFrame) -> pl.DataFrame:
    """Mean losses of the seeds that have not diverged, epoch by epoch: a curve of one loss against the other.

    Args:
        seeds: What `curves.seed_curves` returns.

    Returns:
        Columns `optimizer`, `setting`, `epoch`, `train_loss`, `validation_loss`, `generalization_gap` and `num_values`
        (seeds in the means), in the order of `seeds`.
    """
    losses = ("train_loss", "validation_loss", "generalization_gap")
    held = seeds.drop_nulls(losses)
    by = ["optimizer", "setting", "epoch"]
    tables = [summarise(held, by, loss).select(*by, "num_values", pl.col("mean").alias(loss)) for loss in losses]
    joined = tables[0].join(tables[1].drop("num_values"), on=by).join(tables[2].drop("num_values"), on=by)
    order = seeds.select("optimizer", "setting").unique(maintain_order=True)
    return order.join(joined, on=["optimizer", "setting"], maintain_order="left_right").drop_nulls("epoch")


def run_losses(findings: Findings) -> pl.DataFrame:
    """Losses after the last epoch of each tuned run on fresh seeds that did not diverge.

    Returns:
        Columns `optimizer`, `replicate`, `train_loss`, `test_loss`; no row without confirmation.
    """
    tuned = findings.shown.filter(setting="tuned", phase="confirm")
    tests = tuned.join(findings.ledger.trials, on=TRIAL, maintain_order="left").select(
        "optimizer", "replicate", "test_loss"
    )
    last = findings.seed_curves.filter(setting="tuned", epoch=findings.ledger.study.num_epochs)
    both = tests.join(last, on=["optimizer", "replicate"], maintain_order="left")
    return both.select("optimizer", "replicate", "train_loss", "test_loss").drop_nulls()


def divergence_rates(findings: Findings, went_wrong: pl.DataFrame) -> pl.DataFrame:
    """How often replicates go wrong.

    Args:
        findings: The numbers of the report.
        went_wrong: What `stability.outcomes` returns for the shown runs.

    Returns:
        Columns `optimizer`, `setting` ("tuned", "published": fresh seeds; "search space": all replicates of explore
        points, of which only divergence is told), and those of `stability.rates`.
    """
    ours = rates(findings.shown.join(went_wrong, on=TRIAL), ["optimizer", "setting"])
    explored = findings.points.filter(phase="explore").group_by("optimizer", maintain_order=True)
    counts = explored.agg(
        pl.lit(SEARCH_SPACE).alias("setting"),
        pl.lit("diverged").alias("label"),
        replicates=pl.col("complete").sum() + pl.col("diverged").sum(),
        events=pl.col("diverged").sum(),
    )
    searched = with_wilson(counts, "events", "replicates", ["rate", "low", "high"])
    table = pl.concat([ours, searched], how="diagonal_relaxed")
    place = pl.col("optimizer").replace_strict(
        {name: place for place, name in enumerate(findings.ledger.study.optimizers)}, return_dtype=pl.Int32
    )
    return table.sort(place, maintain_order=True)


def _outcomes(findings: Findings, setup: Setup) -> pl.DataFrame:
    """What went wrong in the shown runs and the sweeps."""
    ledger = findings.ledger
    wanted = pl.concat(
        [
            ledger.trials.join(findings.shown, on=TRIAL, how="semi"),
            ledger.trials.filter(phase="sweep").join(findings.shown, on=TRIAL, how="anti"),
        ]
    )
    return outcomes(wanted, ledger.epochs.join(wanted, on=KEY, how="semi"), setup)
