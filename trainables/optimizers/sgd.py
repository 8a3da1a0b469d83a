"""Stochastic gradient descent, theta <- theta - eta g."""

from collections.abc import Sequence

import torch

from trainables.spec import Hyperparameter, OptimizerSpec


def build(
    parameters: Sequence[torch.Tensor], *, generators: Sequence[torch.Generator], learning_rate: float
) -> torch.optim.Optimizer:
    """SGD without momentum; `generators` is unused, the update is deterministic."""
    del generators
    return torch.optim.SGD(parameters, lr=learning_rate)


SPEC = OptimizerSpec(
    build=build,
    equation="θ ← θ − η g",
    space={"learning_rate": Hyperparameter(low=1e-4, high=1.0, scale="log")},
    published={"learning_rate": 0.01},
    reference="Robbins & Monro (1951), https://doi.org/10.1214/aoms/1177729586; setting of the article's baseline",
)
