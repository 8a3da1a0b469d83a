"""Energies with known answers, for optimizers whose behaviour is to be known too: no network, no data."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.optimizers import load_optimizer
from trainables.randomness import derive_seed

Curves = NDArray[np.float64]
Gradient = Callable[[torch.Tensor], torch.Tensor]


def quadratic_losses(name: str, *, num_seeds: int, num_dimensions: int, num_steps: int, **setting: float) -> Curves:
    """Loss sum_i lambda_i theta_i^2 / 2 along the path of an optimizer, exact gradients, lambda from 0.01 to 1.

    Args:
        name: Name of the optimizer.
        num_seeds: Independent starts, drawn from a standard normal distribution; the same for every optimizer.
        num_dimensions: Number of modes, their curvature even on a logarithmic scale.
        num_steps: Steps to take.
        setting: A value for each hyperparameter.

    Returns:
        Shape (num_seeds, num_steps), after each step.
    """
    curvature = torch.logspace(-2, 0, num_dimensions, dtype=torch.float64)
    path = trajectory(
        name, normal_start(num_seeds, num_dimensions), lambda theta: curvature * theta, num_steps, setting
    )
    return np.stack([(0.5 * curvature * theta**2).sum(dim=1).numpy() for theta in path], axis=1)


def double_well_escapes(name: str, *, num_seeds: int, num_particles: int, num_steps: int, **setting: float) -> Curves:
    """Share of particles that leave the shallower well of (x^2 - 1)^2 + 0.3 x, where all of them start, at x = 1.

    Returns:
        Shape (num_seeds,): share of a seed's particles with x < 0 after the last step.
    """
    start = torch.full((num_seeds, num_particles), 1.0, dtype=torch.float64)
    *_, last = trajectory(name, start, lambda x: 4 * x * (x**2 - 1) + 0.3, num_steps, setting)
    return (last < 0).double().mean(dim=1).numpy()


def noisy_gradient_ends(name: str, *, num_seeds: int, num_dimensions: int, num_steps: int, **setting: float) -> Curves:
    """Loss |theta|^2 / 2 where an optimizer ends whose gradients carry standard normal noise, the same for all.

    Returns:
        Shape (num_seeds,).
    """
    noise = torch.Generator().manual_seed(derive_seed(0, "gradients"))
    *_, last = trajectory(
        name,
        normal_start(num_seeds, num_dimensions),
        lambda theta: theta + torch.randn(theta.shape, generator=noise, dtype=theta.dtype),
        num_steps,
        setting,
    )
    return (0.5 * last**2).sum(dim=1).numpy()


def trajectory(
    name: str, start: torch.Tensor, gradient: Gradient, num_steps: int, setting: dict[str, float]
) -> Iterator[torch.Tensor]:
    """Where an optimizer of the package goes.

    Args:
        name: Name of the optimizer.
        start: Shape (num_seeds, num_dimensions).
        gradient: Gradient of the energy, in the shape of its argument.
        num_steps: Steps to take.
        setting: A value for each hyperparameter.

    Yields:
        The parameters after each step; the same tensor every time.
    """
    parameter = torch.nn.Parameter(start.clone())
    generators = [torch.Generator().manual_seed(derive_seed(seed, "diffusion")) for seed in range(len(start))]
    optimizer = load_optimizer(name).build([parameter], generators=generators, **setting)
    for _ in range(num_steps):
        parameter.grad = gradient(parameter.detach())
        optimizer.step()
        yield parameter.detach()


def normal_start(num_seeds: int, num_dimensions: int) -> torch.Tensor:
    """Standard normal parameters, the same every time, shape (num_seeds, num_dimensions)."""
    generator = torch.Generator().manual_seed(derive_seed(0, "start"))
    return torch.randn(num_seeds, num_dimensions, generator=generator, dtype=torch.float64)
