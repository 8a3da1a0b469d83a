"""How fast one core of this machine trains: what an estimate of a study's duration rests on."""

from functools import cache

import torch

from trainables.data.dataset import Dataset, load_dataset
from trainables.data.sizes import DATASETS
from trainables.spec import OptimizerSpec
from trainables.training.loop import Training
from trainables.training.trial import TrialConfig

NUM_STEPS = 20


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
