"""How fast one core of this machine trains: what an estimate of a study's duration rests on."""

from collections.abc import Mapping
from functools import cache, partial

import torch

from analysis.plugins import blamed
from trainables.data.dataset import Dataset, load_dataset
from trainables.data.sizes import DATASETS
from trainables.foreign.process import own_process
from trainables.optimizers import is_foreign, resolve_optimizer
from trainables.spec import OptimizerSpec
from trainables.training.loop import Training
from trainables.training.trial import TrialConfig

NUM_STEPS = 20


def seconds_per_image_of(name: str, sources: Mapping[str, str], num_replicates: int, batch_size: int) -> float:
    """`seconds_per_image` of an optimizer by its name; that of a foreign one is found in a process of its own.

    Args:
        name: Name of the optimizer.
        sources: Text of each user's own file by optimizer name.
        num_replicates: Networks trained at once.
        batch_size: Images per step and network.

    Raises:
        ValueError: It does not train with its published setting.
    """
    if not is_foreign(name):
        return _found(name, {}, num_replicates, batch_size)
    with own_process(partial, _found, name, dict(sources), num_replicates, batch_size) as call:
        try:
            return float(call())
        except RuntimeError as error:
            raise ValueError(
                f"The optimizer {name!r} must train with its published setting, but {error}; mend it."
            ) from None


def _found(name: str, sources: Mapping[str, str], num_replicates: int, batch_size: int) -> float:
    spec = resolve_optimizer(name, sources)
    duty = f"The optimizer {name!r} must train with its published setting"
    with blamed(duty, spec.build.__module__, passes=(OSError,)):
        return seconds_per_image(spec, num_replicates, batch_size)


def seconds_per_image(spec: OptimizerSpec, num_replicates: int, batch_size: int) -> float:
    """Train a few steps with the published setting on one core; the images are those that come with the package.

    Args:
        spec: The optimizer.
        num_replicates: Networks trained at once.
        batch_size: Images per step and network.

    Returns:
        Wall time over training images of all networks, evaluation excluded.
    """
    num_images = DATASETS["cifar10-mini"].train
    batch_size = min(batch_size, num_images)
    config = TrialConfig(
        optimizer="probe",
        hyperparameters=spec.published,
        seeds=tuple(range(num_replicates)),
        batch_size=batch_size,
        num_epochs=2,
    )
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        training = Training(config, spec, _images().subset(min(num_images, max(5, NUM_STEPS * batch_size))))
        training.run_epoch()  # warms up
        record = training.run_epoch()[0]
    finally:
        torch.set_num_threads(num_threads)
    return record.seconds / (record.images * num_replicates)


@cache
def _images() -> Dataset:
    """The images of the package, decoded once for all optimizers: it takes longer than to train on them."""
    return load_dataset("cifar10-mini")
