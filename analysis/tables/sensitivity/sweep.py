"""The response to the learning rate: validation error along the sweep through each optimizer's winner."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.ledger.load import Ledger
from analysis.ledger.plan import RATE
from analysis.ledger.schema import KEY
from analysis.tables.sensitivity.one_at_a_time import OneAtATime, one_at_a_time
from analysis.tables.sensitivity.points import Missing, errors_by_seed, lacking, rounded
from analysis.tables.settings import Setting, setting_column, settings, sweep_through, winners

MIN_RATES = 5
"""Learning rates below which a sweep is no curve; nine are planned."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Outcomes over the learning rate, the other hyperparameters fixed at the winner's values.

    Args:
        optimizer: Name.
        rates: Learning rates in increasing order, shape (num_rates,).
        errors: Validation error at the last epoch, shape (num_rates, num_seeds), 1 where diverged.
        lost: Whether the replicate diverged or collapsed, shape (num_rates, num_seeds).
    """

    optimizer: str
    rates: NDArray[np.float64]
    errors: NDArray[np.float64]
    lost: NDArray[np.bool_]

    @property
    def decades(self) -> NDArray[np.float64]:
        """log10 of the learning rates, shape (num_rates,)."""
        return np.log10(self.rates)

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean error over seeds, shape (num_rates,)."""
        return rounded(self.errors.mean(axis=1))


def sweeps(ledger: Ledger, collapsed: pl.DataFrame | None = None) -> dict[str, Sweep | Missing]:
    """The sweep of every optimizer of a study, in its order, or why there is none.

    Args:
        ledger: The rows.
        collapsed: Keys of replicates that count as lost although they did not diverge; none if None.
    """
    points = settings(ledger.study, ledger.trials)
    best = winners(ledger.study, points)
    lost = ledger.trials.filter(status="diverged").select(KEY)
    if collapsed is not None:
        lost = pl.concat([lost, collapsed.select(KEY).cast(lost.schema)]).unique()
    if ledger.study.sweeps_every_hyperparameter:
        return {name: _of_curve(name, curve.get(RATE)) for name, curve in one_at_a_time(ledger, collapsed).items()}
    return {name: _sweep(ledger, name, points, best, lost) for name in ledger.study.optimizers}


def _of_curve(name: str, curve: OneAtATime | Missing | None) -> Sweep | Missing:
    """The learning rate of a sweep of every hyperparameter."""
    if curve is None:
        return Missing(f"{name} searches no learning rate, so it has no response to it.")
    if isinstance(curve, Missing):
        return curve
    return Sweep(optimizer=name, rates=curve.values, errors=curve.errors, lost=curve.lost)


def _sweep(
    ledger: Ledger, name: str, points: pl.DataFrame, best: Mapping[str, Setting], lost: pl.DataFrame
) -> Sweep | Missing:
    if RATE not in ledger.study.optimizers[name].space:
        return Missing(f"{name} searches no learning rate, so it has no response to it.")
    if name not in best:
        return Missing(f"{name} has no winner, so no sweep through it.")
    column = setting_column(RATE)
    through = sweep_through(best[name], points).filter("is_whole")
    # Sweeps through two winners that differ in the learning rate alone lie on one line and may share rates.
    chosen = through.with_columns(_decade=pl.col(column).log10().round(9)).unique("_decade", keep="first").sort(column)
    if chosen.height < MIN_RATES:
        return Missing(
            f"{name} has {chosen.height} of the {MIN_RATES} learning rates that a sweep through its winner needs: "
            f"{lacking(chosen.height, MIN_RATES)}."
        )
    rows = ledger.trials.join(chosen.select("optimizer", "phase", "number"), on=["optimizer", "phase", "number"])
    numbers = chosen["number"].sort()
    order = np.searchsorted(numbers.to_numpy(), chosen["number"].to_numpy())
    seen = rows.join(lost.with_columns(_lost=pl.lit(1.0)), on=KEY, how="left").with_columns(
        validation_error=pl.col("_lost").fill_null(0.0)
    )
    return Sweep(
        optimizer=name,
        rates=chosen[column].to_numpy(),
        errors=errors_by_seed(rows)[order],
        lost=errors_by_seed(seen)[order] > 0,
    )
