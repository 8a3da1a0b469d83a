"""The epoch loop: trains the replicates of one trial and measures them. Pure torch, no Ray."""

import copy
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trainables.data.dataset import Dataset, as_tensor
from trainables.models.precision import set_precision
from trainables.models.simple_cnn.network import ReplicatedSimpleCNN, replicate_losses
from trainables.randomness import derive_seed
from trainables.spec import OptimizerSpec
from trainables.training.optimizers import build_optimizers
from trainables.training.trial import ReplicateEpoch, TrialConfig

EVALUATION_BATCH = 250


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Loss in nats and correctness of every image, for each replicate.

    Attributes:
        losses: Mean cross-entropy, shape (num_replicates,).
        correct: Whether each image was classified correctly, bool, shape (num_replicates, num_images).
    """

    losses: torch.Tensor
    correct: torch.Tensor

    @property
    def errors(self) -> torch.Tensor:
        """Share of images classified wrongly, shape (num_replicates,)."""
        return 1 - self.correct.double().mean(dim=1)


class Training:
    """Trains the replicates of one trial, an epoch at a time.

    Args:
        config: What to train.
        optimizer_spec: The optimizer that `config` names.
        data: The images, with as many for validation as each epoch evaluates.
        device: Where to train.
    """

    def __init__(
        self,
        config: TrialConfig,
        optimizer_spec: OptimizerSpec,
        data: Dataset,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config = config
        self.epoch = 0
        self.diverged_steps: list[int | None] = [None] * len(config.seeds)
        self._data = data
        self.device = torch.device(device)
        self._images = as_tensor(data.train_images).to(self.device)
        self._labels = as_tensor(data.train_labels).to(self.device)
        self._steps_per_epoch = len(self._images) // config.batch_size
        if self._steps_per_epoch == 0:
            raise ValueError(
                f"batch_size must be at most {len(self._images)}, the training images, got {config.batch_size}; "
                "lower it."
            )
        set_precision(config.precision)
        self.model = ReplicatedSimpleCNN(self._generators("initialization", "cpu"), self.device, config.precision)
        self._noise = self._generators("noise", self.device)
        self._mixes_elements = optimizer_spec.mixes_elements
        self._optimizers = build_optimizers(
            optimizer_spec,
            config.hyperparameters,
            parameters=self.model.parameters,
            gradients=self.model.gradients,
            generators=self._noise,
        )

    @property
    def finished(self) -> bool:
        """Whether no replicate has anything left to train."""
        return self.epoch == self.config.num_epochs or None not in self.diverged_steps

    def run_epoch(self) -> list[ReplicateEpoch]:
        """Train one epoch and evaluate; one record for each replicate that had not diverged before."""
        running = [r for r, step in enumerate(self.diverged_steps) if step is None]
        self.epoch += 1
        start = time.perf_counter()
        losses, norms = self._train_epoch()
        seconds = time.perf_counter() - start
        return self._records(running, losses, norms, seconds)

    def step(self, chosen: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Take one step and nothing else: what is measured along the way in an epoch is left out.

        Args:
            chosen: Numbers of the training images that each replicate sees, int64, shape (batch, num_replicates).
            labels: Their classes, int64, shape (num_replicates, batch).

        Returns:
            Loss of each replicate before the step, in nats, shape (num_replicates,).
        """
        losses = self.model.backpropagate(self._images, chosen, labels)
        self._take_step(losses)
        return losses

    def evaluate_test(self) -> Evaluation:
        """Evaluate on the whole test set."""
        return self.evaluate(self._data.test_images, self._data.test_labels)

    @torch.no_grad()
    def evaluate(self, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> Evaluation:
        """Evaluate every replicate on the same images.

        Args:
            images: uint8, shape (num_images, 3, 32, 32).
            labels: uint8, shape (num_images,).
        """
        pixels, targets = as_tensor(images).to(self.device), as_tensor(labels).to(self.device).long()
        losses, correct = [], []
        for chosen in torch.split(torch.arange(len(pixels), device=self.device), EVALUATION_BATCH):
            logits = self.model.forward(pixels, chosen.unsqueeze(1))
            target = targets[chosen].expand(self.model.num_replicates, -1)
            losses.append(replicate_losses(logits, target).double() * len(chosen))
            correct.append(logits.argmax(dim=2) == target)
        return Evaluation(losses=torch.stack(losses).sum(dim=0) / len(images), correct=torch.cat(correct, dim=1))

    def state_dict(self) -> dict[str, Any]:
        """Everything that a `Training` of the same config needs to go on as if it had never stopped."""
        return {
            "epoch": self.epoch,
            "diverged_steps": list(self.diverged_steps),
            "parameters": self.model.parameters.clone(),
            "optimizers": copy.deepcopy([optimizer.state_dict() for optimizer in self._optimizers]),
            "noise": [generator.get_state() for generator in self._noise],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.epoch = state["epoch"]
        self.diverged_steps = list(state["diverged_steps"])
        self.model.parameters.copy_(state["parameters"])
        # Torch's optimizers keep the tensors they are given, and would go on to change the caller's.
        for optimizer, saved in zip(self._optimizers, copy.deepcopy(state["optimizers"]), strict=True):
            optimizer.load_state_dict(saved)
        for generator, saved in zip(self._noise, state["noise"], strict=True):
            generator.set_state(saved)

    def _generators(self, stream: str, device: torch.device | str) -> list[torch.Generator]:
        return [torch.Generator(device).manual_seed(derive_seed(seed, stream)) for seed in self.config.seeds]

    def _train_epoch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Take an epoch's steps.

        Returns:
            Step losses, shape (steps, num_replicates), and gradient, update and weight norms, shape
            (steps, 3, num_replicates).
        """
        losses, norms = [], []
        before = torch.empty_like(self.model.parameters)
        order = self._order()
        labels = self._labels[order].long().mT.contiguous()
        for chosen, step_labels in zip(order, labels, strict=True):
            target = step_labels.expand(self.model.num_replicates, -1)
            step_losses = self.model.backpropagate(self._images, chosen, target)
            gradient_norm = torch.linalg.vector_norm(self.model.gradients, dim=1)
            before.copy_(self.model.parameters)
            self._take_step(step_losses)
            update_norm = torch.linalg.vector_norm(before.sub_(self.model.parameters), dim=1)
            weight_norm = torch.linalg.vector_norm(self.model.parameters, dim=1)
            losses.append(step_losses)
            norms.append(torch.stack((gradient_norm, update_norm, weight_norm)))
        return torch.stack(losses).cpu(), torch.stack(norms).cpu()

    def _take_step(self, step_losses: torch.Tensor) -> None:
        """Update the parameters; one that mixes elements is spared a diverged replicate, on which it might raise."""
        if not self._mixes_elements:
            self._optimizers[0].step()
            return
        for optimizer, is_finite in zip(self._optimizers, step_losses.isfinite().tolist(), strict=True):
            if is_finite:
                optimizer.step()

    def _order(self) -> torch.Tensor:
        """Which images each replicate sees in the current epoch, shape (steps, batch, num_replicates).

        The last axis is 1 if they share one order.
        """
        num_images = self._steps_per_epoch * self.config.batch_size
        orders = []
        for seed in self.config.seeds if self.config.order_seed is None else [self.config.order_seed]:
            generator = torch.Generator().manual_seed(derive_seed(seed, f"batch_order/{self.epoch}"))
            orders.append(torch.randperm(len(self._images), generator=generator)[:num_images])
        shape = (len(orders), self._steps_per_epoch, self.config.batch_size)
        return torch.stack(orders).view(shape).permute(1, 2, 0).contiguous().to(self.device)

    def _records(
        self, running: list[int], losses: torch.Tensor, norms: torch.Tensor, seconds: float
    ) -> list[ReplicateEpoch]:
        """Evaluate and put each running replicate's epoch together; marks those that diverged."""
        train = self.evaluate(self._data.train_evaluation_images, self._data.train_evaluation_labels)
        validation = self.evaluate(self._data.validation_images, self._data.validation_labels)
        finite_end = self.model.parameters.isfinite().all(dim=1).cpu()
        finite_end &= (train.losses.isfinite() & validation.losses.isfinite()).cpu()
        mean_norms = norms.double().mean(dim=0)
        records = []
        for r in running:
            finite_steps = int(losses[:, r].isfinite().long().cumprod(dim=0).sum())
            diverged = finite_steps < len(losses) or not bool(finite_end[r])
            if diverged:
                step_in_epoch = min(finite_steps + 1, len(losses))
                self.diverged_steps[r] = (self.epoch - 1) * self._steps_per_epoch + step_in_epoch
            records.append(
                ReplicateEpoch(
                    replicate=r,
                    epoch=self.epoch,
                    train_loss=None if diverged else float(train.losses[r]),
                    train_error=1.0 if diverged else float(train.errors[r]),
                    validation_loss=None if diverged else float(validation.losses[r]),
                    validation_error=1.0 if diverged else float(validation.errors[r]),
                    step_losses=losses[:finite_steps, r].numpy().copy(),
                    gradient_norm=_finite(mean_norms[0, r], diverged),
                    update_norm=_finite(mean_norms[1, r], diverged),
                    weight_norm=_finite(mean_norms[2, r], diverged),
                    seconds=seconds,
                    steps=len(losses),
                    images=len(losses) * self.config.batch_size,
                    diverged_step=self.diverged_steps[r],
                )
            )
        return records


def _finite(value: torch.Tensor, diverged: bool) -> float | None:
    number = float(value)
    return None if diverged or not math.isfinite(number) else number
