"""Independent random points, even in each hyperparameter's scale, after the published setting."""

import numpy as np

from study.search import PointRequest, Proposal, SearchAlgorithm, published
from trainables.randomness import derive_seed


def propose(request: PointRequest) -> Proposal:
    """The published setting first, then one point from a stream of its own."""
    if request.number == 0:
        return published(request)
    generator = np.random.default_rng(derive_seed(request.seed, f"random/{request.number}"))
    axes = sorted(request.space.items())
    point = {
        name: axis.at(float(fraction)) for (name, axis), fraction in zip(axes, generator.random(len(axes)), strict=True)
    }
    return Proposal(point, "explore", "random")


SEARCH = SearchAlgorithm(propose=propose)
