"""Student's t interval of a mean, alone and by groups; differences of paired runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

LEVEL = 0.95
DIGITS = 12
"""Decimal places, and significant digits, of a mean.

A sum over threads differs in its last bits from machine to machine; rounded, equal rows give equal tables. `study`
chooses winners by means with as many decimal places.
"""


@dataclass(frozen=True)
class Estimate:
    """A mean of `num_values` values and its interval; one value has no interval."""

    mean: float
    low: float | None
    high: float | None
    num_values: int


def half_width(standard_deviation: ArrayLike, num_values: ArrayLike, level: float = LEVEL) -> NDArray[np.float64]:
    r"""Half the width of the interval of a mean, t_{n-1, (1 + level) / 2} s / sqrt(n).

    Covers the true mean with probability `level` if the values are independent and normal. Values that are
    a mixture (some replicates diverged) are not: then the share that diverged says more than the mean.

    Args:
        standard_deviation: Sample standard deviation s, with n - 1 in the denominator.
        num_values: Number n of values, at least 2.
        level: Probability of coverage, between 0 and 1.

    Raises:
        ValueError: `level` is no probability, or a mean of fewer than 2 values is asked for.
    """
    count = np.asarray(num_values, dtype=np.float64)
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}; 0.95 is usual.")
    if (count < 2).any():
        raise ValueError(f"an interval needs at least 2 values, got {int(count.min())}; run more seeds.")
    return np.asarray(stdtrit(count - 1, (1 + level) / 2) * np.asarray(standard_deviation) / np.sqrt(count))


def mean_interval(values: Sequence[float], level: float = LEVEL) -> Estimate:
    """Mean and interval of independent values.

    Raises:
        ValueError: There are fewer than 2 values, or one is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError(
            f"values holds {int((~np.isfinite(array)).sum())} non-finite of {array.size}; "
            "decide what a diverged replicate scores before averaging."
        )
    if array.size < 2:
        raise ValueError(f"an interval needs at least 2 values, got {array.size}; run more seeds.")
    width = float(half_width(array.std(ddof=1), array.size, level))
    mean = float(array.mean())
    return Estimate(mean, mean - width, mean + width, array.size)


def paired_differences(ours: Mapping[int, float], theirs: Mapping[int, float]) -> list[float]:
    """Ours - theirs for each replicate that both sides have; one seed made both runs of a pair alike."""
    return [ours[replicate] - theirs[replicate] for replicate in sorted(set(ours) & set(theirs))]


def estimate(values: Sequence[float]) -> Estimate | None:
    """`mean_interval`, with one value as a mean without interval and none as None."""
    match len(values):
        case 0:
            return None
        case 1:
            return Estimate(float(values[0]), None, None, 1)
        case _:
            return mean_interval(values)


def summarise(rows: pl.DataFrame, by: Sequence[str], value: str) -> pl.DataFrame:
    """Mean and interval of a column within groups.

    Nulls are not averaged; `num_values` says how many of `num_rows` are in the mean.

    Returns:
        Columns `by`, `mean`, `low`, `high` (null below 2 values), `num_values`, `num_rows`; sorted by `by`. Mean and
        ends are rounded to 12 decimal places, numbers from 1 on to 12 significant digits.
    """
    groups = rows.group_by(by).agg(
        pl.col(value).mean().alias("mean"),
        pl.col(value).std(ddof=1).alias("spread"),
        pl.col(value).count().cast(pl.Int64).alias("num_values"),
        pl.len().cast(pl.Int64).alias("num_rows"),
    )
    has_interval = (groups["num_values"] >= 2).to_numpy()
    widths = np.full(groups.height, np.nan)
    widths[has_interval] = half_width(
        groups["spread"].to_numpy()[has_interval], groups["num_values"].to_numpy()[has_interval]
    )
    width = pl.Series("width", widths).fill_nan(None)
    return (
        groups.with_columns(low=pl.col("mean") - width, high=pl.col("mean") + width)
        .select(*by, pl.col("mean", "low", "high").round(DIGITS).round_sig_figs(DIGITS), "num_values", "num_rows")
        .sort(by)
    )
