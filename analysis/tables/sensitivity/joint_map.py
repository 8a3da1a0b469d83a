"""The error over learning rate and another hyperparameter at once, and how the best learning rate moves with that."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from analysis.ledger.load import Ledger
from analysis.ledger.plan import RATE
from analysis.ledger.study import Axis, Optimizer
from analysis.statistics.intervals import percentile_interval
from analysis.tables.sensitivity.drift import UNITS
from analysis.tables.sensitivity.points import Missing, transform, unit
from analysis.tables.sensitivity.surrogate import Surrogate, fitted, with_spread
from analysis.tables.settings import winners

CELLS = 16
"""Cells of a map along each axis."""

SURE = 2
"""Deviations by which the lowest error of a row must lie below the mean error: then its best learning rate is known."""

FEWEST_ROWS = 4
"""Rows with a known best learning rate that a slope is made of."""

ONE_THREAD = 1
"""The matrices are small: on a busy machine threads that wait for each other would take 20 times as long."""

NUM_DRAWS = 1_000
LEVEL = 0.95

DIGITS = 4
"""Decimal places: the search for the length scales of a surrogate ends a little differently on other machines."""

Row = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class JointMap:
    """A surrogate over the learning rate and another hyperparameter, any further ones at the winner.

    Args:
        optimizer: Which one.
        other: Name of the other hyperparameter.
        surrogate: Of its error.
        places: Middles of the cells in the unit cube, shape (CELLS * CELLS, num_hyperparameters); the learning rate
            changes fastest.
    """

    optimizer: Optimizer
    other: str
    surrogate: Surrogate
    places: NDArray[np.float64]

    def is_best(self) -> NDArray[np.bool_]:
        """Whether a cell has the best learning rate of its row and that is known, shape (CELLS, CELLS)."""
        means, deviations = (values.reshape(CELLS, CELLS) for values in self.surrogate.predict(self.places))
        rows, lowest = np.arange(CELLS), means.argmin(axis=1)
        is_known = means[rows, lowest] + SURE * deviations[rows, lowest] < self.surrogate.mean
        return np.asarray((rows == lowest[:, np.newaxis]) & is_known[:, np.newaxis])


def joint_maps(ledger: Ledger, explored: Ledger | None = None) -> pl.DataFrame:
    """What the surrogate expects in every cell.

    Args:
        ledger: The first tuning, whose winner the further hyperparameters are at.
        explored: What the surrogate is made of; `ledger` if None.

    Returns:
        One row per cell: `optimizer`, `hyperparameter` (the other one), ends of the cell `rate_low`, `rate_high`,
        `value_low`, `value_high`, expected `validation_error` with its standard `deviation`, `is_best` (the best
        learning rate of its row, where that is known), `num_points`; and `reason` in a row without numbers.
    """
    frames = [pl.DataFrame(schema=_SCHEMA)]
    with threadpool_limits(ONE_THREAD):
        for name, found in _maps(ledger, explored or ledger):
            if isinstance(found, Missing):
                frames.append(pl.DataFrame({"optimizer": [name], "reason": [found.reason]}))
            else:
                frames.append(_cells(found))
    return pl.concat(frames, how="diagonal")


def joint_slopes(ledger: Ledger, explored: Ledger | None = None) -> pl.DataFrame:
    """Slope of the best learning rate along the other hyperparameter, in log-log where that is its scale.

    By least squares over the rows of the map in which the best learning rate is known; the interval holds 95 % of the
    slopes of 1,000 draws of the surrogate.

    Args:
        ledger: As of `joint_maps`.
        explored: As of `joint_maps`.

    Returns:
        Columns `optimizer`, `hyperparameter`, `slope` with `low`, `high`, `unit`, `num_rows`, and `reason` where there
        is no number.
    """
    rows: list[Row] = []
    with threadpool_limits(ONE_THREAD):
        for name, found in _maps(ledger, explored or ledger):
            if isinstance(found, Missing):
                rows.append({"optimizer": name, "reason": found.reason})
            else:
                rows.append({"optimizer": name, "hyperparameter": found.other, **_slope(found)})
    words = dict.fromkeys(("optimizer", "hyperparameter", "unit", "reason"), pl.String)
    numbers = dict.fromkeys(("slope", "low", "high"), pl.Float64)
    columns = ("optimizer", "hyperparameter", "slope", "low", "high", "unit", "num_rows", "reason")
    return pl.DataFrame(rows, schema={**words, **numbers, "num_rows": pl.Int64}).select(columns)


def _maps(ledger: Ledger, explored: Ledger) -> Iterator[tuple[str, JointMap | Missing]]:
    points = with_spread(explored)
    best = winners(ledger.study, with_spread(ledger))
    for name, optimizer in ledger.study.optimizers.items():
        others = [key for key in optimizer.space if key != RATE]
        if RATE not in optimizer.space or not others or name not in best:
            continue
        surrogate = fitted(optimizer, points)
        if isinstance(surrogate, Missing):
            yield name, surrogate
            continue
        names = list(optimizer.space)
        winner = [float(unit(axis, best[name].hyperparameters[key])) for key, axis in optimizer.space.items()]
        middles = (np.arange(CELLS) + 0.5) / CELLS
        for other in others:
            places = np.tile(np.array(winner), (CELLS, CELLS, 1))
            places[..., names.index(RATE)] = middles
            places[..., names.index(other)] = middles[:, np.newaxis]
            flat = places.reshape(CELLS**2, len(names))
            yield name, JointMap(optimizer=optimizer, other=other, surrogate=surrogate, places=flat)


def _cells(found: JointMap) -> pl.DataFrame:
    means, deviations = found.surrogate.predict(found.places)
    rates, values = (
        _on_scale(found.optimizer.space[name], np.arange(CELLS + 1) / CELLS) for name in (RATE, found.other)
    )
    return pl.DataFrame(
        {
            "optimizer": [found.optimizer.name] * CELLS**2,
            "hyperparameter": [found.other] * CELLS**2,
            "rate_low": np.tile(rates[:-1], CELLS),
            "rate_high": np.tile(rates[1:], CELLS),
            "value_low": np.repeat(values[:-1], CELLS),
            "value_high": np.repeat(values[1:], CELLS),
            "validation_error": means.round(DIGITS),
            "deviation": deviations.round(DIGITS),
            "is_best": found.is_best().ravel(),
            "num_points": [found.surrogate.num_points] * CELLS**2,
        }
    )


def _slope(found: JointMap) -> Row:
    is_known = found.is_best().any(axis=1)
    axis = found.optimizer.space[found.other]
    row: Row = {"unit": UNITS[axis.scale], "num_rows": int(is_known.sum())}
    if is_known.sum() < FEWEST_ROWS:
        name = found.optimizer.name
        return {**row, "reason": f"{name} is known too little for its best learning rate along {found.other}."}
    middles = (np.arange(CELLS) + 0.5) / CELLS
    rates = np.log10(_on_scale(found.optimizer.space[RATE], middles))
    values = _on_scale(axis, middles[is_known])
    # Of "log_complement" the slope is against the decades of 1 - value, which fall as the scale grows.
    x = transform(axis, values) * (-1 if axis.scale == "log_complement" else 1)
    x = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    means, _ = found.surrogate.predict(found.places)
    draws = found.surrogate.draw(found.places, NUM_DRAWS)
    errors = np.concatenate([means[:, np.newaxis], draws], axis=1).reshape(CELLS, CELLS, NUM_DRAWS + 1)
    slopes = np.einsum("r,rd->d", x, rates[errors[is_known].argmin(axis=1)])
    interval = percentile_interval(slopes[1:], LEVEL)
    numbers = {"slope": slopes[0], "low": interval.low, "high": interval.high}
    return {**row, **{name: round(float(value), DIGITS) for name, value in numbers.items()}}


def _on_scale(axis: Axis, parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values that stand at parts of a range, even on its scale."""
    match axis.scale:
        case "linear":
            return np.asarray(axis.low + parts * (axis.high - axis.low))
        case "log":
            return np.asarray(axis.low * (axis.high / axis.low) ** parts)
        case "log_complement":
            return np.asarray(1 - (1 - axis.low) * ((1 - axis.high) / (1 - axis.low)) ** parts)


_SCHEMA = {
    **dict.fromkeys(("optimizer", "hyperparameter"), pl.String),
    **dict.fromkeys(("rate_low", "rate_high", "value_low", "value_high"), pl.Float64),
    **dict.fromkeys(("validation_error", "deviation"), pl.Float64),
    "is_best": pl.Boolean,
    "num_points": pl.Int64,
    "reason": pl.String,
}
