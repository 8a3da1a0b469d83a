"""The article's listing: gradient descent plus noise of variance D^2 in every step, whatever the step size."""

from collections.abc import Sequence

import torch

from trainables.noisy_descent import NoisyDescent
from trainables.spec import Hyperparameter, OptimizerSpec


class ConstantNoise(NoisyDescent):
    r"""Gradient descent with Gaussian noise of constant size.

        theta <- theta - eta g + D xi,    xi ~ N(0, I)

    `learning_rate` is eta, `diffusion` is D, in units of the parameters. On a quadratic of curvature lambda the
    stationary variance is D^2 / (eta lambda (2 - eta lambda)): it grows as eta -> 0, where that of `langevin` tends
    to D / lambda. The equivalent SDE has diffusion D^2 / (2 eta). D = 0 is plain gradient descent.

    Reference: the article's listing, which is another algorithm than its pseudo-code (see `langevin`).
    """

    @staticmethod
    def standard_deviation(learning_rate: float, diffusion: float) -> float:
        """D itself, whatever the step size."""
        del learning_rate
        return diffusion


def build(
    parameters: Sequence[torch.Tensor],
    *,
    generators: Sequence[torch.Generator],
    learning_rate: float,
    diffusion: float,
) -> torch.optim.Optimizer:
    """Gradient descent with constant noise from each replicate's own generator."""
    return ConstantNoise(parameters, learning_rate=learning_rate, diffusion=diffusion, generators=generators)


SPEC = OptimizerSpec(
    build=build,
    equation="θ ← θ − η g + D ξ,  ξ ~ N(0, I)",
    space={
        "learning_rate": Hyperparameter(low=1e-4, high=1.0, scale="log"),
        "diffusion": Hyperparameter(low=1e-7, high=1e-1, scale="log", unit="parameter"),
    },
    published={"learning_rate": 0.001, "diffusion": 0.01},
    reference="the article's listing",
    reduces_to={"sgd": {"diffusion": 0.0}},
)
