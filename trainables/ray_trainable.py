"""Ray Tune's view of a trial. The only module of this package that imports Ray."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import ray
import torch
from ray import tune

from trainables.data.dataset import Dataset
from trainables.foreign.state import TorchState
from trainables.models.precision import set_precision
from trainables.optimizers import resolve_optimizer, worker_owner
from trainables.storage.trial_checkpoint import TrialCheckpoint
from trainables.training.step_timing import time_steps
from trainables.training.trial import ReplicateTest, TrialConfig
from trainables.workloads.learner import new_learner


class WorkerRequest(tune.PlacementGroupFactory):
    """What a trial takes of a node, and whose worker it must be: Tune gives a worker on where requests are equal.

    Args:
        resources: In Ray's names.
        owner: The foreign optimizer whose code the worker has read or will read; None for one that never does.
    """

    def __init__(self, resources: Mapping[str, float], owner: str | None) -> None:
        super().__init__([dict(resources)])
        self.owner = owner

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WorkerRequest) and self.owner == other.owner and super().__eq__(other)

    def __hash__(self) -> int:
        return hash((super().__hash__(), self.owner))  # type: ignore[no-untyped-call]


class RayTrainable(tune.Trainable):
    """Runs one epoch of a `Learner` for each Tune iteration.

    The config holds `trial`, a `TrialConfig` as a mapping, `test`, whether to evaluate on the test set after the last
    epoch, `checkpoint`, what a `TrialCheckpoint` takes or None, and `resources`, what the trial takes of its node in
    Ray's names. Each result holds `epochs`, the epoch's `ReplicateEpoch` records; the last one also `tests`, a
    `ReplicateTest` of each replicate, if asked for.
    """

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """Ask for what the config says: trials of one study may run on CPUs and GPUs."""
        return WorkerRequest(config["resources"], worker_owner(config["trial"]["optimizer"]))

    def setup(self, config: dict[str, Any], data: Dataset, sources: Mapping[str, str]) -> None:  # type: ignore[override]
        """Build the networks and the optimizer, as they were at the checkpoint if there is one to go on from.

        Args:
            config: See the class.
            data: The images, shared by the workers of a node.
            sources: Text of each user's own optimizer file by optimizer name.
        """
        device = _worker_device()
        trial = TrialConfig.from_dict(config["trial"])
        self._foreign = worker_owner(trial.optimizer)
        state = self._torch_state()
        spec = resolve_optimizer(trial.optimizer, sources)
        self._refuse_changes(state, "the import of its code")
        set_precision(trial.precision)  # here, so that it is no change of the optimizer's
        self._state = self._torch_state()
        build = partial(new_learner, trial, spec, data, device)
        self._checkpoint = None if config["checkpoint"] is None else TrialCheckpoint(config["checkpoint"])
        self._training = self._checkpoint.resume(build) if self._checkpoint else build()
        self._refuse_changes(self._state, "building it")
        self._tests = bool(config["test"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Become another trial without a new process."""
        self.setup(new_config)  # type: ignore[call-arg] # tune.with_parameters supplies data and sources
        return True

    def step(self) -> dict[str, Any]:
        """Train one epoch, after a checkpoint of those before."""
        if self._checkpoint:
            # Tune asks for an epoch once the driver has stored the one before, so no checkpoint is ahead of its log.
            self._checkpoint.save(self._training)
        records = self._training.run_epoch()
        self._refuse_changes(self._state, "training with it")
        result: dict[str, Any] = {
            "epochs": records,
            "device": device_name(self._training.device),
            "done": self._training.finished,
        }
        if self._training.finished and self._tests:
            result["tests"] = self._test()
        return result

    def _torch_state(self) -> TorchState | None:
        """That of now, if a foreign optimizer may change it."""
        return TorchState() if self._foreign else None

    def _refuse_changes(self, state: TorchState | None, act: str) -> None:
        if state and self._foreign:
            state.refuse_changes(self._foreign, act)

    def _test(self) -> list[ReplicateTest]:
        evaluation = self._training.evaluate_test()
        losses, errors, correct = (
            evaluation.losses.tolist(),
            evaluation.errors.tolist(),
            evaluation.correct.cpu().numpy(),
        )
        return [
            ReplicateTest(test_loss=loss, test_error=error, test_correct=np.packbits(row).tobytes())
            for loss, error, row in zip(losses, errors, correct, strict=True)
        ]


class StepTimer:
    """Runs `time_steps` in a Ray actor, on the device that Ray has given it.

    Args:
        configs: What to time, one for each optimizer.
        data: The images.
        sources: Text of each user's own optimizer file by optimizer name.
    """

    def __init__(self, configs: Sequence[TrialConfig], data: Dataset, sources: Mapping[str, str]) -> None:
        self._configs, self._data, self._device, self._sources = configs, data, _worker_device(), sources

    def place(self) -> dict[str, str]:
        """`device` and `node`, as rows of `timings` have them; answers once the worker is up."""
        node: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        return {"device": device_name(self._device), "node": node}

    def time(self, seconds: float) -> list[dict[str, Any]]:
        """Each `StepTiming` that so many seconds allow, as a mapping."""
        timings = time_steps(self._configs, self._sources, self._data, self._device, seconds=seconds)
        return [asdict(timing) for timing in timings]


def _worker_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() and ray.get_gpu_ids() else "cpu")


def device_name(device: torch.device) -> str:
    """`cpu`, or the name of the GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
