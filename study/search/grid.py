"""Exactly the points that the user lists: every combination of the given values, and no other."""

import math
from collections.abc import Mapping, Sequence
from itertools import islice, product

from study.search import PointRequest, Proposal, SearchAlgorithm


def num_points(values: Mapping[str, Sequence[float]]) -> int:
    """Number of combinations."""
    return math.prod(len(axis) for axis in values.values())


def propose(request: PointRequest) -> Proposal:
    """Combination `number`; the last hyperparameter varies fastest."""
    combination = next(islice(product(*request.values.values()), request.number, None))
    return Proposal(dict(zip(request.values, combination, strict=True)), "grid", "grid")


SEARCH = SearchAlgorithm(propose=propose, num_points=num_points)
