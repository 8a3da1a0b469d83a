"""A formula in the place of training: learning curves whose best setting is known. Trains nothing.

For trying search algorithms, and for tests: what a search finds can be compared with `Surface.optimum`.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trainables.data.dataset import Dataset
from trainables.randomness import derive_seed
from trainables.spec import Hyperparameter, OptimizerSpec
from trainables.training.trial import ReplicateEpoch, TrialConfig

CHANCE = 0.9
"""Error before the first epoch: that of guessing one of ten classes."""

LOWEST, HIGHEST = 0.1, 0.3
"""Range of the errors that optimizers reach after many epochs at their optimum."""

WIDTH = 0.3
"""Width of the valley around the optimum, in fractions of a hyperparameter's range."""

EDGE = 0.3
"""How far the edge of divergence lies above the optimum, in fractions of the learning rate's range."""

DECAY_EPOCHS = 2.0
"""Epochs in which the distance to the last error shrinks by a factor e."""

GAP = 0.05
"""How far the training error ends up below the validation error."""

NOISE = 0.01
"""Standard deviation of each of the two noises of an error."""

EDGE_NOISE = 0.02
"""Standard deviation of the edge of divergence from seed to seed, in fractions of the learning rate's range."""


@dataclass(frozen=True)
class Surface:
    r"""The validation error that one optimizer is said to reach at a setting.

    With u_k the place of hyperparameter k in its range, as a fraction on its scale, the expected error after t epochs:

        E(u, t) = A(u) + (CHANCE - A(u)) exp(-t / DECAY_EPOCHS)
        A(u)    = a + (CHANCE - a) (1 - exp(-d^2 / 2)),    d^2 = sum_k ((u_k - u*_k) / WIDTH)^2

    The optimum u*_k lies between 0.3 and 0.6 of each range and the lowest error a between LOWEST and HIGHEST; both come
    from hashes of the optimizer's name and, for u*_k, of the hyperparameter's. An optimizer with a `learning_rate`
    diverges where u_learning_rate > u*_learning_rate + EDGE.

    Args:
        optimizer: Name of the optimizer.
        space: Range of each hyperparameter.
    """

    optimizer: str
    space: Mapping[str, Hyperparameter]

    @property
    def optimum(self) -> dict[str, float]:
        """The setting of the lowest expected error."""
        return {name: axis.at(self._best_fraction(name)) for name, axis in self.space.items()}

    @property
    def edge(self) -> float | None:
        """Learning rate above which training diverges; None for an optimizer without one."""
        axis = self.space.get("learning_rate")
        return None if axis is None else axis.at(self._best_fraction("learning_rate") + EDGE)

    def expected_error(self, hyperparameters: Mapping[str, float], epoch: int) -> float:
        """Mean error over seeds after `epoch` epochs, divergence aside; a fraction.

        Args:
            hyperparameters: A value for each hyperparameter; may lie outside of its range. One that has no place on a
                logarithmic scale, as the neutral value 0, counts as the low end.
            epoch: Number of the epoch, from 1.
        """
        distances = [
            (_place(axis, hyperparameters[name]) - self._best_fraction(name)) / WIDTH
            for name, axis in self.space.items()
        ]
        lowest = LOWEST + (HIGHEST - LOWEST) * uniform(0, f"synthetic/lowest/{self.optimizer}")
        last = CHANCE - (CHANCE - lowest) * math.exp(-sum(distance**2 for distance in distances) / 2)
        return last + (CHANCE - last) * math.exp(-epoch / DECAY_EPOCHS)

    def diverges(self, hyperparameters: Mapping[str, float], seed: int) -> bool:
        """Whether the replicate of a seed diverges: the edge is a little blurred."""
        axis = self.space.get("learning_rate")
        if axis is None:
            return False
        edge = self._best_fraction("learning_rate") + EDGE + EDGE_NOISE * noise(seed, "synthetic/edge")
        return _place(axis, hyperparameters["learning_rate"]) > edge

    def _best_fraction(self, name: str) -> float:
        return 0.3 + 0.3 * uniform(0, f"synthetic/optimum/{self.optimizer}/{name}")


@dataclass(frozen=True, kw_only=True)
class SyntheticEvaluation:
    """What a test would have given.

    Attributes:
        losses: In nats, shape (num_replicates,).
        errors: Fractions, shape (num_replicates,).
        correct: There are no images: shape (num_replicates, 0).
    """

    losses: torch.Tensor
    errors: torch.Tensor
    correct: torch.Tensor


class SyntheticTraining:
    """Stands for a `Training`, with curves from a `Surface`: errors are E(u, t) plus noise, losses -ln(1 - error).

    The noise is the sum of two uniform ones: one that every trial of a seed shares, as they share initialisation and
    data order, and one of this setting, seed and epoch. An epoch has no steps and no images. A replicate diverges in
    its first epoch or never.

    Args:
        config: What to stand for; its batch size means nothing.
        optimizer_spec: The optimizer that `config` names, of which only the space counts.
        data: A data set without images.
        device: Where tensors are.
    """

    def __init__(
        self,
        config: TrialConfig,
        optimizer_spec: OptimizerSpec,
        data: Dataset,
        device: torch.device | str = "cpu",
    ) -> None:
        del data
        self.config = config
        self.device = torch.device(device)
        self.epoch = 0
        self.diverged_steps: list[int | None] = [None] * len(config.seeds)
        self.surface = Surface(config.optimizer, optimizer_spec.space)

    @property
    def finished(self) -> bool:
        """Whether no replicate has anything left to do."""
        return self.epoch == self.config.num_epochs or None not in self.diverged_steps

    def run_epoch(self) -> list[ReplicateEpoch]:
        """The next point of each curve; one record for each replicate that had not diverged before."""
        running = [r for r, step in enumerate(self.diverged_steps) if step is None]
        self.epoch += 1
        return [self._record(r) for r in running]

    def evaluate_test(self) -> SyntheticEvaluation:
        """Errors with the expectation of the last validation errors and a noise of their own."""
        errors = [self._error(r, "test") for r in range(len(self.config.seeds))]
        return SyntheticEvaluation(
            losses=torch.tensor([_loss(error) for error in errors], dtype=torch.float64),
            errors=torch.tensor(errors, dtype=torch.float64),
            correct=torch.zeros(len(errors), 0, dtype=torch.bool),
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything that a `SyntheticTraining` of the same config needs to go on."""
        return {"epoch": self.epoch, "diverged_steps": list(self.diverged_steps)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.epoch, self.diverged_steps = state["epoch"], list(state["diverged_steps"])

    def _record(self, replicate: int) -> ReplicateEpoch:
        start = time.perf_counter()
        diverged = self.surface.diverges(self.config.hyperparameters, self.config.seeds[replicate])
        validation_error = self._error(replicate, "validation")
        train_error = self._error(replicate, "train") - GAP * (1 - math.exp(-self.epoch / DECAY_EPOCHS))
        if diverged:
            self.diverged_steps[replicate] = 1
        return ReplicateEpoch(
            replicate=replicate,
            epoch=self.epoch,
            train_loss=None if diverged else _loss(train_error),
            train_error=1.0 if diverged else train_error,
            validation_loss=None if diverged else _loss(validation_error),
            validation_error=1.0 if diverged else validation_error,
            step_losses=np.empty(0, dtype=np.float32),
            gradient_norm=None,
            update_norm=None,
            weight_norm=None,
            seconds=time.perf_counter() - start,
            steps=0,
            images=0,
            diverged_step=self.diverged_steps[replicate],
        )

    def _error(self, replicate: int, part: str) -> float:
        seed, config = self.config.seeds[replicate], self.config
        setting = f"{config.optimizer}/{sorted(config.hyperparameters.items())}/{self.epoch}"
        noises = noise(seed, f"synthetic/{part}"), noise(seed, f"synthetic/{part}/{setting}")
        return self.surface.expected_error(config.hyperparameters, self.epoch) + NOISE * sum(noises)


def _place(axis: Hyperparameter, value: float) -> float:
    """Where a value stands in the range, as a fraction on its scale."""
    return 0.0 if axis.scale == "log" and value <= 0 else axis.fraction(value)


def uniform(seed: int, stream: str) -> float:
    """A number from 0 to 1 that a seed and the name of a stream settle."""
    return derive_seed(seed, stream) / 2**63


def noise(seed: int, stream: str) -> float:
    """A uniform number of mean 0 and variance 1, so bounded that no error leaves the range of a fraction."""
    return math.sqrt(3) * (2 * uniform(seed, stream) - 1)


def _loss(error: float) -> float:
    return -math.log1p(-error)
