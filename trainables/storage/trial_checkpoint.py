"""How a trial that was cut off goes on: what its checkpoints hold, and which of them it goes on from."""

import io
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import torch

from trainables.storage.checkpoints import Checkpoints
from trainables.workloads.learner import Learner

_LOGGER = logging.getLogger(__name__)


class TrialCheckpoint:
    """The checkpoint that a trial writes, and the one that an earlier run has left of it.

    A checkpoint is a shortcut: what cannot be saved or read costs time and changes no row.

    Args:
        config: `storage`, as `Checkpoints` takes it; `name`, of the trial's own checkpoint; `earlier`, None or a
            mapping of the `name` of an earlier run's checkpoint and of `num_epochs`, how many epochs of that run
            are known.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._checkpoints = Checkpoints(config["storage"])
        self._name = config["name"]
        self._candidates = {self._name: math.inf}  # newest epoch of each checkpoint to go on from, the best first
        if config["earlier"] is not None:
            self._candidates[config["earlier"]["name"]] = config["earlier"]["num_epochs"]
        self._stored_epoch = 0

    def resume(self, build: Callable[[], Learner]) -> Learner:
        """The training after the epochs of the first checkpoint that will do, from its beginning if none does.

        Args:
            build: Makes the training, before its first epoch.
        """
        for name, newest_epoch in self._candidates.items():
            content = self._checkpoints.load(name)
            training = None if content is None else _unpack(content, build, newest_epoch)
            if training is not None:
                # A run that comes later looks for the own name alone.
                self._stored_epoch = training.epoch if name == self._name else 0
                return training
        return build()

    def save(self, training: Learner) -> None:
        """Store the training if it has trained since it was stored last."""
        if training.epoch == self._stored_epoch:
            return
        try:
            self._checkpoints.save(self._name, _pack(training))
        except Exception as error:  # also of an optimizer whose state cannot be stored
            _LOGGER.warning("No checkpoint after epoch %d: %s", training.epoch, error)
        self._stored_epoch = training.epoch


def _pack(training: Learner) -> bytes:
    buffer = io.BytesIO()
    torch.save({**_origin(training), "state": training.state_dict()}, buffer)
    return buffer.getvalue()


def _unpack(content: bytes, build: Callable[[], Learner], newest_epoch: float) -> Learner | None:
    """The training that was packed; None if it is another one, of a later epoch, or no training at all."""
    training = build()
    try:
        packed = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)  # runs no code of the content
        state = packed.pop("state")
        if packed != _origin(training) or state["epoch"] > newest_epoch:
            return None
        training.load_state_dict(state)
    except Exception as error:  # anyone may have written to the storage, also another version of this program
        _LOGGER.warning("A checkpoint could not be read: %s", error)
        return None
    return training


def _origin(training: Learner) -> dict[str, Any]:
    """What a training has to share with the one whose state it takes; noise differs from CPU to GPU."""
    return {"config": asdict(training.config), "device": training.device.type}
