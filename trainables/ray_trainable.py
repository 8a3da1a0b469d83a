"""Ray Tune's view of a trial. The only module of this package that imports Ray."""

import pathlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import ray
import torch
from ray import tune

from trainables.data import Dataset
from trainables.optimizers import resolve_optimizer
from trainables.training import Training
from trainables.trial import TrialConfig

_STATE = "training.pt"


class RayTrainable(tune.Trainable):
    """Runs one epoch of `Training` for each Tune iteration.

    The config holds `trial`, a `TrialConfig` as a mapping, and `test`, whether to evaluate on the test set after
    the last epoch. Each result holds `epochs`, the epoch's `ReplicateEpoch` records as mappings, with replicates
    numbered within the group; the last one also `test_loss`, `test_error` and `test_correct` if asked for.
    """

    def setup(self, config: dict[str, Any], data: Dataset, sources: Mapping[str, str]) -> None:  # type: ignore[override]
        """Build the networks and the optimizer.

        Args:
            config: See the class.
            data: The images, shared by the workers of a node.
            sources: Text of each user's own optimizer file by optimizer name.
        """
        device = "cuda" if torch.cuda.is_available() and ray.get_gpu_ids() else "cpu"
        trial = TrialConfig.from_dict(config["trial"])
        spec = resolve_optimizer(trial.optimizer, sources)
        self._training = Training(trial, spec, data, device)
        self._tests = bool(config["test"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Become another trial without a new process."""
        self.setup(new_config)  # type: ignore[call-arg] # tune.with_parameters supplies data and sources
        return True

    def step(self) -> dict[str, Any]:
        """Train one epoch."""
        records = self._training.run_epoch()
        result: dict[str, Any] = {
            "epochs": [asdict(record) for record in records],
            "device": device_name(self._training.device),
            "done": self._training.finished,
        }
        if self._training.finished and self._tests:
            result |= self._test()
        return result

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save everything that an uninterrupted run would have in memory."""
        torch.save(self._training.state_dict(), pathlib.Path(checkpoint_dir, _STATE))

    def load_checkpoint(self, checkpoint: str) -> None:  # type: ignore[override]
        """Go on from a checkpoint; its bytes are never unpickled as code."""
        self._training.load_state_dict(torch.load(pathlib.Path(checkpoint, _STATE), weights_only=True))

    def _test(self) -> dict[str, Any]:
        evaluation = self._training.evaluate_test()
        return {
            "test_loss": evaluation.losses.tolist(),
            "test_error": evaluation.errors.tolist(),
            "test_correct": [np.packbits(row).tobytes() for row in evaluation.correct.cpu().numpy()],
        }


def device_name(device: torch.device) -> str:
    """`cpu`, or the name of the GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
