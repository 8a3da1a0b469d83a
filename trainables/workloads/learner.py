"""What a worker runs, an epoch at a time: a `Training`, or a formula in its place where there are no images."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch

from trainables.data.dataset import Dataset
from trainables.spec import OptimizerSpec
from trainables.training.loop import Training
from trainables.training.trial import ReplicateEpoch, TrialConfig
from trainables.workloads.synthetic import SyntheticTraining


class Evaluated(Protocol):
    """How the replicates did on some images."""

    @property
    def losses(self) -> torch.Tensor:
        """In nats, shape (num_replicates,)."""

    @property
    def errors(self) -> torch.Tensor:
        """Fractions, shape (num_replicates,)."""

    @property
    def correct(self) -> torch.Tensor:
        """Whether each image was classified correctly, bool, shape (num_replicates, num_images)."""


class Learner(Protocol):
    """The replicates of one trial; `Training` says what each part means."""

    config: TrialConfig
    epoch: int
    device: torch.device

    @property
    def finished(self) -> bool:
        """Whether no replicate has anything left to do."""

    def run_epoch(self) -> list[ReplicateEpoch]:
        """One record for each replicate that had not diverged before."""

    def evaluate_test(self) -> Evaluated:
        """Evaluate on the whole test set."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that is needed to go on."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""


def new_learner(
    config: TrialConfig, optimizer_spec: OptimizerSpec, data: Dataset, device: torch.device | str = "cpu"
) -> Learner:
    """What learns in a trial, before its first epoch; the arguments are those of `Training`."""
    kind = Training if data.sizes.train else SyntheticTraining
    return kind(config, optimizer_spec, data, device)
