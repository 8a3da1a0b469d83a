"""Heavy-ball momentum, v <- mu v + g, theta <- theta - eta v."""

from collections.abc import Sequence

import torch

from trainables.spec import Hyperparameter, OptimizerSpec


def build(
    parameters: Sequence[torch.Tensor],
    *,
    generators: Sequence[torch.Generator],
    learning_rate: float,
    momentum: float,
) -> torch.optim.Optimizer:
    """SGD with heavy-ball momentum; `generators` is unused, the update is deterministic.

    The velocity is torch's: it sums gradients, not steps, so eta multiplies it afresh at every step.
    """
    del generators
    # One pass over the parameters instead of several; the update is the same.
    return torch.optim.SGD(parameters, lr=learning_rate, momentum=momentum, fused=True)


SPEC = OptimizerSpec(
    build=build,
    equation="v ← μ v + g;  θ ← θ − η v",
    space={
        "learning_rate": Hyperparameter(low=1e-5, high=0.3, scale="log"),
        "momentum": Hyperparameter(low=0.0, high=0.99, scale="log_complement"),
    },
    published={"learning_rate": 0.01, "momentum": 0.9},
    reference="Polyak (1964), https://doi.org/10.1016/0041-5553(64)90137-5; setting of the article's baseline",
    reduces_to={"sgd": {"momentum": 0.0}},
)
