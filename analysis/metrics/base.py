"""What a metric is, and how it is applied to the rows of a ledger."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

RUN = ("optimizer", "phase", "number", "replicate")


@dataclass(frozen=True)
class Run:
    """One replicate: its row of `trials` and its rows of `epochs` in order."""

    trial: Mapping[str, Any]
    epochs: pl.DataFrame

    def curve(self, column: str) -> NDArray[np.float64]:
        """A column of `epochs`, shape (num_epochs,); NaN where the run has none."""
        return self.epochs[column].cast(pl.Float64).to_numpy()


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number of a run, with its meaning.

    Args:
        name: Name of the function.
        function: Computes the metric of a run that did not diverge.
        unit: Unit of the number.
        better: Which direction is an improvement.
        diverged: What a diverged replicate scores; None if it has no such number: it is counted beside the mean.
    """

    name: str
    function: Callable[[Run], float]
    unit: str
    better: Literal["higher", "lower"]
    diverged: float | None

    def __call__(self, run: Run) -> float | None:
        """The metric of one run; None for a diverged run without a declared score."""
        return self.diverged if run.trial["status"] == "diverged" else self.function(run)


def metric(
    *, unit: str, better: Literal["higher", "lower"], diverged: float | None
) -> Callable[[Callable[[Run], float]], Metric]:
    """Declare a function to be a metric."""

    def declare(function: Callable[[Run], float]) -> Metric:
        return Metric(name=function.__name__, function=function, unit=unit, better=better, diverged=diverged)

    return declare


def measure(metric: Metric, trials: pl.DataFrame, epochs: pl.DataFrame) -> pl.DataFrame:
    """A metric of every replicate that ended.

    Args:
        metric: What to measure.
        trials: Rows of `trials`; failed replicates are passed over, they have no outcome.
        epochs: Rows of `epochs`, sorted by epoch.

    Returns:
        The key, `status` and `value` (null where the run has none), in the order of `trials`.
    """
    ended = trials.filter(pl.col("status") != "failed")
    curves = epochs.join(ended, on=RUN, how="semi").partition_by(RUN, as_dict=True, include_key=False)
    nothing = epochs.clear().drop(RUN)
    values = [metric(Run(row, curves.get(tuple(row[name] for name in RUN), nothing))) for row in ended.to_dicts()]
    return ended.select(*RUN, "status").with_columns(value=pl.Series("value", values, dtype=pl.Float64).fill_nan(None))
