"""The probe behind the estimate of a study's duration."""

import pytest
import torch

from trainables.optimizers import load_optimizer
from trainables.training.probe import seconds_per_image


@pytest.mark.parametrize(
    ("name", "num_replicates", "batch_size"), [("sgd", 1, 1), ("langevin", 2, 8), ("adam", 1, 9999)]
)
def test_the_probe_measures_a_positive_time_at_any_size(name, num_replicates, batch_size):
    assert 0 < seconds_per_image(load_optimizer(name), num_replicates, batch_size) < 1


def test_the_probe_leaves_the_number_of_threads_alone():
    before = torch.get_num_threads()
    seconds_per_image(load_optimizer("sgd"), 1, 4)
    assert torch.get_num_threads() == before
