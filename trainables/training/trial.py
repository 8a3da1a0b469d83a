"""What a trial is told and what it reports: plain values between the training loop and its callers."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from trainables.models.precision import PRECISIONS


@dataclass(frozen=True, kw_only=True)
class TrialConfig:
    """One group of replicates, fully specified: two equal configs give bit-equal curves on one machine.

    Args:
        optimizer: Name of the optimizer.
        hyperparameters: A value for each hyperparameter of the optimizer.
        seeds: Root seed of each replicate.
        batch_size: Images per step and replicate; an epoch leaves out the images that fill no batch.
        num_epochs: Passes over the training images.
        order_seed: Root seed of the one order in which all replicates see the images; None if each has its own.
        precision: Name in `PRECISIONS`.

    Raises:
        ValueError: A count is below 1, there is no seed, or the precision is unknown.
    """

    optimizer: str
    hyperparameters: Mapping[str, float]
    seeds: tuple[int, ...]
    batch_size: int
    num_epochs: int
    order_seed: int | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ValueError("seeds must hold at least one seed, got none; add one.")
        for name in ("batch_size", "num_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}; raise it.")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}.")

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Self:
        """Build from a plain mapping, refusing keys that would be silently ignored."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(config) - known):
            raise ValueError(f"Unknown trial settings {unknown}; known are {sorted(known)}.")
        return cls(**{**config, "seeds": tuple(config["seeds"])})


@dataclass(frozen=True, kw_only=True)
class ReplicateEpoch:
    """What one replicate did in one epoch.

    Losses are in nats, errors are fractions; losses and norms are None and errors 1 if the replicate diverged.

    Attributes:
        replicate: Number within the group, from 0.
        epoch: Number of the epoch, from 1.
        step_losses: Training loss of each step up to divergence, float32, shape (steps,).
        gradient_norm, update_norm, weight_norm: Means over the steps of Euclidean norms over all parameters.
        seconds: Wall time of the whole group's steps, evaluation excluded.
        diverged_step: First step, counted from the start of training at 1, whose loss is not finite; the epoch's last
            step if only parameters or evaluation losses are not finite at its end.
    """

    replicate: int
    epoch: int
    train_loss: float | None
    train_error: float
    validation_loss: float | None
    validation_error: float
    step_losses: np.ndarray[Any, np.dtype[np.float32]]
    gradient_norm: float | None
    update_norm: float | None
    weight_norm: float | None
    seconds: float
    steps: int
    images: int
    diverged_step: int | None


@dataclass(frozen=True, kw_only=True)
class ReplicateTest:
    """How one replicate did on the test set; says nothing of one that diverged.

    Attributes:
        test_loss: Mean cross-entropy in nats.
        test_error: Share of images classified wrongly.
        test_correct: Whether each image was classified correctly, one bit per image, the first one highest.
    """

    test_loss: float
    test_error: float
    test_correct: bytes
