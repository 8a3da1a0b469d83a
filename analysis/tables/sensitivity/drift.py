"""How the best learning rate moves when another hyperparameter changes."""

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.ledger.load import Ledger
from analysis.ledger.plan import RATE
from analysis.tables.sensitivity.points import MIN_POINTS, Cloud, clouds, transform
from analysis.tables.sensitivity.resampling import draw_points, draw_seeds, drawn_means, student_interval

GOOD_PART = 0.25
FEWEST_GOOD = 8
"""The slope is that of the best quarter of the points, at least eight."""

UNITS = {"linear": "decades per unit", "log": "decades per decade", "log_complement": "decades per decade of 1 - value"}


def drift(ledger: Ledger) -> pl.DataFrame:
    """Slope of the best learning rate against each other hyperparameter, in log-log where that is its scale.

    0: both can be tuned one after the other. 1: they act through their product or quotient. On "log_complement" the
    slope is against log10(1 - value): 1 means that the best learning rate is proportional to 1 - momentum.

    Returns:
        Columns `optimizer`, `hyperparameter`, `slope` with its interval `low`, `high` (bootstrap over points and
        seeds), `unit`, `num_good` (points behind it), and `reason` where there is no number.
    """
    rows: list[dict[str, object]] = []
    for name, cloud in clouds(ledger).items():
        space = ledger.study.optimizers[name].space
        for hyperparameter in space:
            if RATE not in space or hyperparameter == RATE:
                continue
            row: dict[str, object] = {"optimizer": name, "hyperparameter": hyperparameter}
            row["unit"] = UNITS[space[hyperparameter].scale]
            if missing := cloud.lacks(MIN_POINTS, "drift of the best learning rate"):
                rows.append({**row, "reason": missing.reason})
                continue
            decades = np.array([np.ptp(transform(axis, [axis.low, axis.high])) for axis in space.values()])
            # The scale of "log_complement" grows with the value, its decades of 1 - value fall.
            decades[[axis.scale == "log_complement" for axis in space.values()]] *= -1
            rows.append({**row, **_slope(cloud, hyperparameter, decades)})
    text = dict.fromkeys(("optimizer", "hyperparameter"), pl.String)
    numbers = dict.fromkeys(("slope", "low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema={**text, **numbers, "unit": pl.String, "num_good": pl.Int64, "reason": pl.String})


def slope_of_best(rates: NDArray[np.float64], others: NDArray[np.float64], means: NDArray[np.float64]) -> float | None:
    """Slope of the rates of the best points on the other hyperparameter, by least squares.

    Points are spread evenly, so at each value of the other hyperparameter the good ones lie around the best rate.

    Args:
        rates: Learning rates on the scale of the slope, shape (num_points,).
        others: The other hyperparameter, shape (num_points,).
        means: Mean errors, shape (num_points,).

    Returns:
        None if the other hyperparameter is the same in all good points.
    """
    good = np.argsort(means, kind="stable")[: num_good(len(means))]
    x, y = others[good] - others[good].mean(), rates[good] - rates[good].mean()
    spread = float(x @ x)
    return float(x @ y) / spread if spread > 0 else None


def num_good(num_points: int) -> int:
    """Points behind the slope."""
    return max(FEWEST_GOOD, round(GOOD_PART * num_points))


def _slope(cloud: Cloud, hyperparameter: str, decades: NDArray[np.float64]) -> dict[str, object]:
    rate, other = cloud.hyperparameters.index(RATE), cloud.hyperparameters.index(hyperparameter)
    rates, others = cloud.points[:, rate] * decades[rate], cloud.points[:, other] * decades[other]
    slope = slope_of_best(rates, others, cloud.means)
    if slope is None:
        return {"reason": f"{hyperparameter} is the same in all good points of {cloud.optimizer}."}
    places = draw_points(cloud.optimizer, cloud.num_points)
    means = drawn_means(cloud.errors, draw_seeds(cloud.num_seeds), places)
    drawn = [slope_of_best(rates[place], others[place], mean) for place, mean in zip(places, means, strict=True)]
    interval = student_interval(
        slope, np.array([draw for draw in drawn if draw is not None]), cloud.num_points, (-math.inf, math.inf)
    )
    assert interval is not None, "there are many points"
    return {"slope": slope, "low": interval.low, "high": interval.high, "num_good": num_good(cloud.num_points)}
