"""Independent random points, even in each hyperparameter's scale, after the published setting."""

import numpy as np

from study.search import Proposal, Question, SearchAlgorithm, published
from trainables.randomness import derive_seed


def propose(question: Question) -> Proposal:
    """The published setting first, then one point from a stream of its own."""
    if question.number == 0:
        return published(question)
    generator = np.random.default_rng(derive_seed(question.seed, f"random/{question.number}"))
    axes = sorted(question.space.items())
    point = {
        name: axis.at(float(fraction)) for (name, axis), fraction in zip(axes, generator.random(len(axes)), strict=True)
    }
    return Proposal(point, "explore", "random")


SEARCH = SearchAlgorithm(propose=propose)
