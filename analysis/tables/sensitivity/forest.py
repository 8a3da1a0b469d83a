"""A regression forest on the unit cube as what it is: boxes with values, whose marginals are exact sums."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_LEAVES = 128
"""Leaves of a tree at most: the sums take the square of their number, and this many follow any smooth response."""

CHUNK = 2**22
"""Pairs of leaves held at once."""


@dataclass(frozen=True, kw_only=True)
class Forest:
    """The leaves of all trees together; the prediction at a point is the sum over the leaves that hold it.

    Args:
        low: Lower corners, shape (num_leaves, num_axes), in [0, 1].
        high: Upper corners, shape (num_leaves, num_axes).
        values: What each leaf adds, its tree's prediction over the number of trees, shape (num_leaves,).
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    values: NDArray[np.float64]


def grow(points: NDArray[np.float64], values: NDArray[np.float64], num_trees: int, seed: int) -> Forest:
    """A forest of trees, each on a resample of the points (bagging, Breiman, 1996).

    Up to `MOST_LEAVES` points trees are fully grown.

    Args:
        points: Shape (num_points, num_axes), in the unit cube.
        values: Shape (num_points,).
        num_trees: Number of trees.
        seed: Seed of the resamples.
    """
    # Importing scikit-learn takes seconds, which only this function needs.
    import sklearn
    from sklearn.tree import DecisionTreeRegressor

    random, ties = np.random.default_rng(seed), np.random.RandomState(seed)
    features = np.ascontiguousarray(points, dtype=np.float32)  # what scikit-learn's trees compute with
    lows, highs, leaves = [], [], []
    for _ in range(num_trees):
        chosen = random.integers(0, len(points), size=len(points))
        with sklearn.config_context(skip_parameter_validation=True):  # half the time of so small a tree
            fitted = DecisionTreeRegressor(random_state=ties, max_leaf_nodes=_most_leaves(points)).fit(
                features[chosen], values[chosen], check_input=False
            )
        tree = fitted.tree_
        low, high = _corners(tree.children_left, tree.children_right, tree.feature, tree.threshold, points.shape[1])
        is_leaf = tree.children_left < 0
        lows.append(low[is_leaf])
        highs.append(high[is_leaf])
        leaves.append(tree.value[is_leaf, 0, 0] / num_trees)
    return Forest(low=np.concatenate(lows), high=np.concatenate(highs), values=np.concatenate(leaves))


def _most_leaves(points: NDArray[np.float64]) -> int | None:
    """None, for a fully grown tree, where the points are too few to need a limit: growing with one takes longer."""
    return MOST_LEAVES if len(points) > MOST_LEAVES else None


def variances(forest: Forest, subsets: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], float]:
    r"""Variance over the unit cube of the prediction's conditional mean given the axes of each subset.

    E[f | u_S] is the sum over leaves of value times the volume on the axes outside S, where the leaf holds u_S. Its
    mean square is a sum over pairs of leaves, of both factors times the overlap of the leaves on the axes of S.

    Args:
        forest: The leaves.
        subsets: Axes of each subset, in increasing order.

    Returns:
        By subset, never below 0.
    """
    sides = forest.high - forest.low
    num_leaves, num_axes = sides.shape
    volumes = sides.prod(axis=1)
    # Each tree fills the cube, so the same step from every leaf centres the prediction: nothing is subtracted later.
    centred = forest.values - forest.values @ volumes / volumes.sum()
    factors = {subset: centred * np.delete(sides, subset, axis=1).prod(axis=1) for subset in subsets}
    squares = dict.fromkeys(subsets, 0.0)
    step = max(1, CHUNK // num_leaves)
    for start in range(0, num_leaves, step):
        rows = slice(start, start + step)
        overlaps = [
            _overlaps(forest.low[rows, axis], forest.high[rows, axis], forest.low[:, axis], forest.high[:, axis])
            for axis in range(num_axes)
        ]
        for subset, factor in factors.items():
            overlap = overlaps[subset[0]]
            for axis in subset[1:]:
                overlap = overlap * overlaps[axis]
            squares[subset] += float(factor[rows] @ (overlap @ factor))
    return {subset: max(0.0, square) for subset, square in squares.items()}


def _overlaps(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    others_low: NDArray[np.float64],
    others_high: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Lengths that intervals have in common, shape (num_intervals, num_others)."""
    lengths = np.minimum(high[:, None], others_high)
    lengths -= np.maximum(low[:, None], others_low)
    return np.maximum(lengths, 0, out=lengths)


def _corners(
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    feature: NDArray[np.int64],
    threshold: NDArray[np.float64],
    num_axes: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper corners of the box of every node of a tree, shape (num_nodes, num_axes)."""
    low, high = np.zeros((len(left), num_axes)), np.ones((len(left), num_axes))
    for node in np.flatnonzero(left >= 0):  # a parent stands before its children
        for child in (left[node], right[node]):
            low[child], high[child] = low[node], high[node]
        high[left[node], feature[node]] = threshold[node]
        low[right[node], feature[node]] = threshold[node]
    return low, high
