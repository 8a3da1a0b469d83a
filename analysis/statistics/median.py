"""The interval of a median: two of the values in order, exact by the binomial law."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr

from analysis.statistics.intervals import Interval, _checked

ROUNDING = 1e-9
"""Relative: (1 - level) / 2 may fall short of a power of 1/2 by rounding."""


def median_interval(values: ArrayLike, level: float) -> Interval:
    r"""From the k-th smallest to the k-th largest value; infinite where so few values allow no k.

    A value lies below the median with probability 1/2 at most, so the k-th smallest exceeds it with probability
    P(Binomial(n, 1/2) <= k - 1) at most, and just so if no value is the median. k is the largest number for which that
    is (1 - level) / 2 or less. The interval is that of the sign test; nothing is drawn, and the order of the values
    does not matter.

    Where the values come from several distributions, as those of timing blocks whose order of turns is reversed from
    block to block, the median is that of their mixture, and the interval errs less often (Hoeffding, Annals of
    Mathematical Statistics 27 (1956) 713-721).

    Args:
        values: Independent, shape (num_values,), finite.
        level: Probability of coverage, between 0 and 1.

    Raises:
        ValueError: There is no value, one is not finite, or `level` is no probability.

    Reference: W. R. Thompson, Annals of Mathematical Statistics 7 (1936) 122-128.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}; 0.95 is usual.")
    ordered = np.sort(_checked(values))
    beyond = bdtr(np.arange((len(ordered) + 1) // 2), len(ordered), 0.5)
    k = int((beyond <= (1 - level) / 2 * (1 + ROUNDING)).sum())
    if k == 0:
        return Interval(-math.inf, math.inf)
    return Interval(float(ordered[k - 1]), float(ordered[-k]))
