"""The sign-flip test at several looks at growing data: how much error each look may spend, and the interval left.

Of the error a of a claim the looks at up to n of at most n_max pairs spend a sqrt(n / n_max) together (Lan & DeMets,
1983, Biometrika 70, 659-663; Kim & DeMets, 1987, with exponent one half). How large a sum of differences is too large
at a look is counted over choices of signs, those left out that were too large at an earlier look: under the null
hypothesis the signs that were observed are one choice among equals, so that nothing has to be normal. What a look has
rejected stays rejected.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from analysis.statistics.intervals import Interval, _checked
from analysis.statistics.paired import LARGEST_EXACT, TIE

NUM_PATHS = 2**15
"""Random choices of signs behind every look but a first one at few pairs, of which all choices are computed."""

STEPS = 24
"""Halvings of a range in which an end is looked for: one part in 16 million of it is left."""

WITHIN = 2e-7
"""Part of that range by which an end may be off."""

LEAST_LOG_ERROR = -60.0
"""Where no number of paths that can be counted rejects anything."""

Array = NDArray[np.float64]


def spent_share(num_pairs: int, most_pairs: int) -> float:
    """Share of the error that all looks at up to so many pairs spend together, sqrt(n / n_max) and at most 1.

    Raises:
        ValueError: There is no pair.
    """
    if num_pairs < 1 or most_pairs < 1:
        raise ValueError(f"pairs must be at least 1, got {num_pairs} of at most {most_pairs}.")
    return min(1.0, math.sqrt(num_pairs / most_pairs))


def sequential_interval(differences: ArrayLike, looks: Sequence[int], most_pairs: int, error: float) -> Interval:
    """All means that no look has rejected so far, at level 1 - error over all looks that there will ever be.

    It lies within that of the looks before. Should the looks contradict one another, so that no mean is left, the last
    interval that held one stays.

    Args:
        differences: In the order in which they came, shape (num_pairs,), finite.
        looks: Number of pairs at each look, increasing up to now.
        most_pairs: Pairs at the last look that there may be.
        error: Probability that the interval of any look misses the mean.

    Raises:
        ValueError: A difference is not finite, the looks do not fit them, or `error` is no probability.
    """
    values = _looked_at(differences, looks)
    if not 0 < error < 1:
        raise ValueError(f"error must lie between 0 and 1, got {error}; 0.05 is usual.")
    found = Interval(-math.inf, math.inf)
    for number in range(1, len(looks) + 1):
        narrowed = _narrowed(found, values[: looks[number - 1]], looks[:number], most_pairs, error)
        if narrowed.low > narrowed.high:
            break
        found = narrowed
    return found


def sequential_p(differences: ArrayLike, looks: Sequence[int], most_pairs: int) -> float:
    """Smallest error at which a look up to now rejects a mean of 0: a p-value that knows of all looks.

    Args:
        differences: As of `sequential_interval`.
        looks: The same.
        most_pairs: The same.

    Raises:
        ValueError: As of `sequential_interval`.
    """
    values = _looked_at(differences, looks)

    def smallest(looks: Sequence[int]) -> float:
        def rejects(log_error: float) -> bool:
            return any(rejections(values[: looks[-1]], looks, most_pairs, math.exp(log_error)))

        return math.exp(_border(rejects, -1e-9, LEAST_LOG_ERROR)) if rejects(-1e-9) else 1.0

    return min(smallest(looks[:number]) for number in range(1, len(looks) + 1))


@lru_cache
def nominal_errors(looks: tuple[int, ...], most_pairs: int, error: float) -> tuple[float, ...]:
    """Two-sided error of each look taken by itself, for normal differences: what half-widths there are made of.

    Args:
        looks: Number of pairs at each look, increasing.
        most_pairs: Pairs at the last look that there may be.
        error: Of all looks together.
    """
    steps = np.diff(looks, prepend=0)
    random = np.random.default_rng(0).normal(size=(len(looks), 4 * NUM_PATHS))
    sums = np.abs(np.cumsum(random * np.sqrt(steps)[:, np.newaxis], axis=0))
    borders = _borders(sums, looks, most_pairs, error)
    # A look to which so little is left that no path is beyond spends at most what is left.
    rest = np.diff([spent_share(look, most_pairs) * error for look in looks], prepend=0)
    found = [2 * float(ndtr(-border / math.sqrt(look))) for border, look in zip(borders, looks, strict=True)]
    return tuple(max(one, float(left)) for one, left in zip(found, rest, strict=True))


def _looked_at(differences: ArrayLike, looks: Sequence[int]) -> Array:
    values = _checked(differences)
    if not looks or list(looks) != sorted(set(looks)) or not 1 <= looks[0] <= looks[-1] <= len(values):
        raise ValueError(f"looks must increase from 1 to at most {len(values)} pairs, got {list(looks)}.")
    return values[: looks[-1]]


def _narrowed(before: Interval, values: Array, looks: Sequence[int], most_pairs: int, error: float) -> Interval:
    """The interval of the look before without the means that this look rejects at its ends."""
    low, high = float(values.min()), float(values.max())
    beyond = max(high - low, abs(low), abs(high)) * WITHIN + 1e-300

    def is_too_low(mean: float) -> bool:
        return 1 in rejections(values - mean, looks, most_pairs, error)

    def is_too_high(mean: float) -> bool:
        return -1 in rejections(values - mean, looks, most_pairs, error)

    # A little inwards: what the look before has left may be unchanged, or the range of the differences begin here.
    least, most = max(before.low, low - 2 * beyond) + beyond, min(before.high, high + 2 * beyond) - beyond
    narrows_low, narrows_high = least < high and is_too_low(least), most > low and is_too_high(most)
    return Interval(
        _border(is_too_low, least, high) if narrows_low else before.low,
        _border(is_too_high, most, low) if narrows_high else before.high,
    )


def _border(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where a condition that holds inside and not outside ends, a little on the inner side."""
    for _ in range(STEPS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return inside


def rejections(values: Array, looks: Sequence[int], most_pairs: int, error: float) -> list[int]:
    """By look: 1 if it rejects a mean of 0 for a larger one, -1 for a smaller one, 0 if it does not."""
    weights = np.abs(values)
    signs = np.where(values < 0, -1.0, 1.0)
    blocks = list(zip([0, *looks[:-1]], looks, strict=True))
    observed = np.cumsum([float(values[start:end].sum()) for start, end in blocks])
    first = looks[0] <= LARGEST_EXACT
    paths = _random_signs(looks[-1]) if len(looks) > 1 or not first else np.zeros((looks[-1], 0))
    # The signs that were observed are one path of the set.
    sums = np.cumsum([weights[a:b] @ np.column_stack([signs[a:b], paths[a:b]]) for a, b in blocks], axis=0)
    tie = TIE * float(weights.sum())
    all_sums = _all_sums(weights[: looks[0]]) if first else None
    borders = _borders(np.abs(sums), looks, most_pairs, error, tie, all_sums)
    return [int(np.sign(own)) if abs(own) > border else 0 for own, border in zip(observed, borders, strict=True)]


def _borders(
    sums: Array, looks: Sequence[int], most_pairs: int, error: float, tie: float = 0.0, first: Array | None = None
) -> list[float]:
    """By look: the sum, without its sign, beyond which no more than its share of all paths lies.

    Args:
        sums: Without their signs, of each path at each look, shape (num_looks, num_paths).
        looks: Number of pairs at each look.
        most_pairs: Pairs at the last look.
        error: Of all looks together.
        tie: Sums that differ by less are equal.
        first: All sums that there are at the first look, in the place of those of random paths.
    """
    borders: list[float] = []
    is_left = np.ones(sums.shape[1], dtype=bool)
    for place, look in enumerate(looks):
        share = spent_share(look, most_pairs) * error
        if place == 0 and first is not None:
            border = _nth_largest(first, share * len(first)) + tie
        else:
            border = _nth_largest(sums[place][is_left], share * len(is_left) - float((~is_left).sum())) + tie
        borders.append(border)
        is_left &= sums[place] <= border
    return borders


def _nth_largest(values: Array, num_beyond: float) -> float:
    """The value that so many others, rounded down, are larger than, if no two are equal."""
    # 1e-9 more: 0.05 / 2 * 2^n may fall short of a whole number by rounding.
    number = max(0, math.floor(num_beyond + 1e-9))
    if number >= len(values):
        return -1.0
    place = len(values) - 1 - number
    return float(np.partition(values, place)[place])


def _all_sums(weights: Array) -> Array:
    """Sums over all choices of signs, without the sign of the sum, each pair of opposite choices once."""
    sums = weights[:1]
    for weight in weights[1:]:
        sums = np.concatenate([sums + weight, sums - weight])
    return np.abs(sums)


@lru_cache(maxsize=4)
def _random_signs(num_pairs: int) -> Array:
    """Random choices of signs, shape (num_pairs, NUM_PATHS); those of fewer pairs begin those of more."""
    columns = [np.random.default_rng([0, pair]).integers(0, 2, size=NUM_PATHS) for pair in range(num_pairs)]
    return 2.0 * np.array(columns, dtype=np.float64) - 1.0
