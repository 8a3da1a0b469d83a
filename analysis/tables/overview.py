"""All numbers of a report, computed once from a ledger: what the figures draw and the tables store."""

from dataclasses import dataclass

import polars as pl

from analysis.ledger.load import Ledger
from analysis.statistics.intervals import summarise
from analysis.tables import curves
from analysis.tables.cost import step_times
from analysis.tables.results import Result, confirmed_accuracies, results, results_table
from analysis.tables.settings import Setting, counts, responses, settings, shown_runs, winners


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The numbers of a report; the functions named below say which columns each table has.

    Args:
        ledger: The rows.
        points: `settings`, one row per trial.
        best: Winner of each optimizer that has one.
        results: One per optimizer.
        accuracies: `confirmed_accuracies`.
        shown: `shown_runs`.
        seed_curves: `curves.seed_curves`.
        mean_curves: `curves.mean_curves`.
        final_gaps: `curves.final_gaps`.
        mean_gaps: Their means with intervals, as `summarise` returns them.
        responses: `settings.responses`.
        step_times: `cost.step_times`.
        counts: `settings.counts`.
    """

    ledger: Ledger
    points: pl.DataFrame
    best: dict[str, Setting]
    results: list[Result]
    accuracies: pl.DataFrame
    shown: pl.DataFrame
    seed_curves: pl.DataFrame
    mean_curves: pl.DataFrame
    final_gaps: pl.DataFrame
    mean_gaps: pl.DataFrame
    responses: pl.DataFrame
    step_times: pl.DataFrame
    counts: pl.DataFrame

    @property
    def is_confirmed(self) -> bool:
        """Whether the curves are of confirmation runs, on seeds that took no part in the choice."""
        return "confirm" in self.shown["phase"]

    def tables(self) -> dict[str, pl.DataFrame]:
        """What is stored as CSV, by file name."""
        return {
            "results": results_table(self.ledger.study, self.results),
            "test_accuracy": self.accuracies,
            "trials": self.points,
            "learning_curves": self.mean_curves,
            "learning_curves_seeds": self.seed_curves,
            "generalization_gap": self.final_gaps,
            "generalization_gap_means": self.mean_gaps,
            "step_seconds": self.step_times,
            "counts": self.counts,
        }


def overview_of(ledger: Ledger) -> Overview:
    """Compute all numbers of a report."""
    study = ledger.study
    points = settings(study, ledger.trials)
    best = winners(study, points)
    accuracies = confirmed_accuracies(ledger, points, best)
    shown = shown_runs(study, points, best)
    seeds = curves.seed_curves(ledger, shown)
    gaps = curves.final_gaps(ledger, shown)
    return Overview(
        ledger=ledger,
        points=points,
        best=best,
        results=results(study, points, best, accuracies),
        accuracies=accuracies,
        shown=shown,
        seed_curves=seeds,
        mean_curves=curves.mean_curves(seeds),
        final_gaps=gaps,
        mean_gaps=summarise(gaps, ["optimizer", "setting"], "value"),
        responses=responses(study, points, best),
        step_times=step_times(ledger),
        counts=counts(study, points),
    )
