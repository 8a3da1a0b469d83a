"""The explored points of each optimizer in the unit cube of the measure that they were sampled from."""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from analysis.ledger.load import Ledger
from analysis.ledger.study import Axis, Optimizer
from analysis.tables.settings import settings

MIN_POINTS = 16
"""Explore points below which no number is given: intervals from fewer did not cover what they promise."""

TOLERANCE = 1e-9
"""Part of a range by which a value may lie beyond its end: rounding on another machine."""


@dataclass(frozen=True)
class Missing:
    """Why there is no number: one plain sentence."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """What one optimizer did at points spread over its search space.

    Args:
        optimizer: Name.
        hyperparameters: Names of the axes, shape (num_axes,).
        numbers: Numbers of the trials, shape (num_points,).
        points: Shape (num_points, num_axes); 0 and 1 are the ends of the range, even in the sampled measure.
        errors: Validation error at the last epoch, shape (num_points, num_seeds), 1 where diverged.
        repeat: Number of the tuning that they belong to.
    """

    optimizer: str
    hyperparameters: tuple[str, ...]
    numbers: NDArray[np.int64]
    points: NDArray[np.float64]
    errors: NDArray[np.float64]
    repeat: int = 0

    @property
    def num_points(self) -> int:
        """Number of trials."""
        return len(self.numbers)

    @property
    def num_seeds(self) -> int:
        """Number of replicates of each trial."""
        return int(self.errors.shape[1])

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean error over seeds, shape (num_points,)."""
        return rounded(self.errors.mean(axis=1))

    def lacks(self, needed: int, what: str) -> Missing | None:
        """The reason why `what` cannot be given from so few points; None if there are enough."""
        if not self.hyperparameters:
            return Missing(f"{self.optimizer} declares no search space, so it has no {what}.")
        if self.num_points >= needed:
            return None
        return Missing(
            f"{self.optimizer} has {self.num_points} of the {needed} explore points that its {what} needs: "
            f"{lacking(self.num_points, needed)}."
        )


def lacking(held: int, needed: int) -> str:
    """How many are missing, in words."""
    return f"{needed - held} {'is' if needed - held == 1 else 'are'} missing"


def clouds(ledger: Ledger) -> dict[str, Cloud]:
    """The explore points of every optimizer of a study, in its order.

    Only whole trials count: all planned replicates are there and none failed.

    Raises:
        ValueError: A point lies outside the declared space, or a hyperparameter is null.
    """
    whole = settings(ledger.study, ledger.trials).filter(pl.col("is_whole"), phase="explore")
    rows = ledger.trials.join(whole, on=["optimizer", "phase", "number"], how="semi")
    study = ledger.study
    return {
        name: _cloud(optimizer, rows.filter(optimizer=name), study.repeat)
        for name, optimizer in study.optimizers.items()
    }


def _cloud(optimizer: Optimizer, rows: pl.DataFrame, repeat: int) -> Cloud:
    trials = rows.unique("number", keep="any").sort("number")
    units = [unit(axis, trials[name].cast(pl.Float64).to_numpy()) for name, axis in optimizer.space.items()]
    points = np.stack(units, axis=1) if units else np.empty((trials.height, 0))
    if not ((points >= -TOLERANCE) & (points <= 1 + TOLERANCE)).all():
        raise ValueError(
            f"Explore points must lie within the declared space, {optimizer.name} has "
            f"{int((~((points >= -TOLERANCE) & (points <= 1 + TOLERANCE))).any(axis=1).sum())} of {len(points)} that "
            "do not; mend the space in study.json or the phase of these trials."
        )
    return Cloud(
        optimizer=optimizer.name,
        hyperparameters=tuple(optimizer.space),
        numbers=trials["number"].cast(pl.Int64).to_numpy(),
        points=np.clip(points, 0, 1),
        errors=errors_by_seed(rows),
        repeat=repeat,
    )


def errors_by_seed(rows: pl.DataFrame) -> NDArray[np.float64]:
    """Validation errors of whole trials of one optimizer and phase, shape (num_trials, num_seeds).

    Rows of the result go by the trial's number, columns by replicate: replicate r has the same seed in every trial of
    every optimizer. Replicates that not all trials have are left out.

    Raises:
        ValueError: The trials have no replicate in common.
    """
    table = rows.sort("replicate").pivot("replicate", index="number", values="validation_error").sort("number")
    shared = [column for column in table.columns[1:] if table[column].null_count() == 0]
    if table.height and not shared:
        raise ValueError(
            f"Trials must share replicates, the {table.height} of {rows['optimizer'][0]} in {rows['phase'][0]} have "
            "none in common; number the replicates of every trial from 0."
        )
    return table.select(shared).to_numpy().astype(np.float64)


def unit(axis: Axis, values: ArrayLike) -> NDArray[np.float64]:
    """Where values stand in a range: 0 at its low end, 1 at its high end, even in the sampled measure.

    Values beyond the ends come out below 0 or above 1; those where the scale is not defined, as NaN.

    Raises:
        ValueError: The range is empty on its scale.
    """
    low, high = transform(axis, [axis.low, axis.high])
    if not low < high:
        raise ValueError(
            f"A range must have low < high on scale={axis.scale!r}, got low={axis.low}, high={axis.high}; "
            "mend the space in study.json."
        )
    return np.asarray((transform(axis, values) - low) / (high - low))


def transform(axis: Axis, values: ArrayLike) -> NDArray[np.float64]:
    """Values on the scale they are sampled in: decades for "log" and "log_complement" (growing with the value)."""
    array = np.asarray(values, dtype=np.float64)
    match axis.scale:
        case "linear":
            return array
        case "log":
            inside = array
        case "log_complement":
            inside = 1 - array
    # A value where the scale is not defined has no place; NaN says so without a warning.
    decades = np.log10(np.where(inside > 0, inside, np.nan))
    return np.asarray(decades if axis.scale == "log" else -decades)


def pooled_seed_deviation(errors: NDArray[np.float64]) -> float | None:
    """Standard deviation over seeds, pooled over the better half of the points without divergence.

    Near the edge of stability seeds differ a hundred times more than at the optimum, hence the better half.

    Args:
        errors: Shape (num_points, num_seeds).

    Returns:
        None if there is one seed only or every point diverged.
    """
    learned = errors[(errors < 1).all(axis=1)]
    if errors.shape[1] < 2 or len(learned) == 0:
        return None
    means = learned.mean(axis=1)
    better = learned[means <= np.median(means)]
    return math.sqrt(float(better.var(axis=1, ddof=1).mean()))


def rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounded to 12 decimal places, as winners are chosen: equal counts of errors tie, whatever their floats."""
    return np.asarray(np.round(values, 12))
