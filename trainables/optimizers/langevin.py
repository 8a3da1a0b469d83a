"""The article's pseudo-code: gradient descent plus diffusion noise of variance 2 D eta in every step."""

import math
from collections.abc import Sequence

import torch

from trainables.noisy_descent import NoisyDescent
from trainables.spec import Hyperparameter, OptimizerSpec


class Langevin(NoisyDescent):
    r"""Euler-Maruyama discretisation of the overdamped Langevin SDE.

    Discretises  d theta = -grad L(theta) dt + sqrt(2 D) dW  with time step
    `learning_rate` (eta) and `diffusion` (D, in units of the loss):

        theta <- theta - eta g + sqrt(2 D eta) xi,    xi ~ N(0, I)

    With exact gradients and eta -> 0 the stationary density is proportional to exp(-L / D), so D plays the
    part of a temperature. D = 0 is plain gradient descent. On a quadratic of curvature lambda the stationary
    variance is 2 D / (lambda (2 - eta lambda)).

    Reference: Welling & Teh (2011). Their noise variance is the step size epsilon with a half gradient step;
    epsilon = 2 eta and D = 1 recover their form.
    """

    @staticmethod
    def standard_deviation(learning_rate: float, diffusion: float) -> float:
        """sqrt(2 D eta): the variance grows with the time that a step covers."""
        return math.sqrt(2 * diffusion * learning_rate)


def build(
    parameters: Sequence[torch.Tensor],
    *,
    generators: Sequence[torch.Generator],
    learning_rate: float,
    diffusion: float,
) -> torch.optim.Optimizer:
    """Langevin dynamics, noise from each replicate's own generator."""
    return Langevin(parameters, learning_rate=learning_rate, diffusion=diffusion, generators=generators)


SPEC = OptimizerSpec(
    build=build,
    equation="θ ← θ − η g + √(2 D η) ξ,  ξ ~ N(0, I)",
    space={
        "learning_rate": Hyperparameter(low=1e-4, high=1.0, scale="log"),
        "diffusion": Hyperparameter(low=1e-9, high=1e-1, scale="log", unit="loss"),
    },
    published={"learning_rate": 0.01, "diffusion": 0.01},
    reference="Welling & Teh (2011), https://dl.acm.org/doi/10.5555/3104482.3104568; the article's pseudo-code",
    reduces_to={"sgd": {"diffusion": 0.0}},
)
