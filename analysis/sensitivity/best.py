"""The error of the best point of all optimizers, without the luck of having been chosen.

The lowest of many noisy means is too low: of 64 equal points whose means have a standard error of .01 by .02, which is
a whole epsilon. So the best point is chosen by all seeds but one and judged by that one, in turn.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def best_error(
    errors: Sequence[NDArray[np.float64]], seeds: NDArray[np.float64], points: Sequence[NDArray[np.int64]]
) -> NDArray[np.float64]:
    """Error of the best of all points in each draw, each seed judging the choice of the others.

    A draw that holds one seed alone has no other: there the lowest error itself is returned.

    Args:
        errors: Of each optimizer, shape (num_points, num_seeds).
        seeds: Weights of the seeds in each draw, shape (num_draws, num_seeds), each row sums to 1.
        points: Places of the points of each optimizer in each draw, shape (num_draws, num_points).

    Returns:
        Shape (num_draws,).
    """
    found = np.zeros(len(seeds))
    for seed, weight in enumerate(seeds.T):
        is_alone = weight > 1 - 1e-9
        others = seeds.copy()
        others[~is_alone, seed] = 0
        lowest, judged = np.full(len(seeds), np.inf), np.zeros(len(seeds))
        for own, places in zip(errors, points, strict=True):
            means = np.take_along_axis(others @ own.T / others.sum(axis=1, keepdims=True), places, axis=1)
            best = means.argmin(axis=1)[:, None]
            mean = np.take_along_axis(means, best, axis=1)[:, 0]
            is_lower = mean < lowest
            lowest = np.where(is_lower, mean, lowest)
            judged = np.where(is_lower, own[np.take_along_axis(places, best, axis=1)[:, 0], seed], judged)
        found += weight * judged
    return np.round(found, 12)
