"""Geometry of a response curve: means over a range, the basin around the optimum, headroom to divergence.

A curve is piecewise linear in the decimal logarithm of the learning rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.tables.sensitivity.good_volume import ROUNDING
from analysis.tables.sensitivity.points import pooled_seed_deviation
from analysis.tables.sensitivity.sweep import Sweep

OWN_DECADES = 1.5
"""Half the width of the range around each optimizer's own optimum."""

SEED_DEVIATIONS = 2
"""A basin is at least so many seed standard deviations deep: below, its ends are noise."""

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class Basin:
    """Connected set of learning rates around the best one in which no error is above a given one.

    Args:
        width: In decades.
        is_censored_below: The sweep ends before the error leaves the set at small rates; the width is a lower bound.
        is_censored_above: The same at large rates.
    """

    width: float
    is_censored_below: bool
    is_censored_above: bool


@dataclass(frozen=True)
class Headroom:
    """Decades from the best learning rate to the smallest larger one at which half the replicates are lost.

    Args:
        decades: Up to that rate; up to the end of the sweep if censored.
        is_censored: No swept rate loses so many; the headroom is a lower bound.
    """

    decades: float
    is_censored: bool


def mean_weights(decades: Curve, low: float, high: float) -> Curve:
    """Weights with which values at the rates give the mean of the line through them from `low` to `high`.

    Args:
        decades: log10 of the rates in increasing order, shape (num_rates,).
        low: Where the mean starts, not before the first rate.
        high: Where it ends, not behind the last rate.

    Returns:
        Shape (num_rates,), sums to 1.
    """
    knots = np.concatenate([[low], decades[(decades > low) & (decades < high)], [high]])
    hats = np.stack([np.interp(knots, decades, hat) for hat in np.eye(len(decades))])
    return np.asarray(np.trapezoid(hats, knots, axis=1) / (high - low))


def own_weights(decades: Curve, place: int) -> tuple[Curve, float]:
    """Weights of the mean within 1.5 decades of the rate at `place`, and the decades of it that the rates cover."""
    low = max(decades[place] - OWN_DECADES, decades[0])
    high = min(decades[place] + OWN_DECADES, decades[-1])
    return mean_weights(decades, low, high), float(high - low)


def basin(decades: Curve, means: Curve, highest: float) -> Basin:
    """Connected set around the lowest mean in which the line through the means is at most `highest`.

    Width 0 without censoring if the lowest mean itself is above it.

    Args:
        decades: log10 of the rates in increasing order, shape (num_rates,).
        means: Mean errors, shape (num_rates,).
        highest: Error up to which the set reaches.
    """
    place, outside = int(np.argmin(means)), means > highest + ROUNDING
    if outside[place]:
        return Basin(0.0, False, False)
    above, below = np.flatnonzero(outside[place:]), np.flatnonzero(outside[: place + 1])
    high, low = decades[-1], decades[0]
    if len(above):
        first = place + int(above[0])
        high = _crossing(decades[first - 1 : first + 1], means[first - 1 : first + 1], highest)
    if len(below):
        last = int(below[-1])
        low = _crossing(decades[last : last + 2], means[last : last + 2], highest)
    return Basin(float(high - low), len(below) == 0, len(above) == 0)


def headroom(decades: Curve, place: int, shares: Curve) -> Headroom:
    """Decades between the best rate and the smallest larger one at which at least half the replicates are lost.

    Args:
        decades: log10 of the rates in increasing order, shape (num_rates,).
        place: Where the best rate stands.
        shares: Share of the replicates lost at each rate, shape (num_rates,).
    """
    lost = np.flatnonzero(shares[place + 1 :] >= 0.5 - ROUNDING)
    end = place + 1 + int(lost[0]) if len(lost) else len(decades) - 1
    return Headroom(float(decades[end] - decades[place]), len(lost) == 0)


def common_range(held: Sequence[Sweep]) -> tuple[float, float] | None:
    """Ends of the range that all sweeps cover, as log10 of the learning rate; None if there is none."""
    if not held:
        return None
    low, high = max(sweep.decades[0] for sweep in held), min(sweep.decades[-1] for sweep in held)
    return (float(low), float(high)) if low < high - ROUNDING else None


def depth(held: Sequence[Sweep], eps: float) -> float:
    """`eps`, or twice the seed standard deviation pooled over all sweeps if that is more."""
    pooled = [pooled_seed_deviation(sweep.errors) for sweep in held]
    variances = [deviation**2 for deviation in pooled if deviation is not None]
    return max(eps, SEED_DEVIATIONS * float(np.mean(variances)) ** 0.5) if variances else eps


def _crossing(decades: Curve, means: Curve, error: float) -> float:
    """Where the line through two points meets an error; clipped, since a mean may be above it by rounding alone."""
    part = (error - means[0]) / (means[1] - means[0])
    return float(decades[0] + np.clip(part, 0, 1) * (decades[1] - decades[0]))
