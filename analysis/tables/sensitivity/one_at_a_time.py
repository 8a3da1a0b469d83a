"""What one hyperparameter does to the winner's error, the others kept: curves on the seeds of the confirmation."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.ledger.load import Ledger
from analysis.ledger.schema import KEY
from analysis.ledger.study import Axis, Study
from analysis.ledger.sweep_design import EveryHyperparameter
from analysis.tables.sensitivity.points import Missing, rounded
from analysis.tables.settings import (
    TRIAL,
    Setting,
    confirm_number,
    setting_column,
    settings,
    sweep_around,
    winners,
)
from analysis.wording import count


@dataclass(frozen=True, kw_only=True)
class OneAtATime:
    """Outcomes over one hyperparameter of a winner; seeds are paired between all curves of a study.

    Args:
        optimizer: Name.
        hyperparameter: What is moved.
        axis: Its range and scale.
        steps: How far, in decades of its own scale, in increasing order; 0 is the winner. Shape (num_values,).
        values: Its values, shape (num_values,).
        errors: Validation error at the last epoch, shape (num_values, num_seeds), 1 where diverged.
        lost: Whether the replicate diverged or collapsed, in the same shape.
    """

    optimizer: str
    hyperparameter: str
    axis: Axis
    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    lost: NDArray[np.bool_]

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean error over seeds, shape (num_values,)."""
        return rounded(self.errors.mean(axis=1))


Curves = dict[str, dict[str, OneAtATime | Missing]]


def one_at_a_time(ledger: Ledger, collapsed: pl.DataFrame | None = None) -> Curves:
    """The curve of every hyperparameter of every optimizer, both in the order of the study, or why there is none.

    Args:
        ledger: The rows.
        collapsed: Keys of replicates that count as lost although they did not diverge; none if None.
    """
    study = ledger.study
    points = settings(study, ledger.trials)
    best = winners(study, points)
    lost = ledger.trials.filter(status="diverged").select(KEY)
    if collapsed is not None:
        lost = pl.concat([lost, collapsed.select(KEY).cast(lost.schema)]).unique()
    runs = ledger.trials.join(lost.with_columns(lost=pl.lit(1.0)), on=KEY, how="left").with_columns(
        pl.col("lost").fill_null(0.0)
    )
    found: Curves = {}
    for name, optimizer in study.optimizers.items():
        around = _around(ledger, name, points, best.get(name))
        found[name] = {
            hyperparameter: around
            if isinstance(around, Missing)
            else _curve(ledger.study, best[name], hyperparameter, around, runs)
            for hyperparameter in optimizer.space
        }
    return found


def _around(ledger: Ledger, name: str, points: pl.DataFrame, best: Setting | None) -> pl.DataFrame | Missing:
    """The trials around a winner: what `sweep_around` returns, and the winner's confirmation, of no hyperparameter."""
    design = ledger.study.sweep
    if not isinstance(design, EveryHyperparameter):
        kind = "no sweep" if design is None else "a sweep of nine learning rates on the tuning seeds alone"
        return Missing(f"The study has {kind}.")
    if best is None:
        return Missing(f"{name} has no winner, so no sweep through it.")
    number = confirm_number(best, points)
    if number is None:
        return Missing(f"The winner of {name} has not been confirmed, so that a sweep has nothing to be compared with.")
    swept = sweep_around(ledger.study, best, points)
    confirmed = points.filter(optimizer=name, phase="confirm", number=number)
    return pl.concat([swept, confirmed.with_columns(hyperparameter=pl.lit(""), step=0.0)])


def _curve(
    study: Study, best: Setting, hyperparameter: str, around: pl.DataFrame, runs: pl.DataFrame
) -> OneAtATime | Missing:
    """The curve if all of its runs are there and none failed."""
    design = study.sweep
    assert design is not None, "there are trials around the winner"
    space = study.optimizers[best.optimizer].space
    planned = [
        point.step
        for point in design.points(space, best.hyperparameters).values()
        if point.hyperparameter == hyperparameter
    ]
    if not planned:
        value = best.hyperparameters[hyperparameter]
        return Missing(f"No step of {hyperparameter} from {value:g} stays within the domain of {best.optimizer}.")
    own = around.filter(pl.col("hyperparameter").is_in([hyperparameter, ""])).sort("step")
    errors, lost = (_by_step(own, runs, column, design.num_seeds) for column in ("validation_error", "lost"))
    num_lacking = design.num_seeds * (len(planned) + 1) - int(np.isfinite(errors).sum())
    if num_lacking:
        return Missing(
            f"{count(num_lacking, 'run')} of {best.optimizer} around its winner {'is' if num_lacking == 1 else 'are'} "
            f"missing for {hyperparameter}."
        )
    return OneAtATime(
        optimizer=best.optimizer,
        hyperparameter=hyperparameter,
        axis=space[hyperparameter],
        steps=own["step"].to_numpy(),
        values=own[setting_column(hyperparameter)].to_numpy(),
        errors=errors,
        lost=lost > 0,
    )


def _by_step(own: pl.DataFrame, runs: pl.DataFrame, column: str, num_seeds: int) -> NDArray[np.float64]:
    """A column of the runs, shape (num_values, num_seeds); NaN where there is none."""
    table = np.full((own.height, num_seeds), np.nan)
    found = own.select(*TRIAL, "step").join(runs.select(*TRIAL, "replicate", column), on=TRIAL)
    found = found.filter(pl.col("replicate") < num_seeds)
    places = np.searchsorted(own["step"].to_numpy(), found["step"].to_numpy())
    table[places, found["replicate"].to_numpy()] = found[column].to_numpy()
    return table


def drawn(curves: Curves) -> Iterator[OneAtATime]:
    """Those that are there."""
    for by_hyperparameter in curves.values():
        yield from (curve for curve in by_hyperparameter.values() if isinstance(curve, OneAtATime))
