"""The probe behind the estimate of a study's duration."""

import pytest
import torch

from trainables.optimizers import load_optimizer
from trainables.training.loop import Training
from trainables.training.probe import NUM_STEPS, seconds_per_image


@pytest.mark.parametrize(
    ("name", "num_replicates", "batch_size", "num_images"),
    [("sgd", 1, 1, NUM_STEPS), ("langevin", 2, 8, 8 * NUM_STEPS), ("adam", 1, 9999, 4000)],
)
def test_the_probe_gives_the_time_of_a_second_epoch_per_image_of_all_networks(
    name, num_replicates, batch_size, num_images, monkeypatch
):
    epochs = []

    class Recorded(Training):
        def run_epoch(self):
            epochs.append(super().run_epoch())
            return epochs[-1]

    monkeypatch.setattr("trainables.training.probe.Training", Recorded)
    found = seconds_per_image(load_optimizer(name), num_replicates, batch_size)
    assert [[record.images for record in records] for records in epochs] == [[num_images] * num_replicates] * 2
    assert found == epochs[1][0].seconds / (num_images * num_replicates) > 0


def test_the_probe_leaves_the_number_of_threads_alone():
    before = torch.get_num_threads()
    seconds_per_image(load_optimizer("sgd"), 1, 4)
    assert torch.get_num_threads() == before
