"""A descent into a valley that moves: what optimizers are tried out on, interrupted where that is asked for."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from trainables.foreign.process import stage
from trainables.models.simple_cnn.network import NUM_PARAMETERS
from trainables.randomness import derive_seed
from trainables.spec import OptimizerSpec
from trainables.training.optimizers import build_optimizers

NUM_STEPS = 32
"""Beyond what needs a while to show: a warm-up, a matrix that is computed anew every ten steps."""

INTERRUPTIONS = (1, 8, 13, 22)
"""Steps after which a run goes on from its checkpoint; no two of them are a round number of steps apart."""


class Descent:
    """Networks of |theta + c|^2 / 2, with c = 1, 2, 3, 1, ... from step to step, and their optimizers.

    Replicate 1 is a thousand times as large as replicate 0, so neither norms nor means over both are those of one. No
    step of any size ends where the next gradient is 0.

    Args:
        spec: The optimizer.
        hyperparameters: Its setting.
        replicates: Numbers of the networks that are trained together.
    """

    def __init__(self, spec: OptimizerSpec, hyperparameters: Mapping[str, float], replicates: Sequence[int]) -> None:
        self._spec, self._hyperparameters, self._replicates = spec, hyperparameters, replicates
        self.theta = start(replicates)
        self.num_steps = 0
        self.idle_step: int | None = None
        self._build()

    def take(self, num_steps: int) -> None:
        """Take steps; `idle_step` is the first, counted from 1, that leaves all parameters of a network as they are."""
        for _ in range(num_steps):
            before = self.theta.clone()
            torch.add(self.theta, 1 + self.num_steps % 3, out=self._gradients)
            for optimizer in self._optimizers:
                with stage("a step of it"):
                    optimizer.step()
            self.num_steps += 1
            if self.idle_step is None and not (self.theta != before).any(dim=1).all():
                self.idle_step = self.num_steps

    def finish(self) -> None:
        """Take what is left of `NUM_STEPS` steps."""
        self.take(NUM_STEPS - self.num_steps)

    def checkpoint(self) -> bytes:
        """All that a study keeps of a trial, in the form in which it is kept."""
        with stage("its state_dict"):
            optimizers = [optimizer.state_dict() for optimizer in self._optimizers]
        buffer = io.BytesIO()
        torch.save(
            {
                "num_steps": self.num_steps,
                "theta": self.theta,
                "optimizers": optimizers,
                "noise": [generator.get_state() for generator in self._generators],
            },
            buffer,
        )
        return buffer.getvalue()

    def go_on(self, checkpoint: bytes) -> None:
        """Go on from a checkpoint with new optimizers, as a new process does."""
        state: dict[str, Any] = torch.load(io.BytesIO(checkpoint), weights_only=True)
        self.theta = state["theta"]
        self.num_steps = state["num_steps"]
        self._build()
        with stage("its load_state_dict"):
            for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
        for generator, saved in zip(self._generators, state["noise"], strict=True):
            generator.set_state(saved)

    def _build(self) -> None:
        self._gradients = torch.zeros_like(self.theta)
        self._generators = [torch.Generator().manual_seed(derive_seed(r, "noise")) for r in self._replicates]
        with stage("building it"):
            self._optimizers = build_optimizers(
                self._spec,
                self._hyperparameters,
                parameters=self.theta,
                gradients=self._gradients,
                generators=self._generators,
            )


def start(replicates: Sequence[int]) -> torch.Tensor:
    """Parameters before the first step, shape (num_replicates, 62006)."""
    return torch.stack([1000**r * torch.linspace(-1, 1, NUM_PARAMETERS) for r in replicates])


def descend(
    spec: OptimizerSpec,
    hyperparameters: Mapping[str, float],
    replicates: Sequence[int],
    *,
    interruptions: Sequence[int] = (),
) -> Descent:
    """A descent of `NUM_STEPS` steps.

    Args:
        spec: The optimizer.
        hyperparameters: Its setting.
        replicates: What is trained together.
        interruptions: Steps after which it goes on from its checkpoint, in order.
    """
    descent = Descent(spec, hyperparameters, replicates)
    for num_steps in interruptions:
        descent.take(num_steps - descent.num_steps)
        descent.go_on(descent.checkpoint())
    descent.finish()
    return descent
