"""The curves over one hyperparameter at a time as tables: every run, and means over seeds."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.statistics.intervals import estimate
from analysis.tables.sensitivity.one_at_a_time import Curves, OneAtATime, drawn

Row = dict[str, object]

_KEY = {"optimizer": pl.String, "hyperparameter": pl.String, "step": pl.Float64, "value": pl.Float64}


def curve_runs(curves: Curves) -> pl.DataFrame:
    """Every run of the curves.

    Returns:
        Columns `optimizer`, `hyperparameter`, `step`, `value`, `replicate`, `validation_error`, `has_diverged`.
    """
    rows = [
        {
            **_key(curve, place),
            "replicate": seed,
            "validation_error": float(curve.errors[place, seed]),
            "has_diverged": bool(curve.lost[place, seed]),
        }
        for curve in drawn(curves)
        for place, seed in np.ndindex(curve.errors.shape)
    ]
    own = {"replicate": pl.Int64, "validation_error": pl.Float64, "has_diverged": pl.Boolean}
    return pl.DataFrame(rows, schema={**_KEY, **own})


def curve_means(curves: Curves) -> pl.DataFrame:
    """Means over seeds at every step of the curves, with Student's intervals.

    Returns:
        Columns `optimizer`, `hyperparameter`, `step`, `value`, `num_seeds`, `num_diverged` of them, `validation_error`
        with `low`, `high`, and the `excess` over the winner at the same seeds with `excess_low`, `excess_high`.
    """
    rows = []
    for curve in drawn(curves):
        winner = curve.errors[curve.steps == 0][0]
        for place, errors in enumerate(curve.errors):
            counts = {"num_seeds": len(errors), "num_diverged": int(curve.lost[place].sum())}
            excess = {} if curve.steps[place] == 0 else ends("excess", errors - winner)
            found = ends("validation_error", errors, names=("low", "high"))
            rows.append({**_key(curve, place), **counts, **found, **excess})
    numbers = ("validation_error", "low", "high", "excess", "excess_low", "excess_high")
    integers = {"num_seeds": pl.Int64, "num_diverged": pl.Int64}
    return pl.DataFrame(rows, schema={**_KEY, **integers, **dict.fromkeys(numbers, pl.Float64)})


def ends(name: str, values: NDArray[np.float64], names: tuple[str, str] | None = None) -> Row:
    """Mean and Student's interval of values under a column's name."""
    found = estimate(values.tolist())
    low, high = names or (f"{name}_low", f"{name}_high")
    return {name: found.mean, low: found.low, high: found.high} if found else {}


def _key(curve: OneAtATime, place: int) -> Row:
    return {
        "optimizer": curve.optimizer,
        "hyperparameter": curve.hyperparameter,
        "step": float(curve.steps[place]),
        "value": float(curve.values[place]),
    }
