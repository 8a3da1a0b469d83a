import pytest
import torch
from torch import nn

from trainables.data import as_tensor, normalize
from trainables.model import (
    NUM_PARAMETERS,
    ReplicatedSimpleCNN,
    initial_parameters,
    replicate_losses,
    split_layers,
)
from trainables.optimizers import optimizer_names

CPU = torch.device("cpu")


def make_model(num_replicates: int, device: torch.device | str = CPU) -> ReplicatedSimpleCNN:
    generators = [torch.Generator().manual_seed(seed) for seed in range(num_replicates)]
    return ReplicatedSimpleCNN(generators, torch.device(device))


@pytest.fixture
def batches(few_images) -> tuple[torch.Tensor, torch.Tensor]:
    """Images, shape (3, 16, 3, 32, 32), and labels, shape (3, 16): a batch for each of three replicates."""
    images = normalize(as_tensor(few_images.train_images[:48])).view(3, 16, 3, 32, 32)
    return images, as_tensor(few_images.train_labels[:48]).long().view(3, 16)


def side_by_side(images: torch.Tensor) -> torch.Tensor:
    """(num_replicates, batch, 3, 32, 32) as the model takes it, channels last."""
    return images.transpose(0, 1).flatten(1, 2).contiguous(memory_format=torch.channels_last)


def test_network_has_62006_parameters(simple_cnn):
    network = simple_cnn(torch.zeros(62_006))
    assert sum(parameter.numel() for parameter in network.parameters()) == NUM_PARAMETERS == 62_006
    assert make_model(3).parameters.shape == (3, 62_006)


@pytest.mark.usefixtures("untouched_global_generator")
def test_initial_parameters_are_those_torch_draws_by_default():
    ours = initial_parameters(torch.Generator().manual_seed(7))
    with torch.random.fork_rng():
        torch.manual_seed(7)
        layers = [nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5), nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)]
    theirs = [parameter for layer in layers for parameter in layer.parameters()]
    for piece, expected in zip(split_layers(ours[None]), theirs, strict=True):
        assert torch.equal(piece[0], expected)


def test_each_replicate_equals_a_plain_network(simple_cnn, batches, device):
    """Logits and gradients agree to the rounding of float32 sums of up to 400 terms."""
    images, labels = (tensor.to(device) for tensor in batches)
    model = make_model(3, device)
    logits = model.forward(side_by_side(images))
    losses = model.backpropagate(side_by_side(images), labels)
    torch.testing.assert_close(losses, replicate_losses(logits, labels), rtol=1e-6, atol=0)
    for r in range(3):
        network = simple_cnn(model.parameters[r].cpu()).to(device)
        expected = network(images[r])
        loss = nn.functional.cross_entropy(expected, labels[r])
        gradient = nn.utils.parameters_to_vector(torch.autograd.grad(loss, list(network.parameters())))
        torch.testing.assert_close(logits[r], expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(losses[r], loss, rtol=1e-6, atol=0)
        torch.testing.assert_close(model.gradients[r], gradient, rtol=1e-4, atol=1e-6)


def test_shared_images_give_what_own_copies_of_them_give(batches):
    model = make_model(3)
    shared = batches[0][0].contiguous(memory_format=torch.channels_last)
    own = side_by_side(batches[0][:1].expand(3, -1, -1, -1, -1))
    torch.testing.assert_close(model.forward(shared), model.forward(own), rtol=1e-5, atol=1e-6)


def test_memory_layout_of_the_images_does_not_matter(batches):
    model = make_model(3)
    images = side_by_side(batches[0])
    torch.testing.assert_close(model.forward(images.contiguous()), model.forward(images), rtol=1e-5, atol=1e-6)


def test_a_parameter_written_in_place_is_used_at_once(batches):
    model = make_model(3)
    model.parameters.zero_()
    assert not model.forward(side_by_side(batches[0])).any()


@pytest.mark.parametrize("optimizer", optimizer_names())
def test_a_replicate_alone_equals_the_same_in_a_group_over_50_steps(make_training, optimizer):
    """They differ by rounding alone, noise included.

    Measured distance over norm of the parameters: 4e-9 (constant_noise) to 3e-7 (adam). A ReLU or pool that rounding
    decides the other way raises it to 1e-5; another data order gives 1e-2.
    """
    group = make_training(optimizer, seeds=(5, 6, 7), batch_size=4)
    start = group.model.parameters.clone()
    losses = torch.stack([torch.from_numpy(record.step_losses) for record in group.run_epoch()])
    assert losses.shape == (3, 50)
    for r, seed in enumerate(group.config.seeds):
        alone = make_training(optimizer, seeds=(seed,), batch_size=4)
        assert torch.equal(alone.model.parameters[0], start[r])
        (record,) = alone.run_epoch()
        torch.testing.assert_close(torch.from_numpy(record.step_losses), losses[r], rtol=1e-4, atol=0)
        distance = (alone.model.parameters[0] - group.model.parameters[r]).norm() / alone.model.parameters.norm()
        assert distance < 1e-5
        assert (alone.model.parameters[0] - start[r]).norm() / start[r].norm() > 1e-3
