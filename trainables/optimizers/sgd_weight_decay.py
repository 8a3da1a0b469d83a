"""Stochastic gradient descent with weight decay, theta <- theta - eta (g + lambda theta).

The remedy against overfitting that any other should be compared with. Torch's form, which adds lambda theta to the
gradient: for plain gradient descent that is the penalty (lambda / 2) |theta|^2 on the loss and, with eta lambda as its
coefficient, also the decoupled decay of Loshchilov & Hutter (2019, proposition 1).
"""

from collections.abc import Sequence

import torch

from trainables.spec import Hyperparameter, OptimizerSpec


def build(
    parameters: Sequence[torch.Tensor],
    *,
    generators: Sequence[torch.Generator],
    learning_rate: float,
    weight_decay: float,
) -> torch.optim.Optimizer:
    """SGD that shrinks all parameters, biases too, by 1 - eta lambda in every step; `generators` is unused."""
    del generators
    # One pass over the parameters instead of several; the update is the same.
    return torch.optim.SGD(parameters, lr=learning_rate, weight_decay=weight_decay, fused=True)


SPEC = OptimizerSpec(
    build=build,
    equation="θ ← θ − η (g + λ θ)",
    space={
        "learning_rate": Hyperparameter(low=1e-4, high=1.0, scale="log"),
        "weight_decay": Hyperparameter(low=1e-5, high=1.0, scale="log"),
    },
    published={"learning_rate": 0.01, "weight_decay": 5e-4},
    reference="Krogh & Hertz (1991), https://mlanthology.org/neurips/1991/krogh1991neurips-simple/; setting of "
    "Krizhevsky et al. (2012), without their momentum",
    reduces_to={"sgd": {"weight_decay": 0.0}},
)
