"""Adam: steps along the running mean of gradients, divided by the root of their running mean square."""

from collections.abc import Sequence

import torch

from trainables.spec import Hyperparameter, OptimizerSpec


def build(
    parameters: Sequence[torch.Tensor],
    *,
    generators: Sequence[torch.Generator],
    learning_rate: float,
    beta1: float,
    beta2: float,
) -> torch.optim.Optimizer:
    """Adam with torch's epsilon of 1e-8; `generators` is unused, the update is deterministic."""
    del generators
    # One pass over the parameters instead of a dozen; the update is the same.
    return torch.optim.Adam(parameters, lr=learning_rate, betas=(beta1, beta2), fused=True)


SPEC = OptimizerSpec(
    build=build,
    equation="m ← β₁ m + (1−β₁) g;  v ← β₂ v + (1−β₂) g²;  θ ← θ − η m̂ / (√v̂ + ε)",
    space={
        "learning_rate": Hyperparameter(low=1e-5, high=0.1, scale="log"),
        "beta1": Hyperparameter(low=0.0, high=0.99, scale="log_complement"),
        "beta2": Hyperparameter(low=0.9, high=0.9999, scale="log_complement"),
    },
    published={"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999},
    reference="Kingma & Ba (2015), https://arxiv.org/abs/1412.6980",
)
