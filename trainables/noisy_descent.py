"""Gradient descent with Gaussian noise in every step: what `langevin` and `constant_noise` have in common."""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch


class NoisyDescent(torch.optim.Optimizer):
    """theta <- theta - eta g + s xi, with xi ~ N(0, I) and s a function of eta and D.

    Args:
        parameters: Tensors to update, shape (num_replicates, ...).
        learning_rate: Step size eta >= 0.
        diffusion: Noise strength D >= 0; its unit is the subclass's.
        generators: Sources of xi, one per replicate, on the device of the parameters; never the global one.

    Raises:
        ValueError: `learning_rate` or `diffusion` is negative or not finite.
    """

    def __init__(
        self,
        parameters: Sequence[torch.Tensor],
        *,
        learning_rate: float,
        diffusion: float,
        generators: Sequence[torch.Generator],
    ) -> None:
        for name, value in (("learning_rate", learning_rate), ("diffusion", diffusion)):
            if not 0 <= value < math.inf:  # false for NaN too
                raise ValueError(f"{name} must be finite and at least 0, got {value}; mend it.")
        super().__init__(parameters, {"lr": learning_rate, "diffusion": diffusion})
        self._generators = generators

    @staticmethod
    @abstractmethod
    def standard_deviation(learning_rate: float, diffusion: float) -> float:
        """Standard deviation s of the noise added in one step, in units of the parameters."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step; `closure`, if given, first recomputes and returns the loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            scale = self.standard_deviation(group["lr"], group["diffusion"])
            for parameter in group["params"]:
                parameter.add_(parameter.grad, alpha=-group["lr"])
                parameter.add_(replicated_normal(parameter, self._generators), alpha=scale)
        return loss


def replicated_normal(like: torch.Tensor, generators: Sequence[torch.Generator]) -> torch.Tensor:
    """Standard normal noise, each replicate's from its own generator.

    Args:
        like: Tensor of shape (num_replicates, ...) whose shape, dtype and device the noise takes.
        generators: One generator per replicate, on the device of `like`.

    Returns:
        Noise of the same shape; slice r depends on `generators[r]` alone.
    """
    noise = torch.empty_like(like)
    for replicate, generator in zip(noise, generators, strict=True):
        replicate.normal_(generator=generator)
    return noise
