"""Paired comparison: exact sign-flip test, the interval that belongs to it, effect sizes, Holm's adjustment.

Everything here rests on one assumption: under the null hypothesis the paired differences are symmetric about zero.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.intervals import Interval, _checked

LARGEST_EXACT = 20
"""Pairs up to which all 2^n flips are computed."""

NUM_FLIPS = 100_000
"""Random flips where there are too many to compute."""

TIE = 1e-12
"""Sums that differ by less, relative to the sum of magnitudes, are equal: rounding must not break ties."""


def sign_flip_p(differences: ArrayLike, *, seed: int = 0) -> float:
    r"""Two-sided p-value of the sign-flip test on the mean.

    The share of all 2^n choices of signs whose mean is at least as far from 0 as the mean observed (Fisher, 1935,
    The Design of Experiments, section 21). Beyond 20 pairs 100,000 random choices stand for all, and the choice
    observed is counted among them, so that p is never 0 (Phipson & Smyth, 2010).

    Args:
        differences: Shape (num_pairs,), finite.
        seed: Seed of the random choices.

    Raises:
        ValueError: There is no pair, or a difference is not finite.
    """
    values = _checked(differences)
    # Flipping the set S changes the sum by -2 times the sum over S.
    sums = values.sum() - 2 * _subset_sums(values, seed)
    is_as_far = np.abs(sums) >= abs(values.sum()) - TIE * np.abs(values).sum()
    if len(values) <= LARGEST_EXACT:
        return float(is_as_far.mean())
    return float((is_as_far.sum() + 1) / (len(sums) + 1))


def sign_flip_interval(differences: ArrayLike, level: float, *, seed: int = 0) -> Interval:
    r"""All means that the sign-flip test does not reject: the exact interval of Hartigan (1969).

    The means of the 2^n - 1 subsets of the differences, in order, cut the line into 2^n pieces, each of which holds
    the centre of symmetry with probability 2^-n. The interval leaves out floor(2^n (1 - level) / 2) pieces at each
    end; where that is none, it is infinite: n pairs allow no level above 1 - 2^(1 - n).

    Args:
        differences: Shape (num_pairs,), finite.
        level: Probability of coverage, between 0 and 1.
        seed: Seed of the random subsets that stand for all beyond 20 pairs.

    Raises:
        ValueError: There is no pair, a difference is not finite, or `level` is no probability.

    Reference: J. A. Hartigan, Using subsample values as typical values, JASA 64 (1969) 1303-1317.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}; 0.95 is usual.")
    values = _checked(differences)
    means = np.sort(_subset_means(values, seed))
    # 1e-9 more: 0.05 / 2 * 2^n may fall short of a whole number by rounding.
    outside = math.floor((1 - level) / 2 * (len(means) + 1) + 1e-9)
    if outside == 0:
        return Interval(-math.inf, math.inf)
    return Interval(float(means[outside - 1]), float(means[-outside]))


def hodges_lehmann(differences: ArrayLike) -> float:
    """Median of the means of all pairs of differences, each with itself too: a centre that outliers hardly move.

    Raises:
        ValueError: There is no difference, or one is not finite.

    Reference: Hodges & Lehmann, Annals of Mathematical Statistics 34 (1963) 598-611.
    """
    values = _checked(differences)
    one, other = np.triu_indices(len(values))
    return float(np.median((values[one] + values[other]) / 2))


def superiority(differences: ArrayLike) -> float:
    """Share of the pairs with a positive difference, those with none counted half: P(d > 0) + P(d = 0) / 2.

    The probability of superiority of dependent groups. What both sides of a pair have in common drops out, so it may be
    1 where the values of the two sides lie among each other.

    Raises:
        ValueError: There is no difference, or one is not finite.

    Reference: R. J. Grissom & J. J. Kim, Effect Sizes for Research (2005), chapter 5.
    """
    values = _checked(differences)
    return float(np.mean((values > 0) + 0.5 * (values == 0)))


def standardised_mean(differences: ArrayLike) -> float | None:
    """Mean over standard deviation of the differences, Cohen's d_z; None if they do not vary or there is only one."""
    values = _checked(differences)
    spread = values.std(ddof=1) if len(values) > 1 else 0.0
    return float(values.mean() / spread) if spread > 0 else None


def holm(p_values: Sequence[float], num_claims: int | None = None) -> list[float]:
    """P-values adjusted for the number of claims, in the order given.

    Args:
        p_values: One per claim that has been tested.
        num_claims: Claims of the family, no fewer; those without a p-value count as if it were 1. As many as there are
            p-values if None.

    Reference: S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.
    """
    order = np.argsort(p_values, kind="stable")
    factors = (len(p_values) if num_claims is None else num_claims) - np.arange(len(p_values))
    adjusted = np.minimum(np.maximum.accumulate(np.asarray(p_values, dtype=np.float64)[order] * factors), 1)
    result = np.empty(len(p_values))
    result[order] = adjusted
    return [float(value) for value in result]


def fewest_pairs(level: float) -> int:
    """Pairs from which on the sign-flip interval of this level has ends: 1 + log2(1 / (1 - level)), rounded up."""
    return math.ceil(1 - math.log2(1 - level) - 1e-9)


def _subset_sums(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Sums over all subsets of up to 20 values, the empty one first; else over random ones."""
    if len(values) > LARGEST_EXACT:
        return _random_subsets(len(values), seed) @ values
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums, sums + value])
    return sums


def _subset_means(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Means over all subsets but the empty one; else over random ones."""
    if len(values) > LARGEST_EXACT:
        subsets = _random_subsets(len(values), seed)
        sizes = subsets.sum(axis=1)
        return np.asarray((subsets @ values)[sizes > 0] / sizes[sizes > 0])
    sizes = np.zeros(1)
    for _ in values:
        sizes = np.concatenate([sizes, sizes + 1])
    return np.asarray(_subset_sums(values, seed)[1:] / sizes[1:])


def _random_subsets(num_values: int, seed: int) -> NDArray[np.float64]:
    """Each value is in or out with probability one half, shape (100,000, num_values)."""
    return np.random.default_rng(seed).integers(0, 2, size=(NUM_FLIPS, num_values)).astype(np.float64)
