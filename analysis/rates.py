"""Shares of replicates with Wilson's interval."""

import math
from collections.abc import Sequence

import polars as pl
from scipy.special import ndtri

from analysis.inference import Interval
from analysis.intervals import LEVEL


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
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"successes must lie between 0 and trials, trials be at least 1; got {successes} of {trials}.")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}; 0.95 is usual.")
    share, squared = successes / trials, float(ndtri((1 + level) / 2)) ** 2
    center = share + squared / (2 * trials)
    reach = math.sqrt(squared * (share * (1 - share) / trials + squared / (4 * trials**2)))
    scale = 1 + squared / trials
    # At the ends center and reach are equal but for rounding.
    low = 0.0 if successes == 0 else (center - reach) / scale
    high = 1.0 if successes == trials else (center + reach) / scale
    return Interval(low, high)


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
