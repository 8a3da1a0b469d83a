"""Intervals: Student of a mean, Wilson and Clopper-Pearson of a share, percentiles of draws."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit


@dataclass(frozen=True)
class Interval:
    """Ends of an interval; infinite where so few values allow none at the level asked for."""

    low: float
    high: float


def percentile_interval(draws: ArrayLike, level: float) -> Interval:
    """The middle part of bootstrap draws; infinite where they are too few to have a single one beyond each end.

    Args:
        draws: Shape (num_draws,), finite.
        level: Probability of coverage, between 0 and 1.

    Reference: B. Efron, Annals of Statistics 7 (1979) 1-26.
    """
    values = _checked(draws)
    if (1 - level) / 2 * len(values) < 1:
        return Interval(-math.inf, math.inf)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def _checked(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0 or not np.isfinite(array).all():
        raise ValueError(
            f"at least one value is needed and all must be finite, got {array.size} with "
            f"{int((~np.isfinite(array)).sum())} that are not; decide what a diverged run scores before comparing."
        )
    return array


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


def wilson_interval(successes: int, trials: int, level: float = LEVEL) -> Interval:
    """Interval of a probability from a count: all p whose normal test the count does not reject.

    Unlike the interval of a mean it is neither empty nor leaves [0, 1] when all or none succeed.

    Args:
        successes: From 0 to `trials`.
        trials: At least 1.
        level: Probability of coverage, between 0 and 1.

    Raises:
        ValueError: There is no trial, there are more successes than trials, or `level` is no probability.

    Reference: E. B. Wilson, JASA 22 (1927) 209-212.
    """
    return _share_interval(successes, trials, level, "wilson")


def clopper_pearson_interval(successes: int, trials: int, level: float = LEVEL) -> Interval:
    """Interval of a probability from a count: all p whose exact binomial test, one for each side, allows the count.

    It covers with probability `level` at least, also where all or none succeed, and is wider than Wilson's.

    Args:
        successes: From 0 to `trials`.
        trials: At least 1.
        level: Probability of coverage, between 0 and 1.

    Raises:
        ValueError: There is no trial, there are more successes than trials, or `level` is no probability.

    Reference: C. J. Clopper & E. S. Pearson, Biometrika 26 (1934) 404-413.
    """
    return _share_interval(successes, trials, level, "exact")


def _share_interval(successes: int, trials: int, level: float, method: Literal["wilson", "exact"]) -> Interval:
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"successes must lie between 0 and trials, trials be at least 1; got {successes} of {trials}.")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}; 0.95 is usual.")
    from scipy import stats  # takes two seconds

    found = stats.binomtest(successes, trials).proportion_ci(level, method=method)
    return Interval(float(found.low), float(found.high))


def with_wilson(counts: pl.DataFrame, successes: str, trials: str, names: Sequence[str]) -> pl.DataFrame:
    """The table with a share and the ends of its interval.

    Args:
        counts: One row per group.
        successes: Column of counts.
        trials: Column of what they are counts of; where it is 0 the share is null.
        names: Names of the new columns: share, low end, high end.
    """
    rows: list[tuple[float | None, float | None, float | None]] = []
    for success, trial in counts.select(successes, trials).iter_rows():
        found = wilson_interval(success, trial) if trial else None
        rows.append((success / trial, found.low, found.high) if found else (None, None, None))
    return counts.hstack(pl.DataFrame(rows, schema=dict.fromkeys(names, pl.Float64), orient="row"))
