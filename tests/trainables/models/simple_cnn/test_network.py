import pytest
import torch
from torch import nn

from tests.trainables.conftest import all_step_losses
from trainables.data.dataset import as_tensor, normalize
from trainables.models.simple_cnn import native
from trainables.models.simple_cnn.native import NoLibraryError
from trainables.models.simple_cnn.network import (
    NUM_PARAMETERS,
    ReplicatedSimpleCNN,
    initial_parameters,
    replicate_losses,
    split_layers,
)
from trainables.optimizers import optimizer_names

CPU = torch.device("cpu")


@pytest.fixture(params=["native", "torch"])
def kernels(request, monkeypatch) -> str:
    """Which implementation of the convolutions a model on the CPU takes."""
    if request.param == "torch":
        forbid_native(monkeypatch)
    return request.param


def forbid_native(monkeypatch) -> None:
    def library():
        raise NoLibraryError("a test")

    monkeypatch.setattr(native, "library", library)


def make_model(
    num_replicates: int, device: torch.device | str = CPU, precision: str = "float32"
) -> ReplicatedSimpleCNN:
    generators = [torch.Generator().manual_seed(seed) for seed in range(num_replicates)]
    return ReplicatedSimpleCNN(generators, torch.device(device), precision)


def every_parameter_gradient(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    loss = nn.functional.cross_entropy(network(images), labels)
    return nn.utils.parameters_to_vector(torch.autograd.grad(loss, list(network.parameters())))


@pytest.fixture
def images(few_images) -> torch.Tensor:
    """As bytes, shape (200, 3, 32, 32)."""
    return as_tensor(few_images.train_images)


@pytest.fixture
def labels(few_images) -> torch.Tensor:
    """Shape (200,)."""
    return as_tensor(few_images.train_labels).long()


OWN = torch.arange(48).view(3, 16).T.contiguous()
"""A batch for each of three replicates."""


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


@pytest.mark.usefixtures("kernels")
def test_each_replicate_equals_a_plain_network(simple_cnn, images, labels, device):
    """Logits and gradients agree to the rounding of float32 sums of up to 400 terms."""
    images, labels, chosen = images.to(device), labels.to(device), OWN.to(device)
    model = make_model(3, device)
    logits = model.forward(images, chosen)
    losses = model.backpropagate(images, chosen, labels[chosen.T])
    torch.testing.assert_close(losses, replicate_losses(logits, labels[chosen.T]), rtol=1e-6, atol=0)
    for r in range(3):
        network = simple_cnn(model.parameters[r].cpu()).to(device)
        seen, target = normalize(images[chosen[:, r]]), labels[chosen[:, r]]
        expected = network(seen)
        torch.testing.assert_close(logits[r], expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(losses[r], nn.functional.cross_entropy(expected, target), rtol=1e-6, atol=0)
        gradient = every_parameter_gradient(network, seen, target)
        torch.testing.assert_close(model.gradients[r], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("num_replicates", [1, 2, 5])
@pytest.mark.parametrize("batch_size", [1, 3, 17])
def test_both_implementations_agree_at_odd_sizes(num_replicates, batch_size, images, labels, monkeypatch):
    generator = torch.Generator().manual_seed(batch_size)
    chosen = torch.randint(len(images), (batch_size, num_replicates), generator=generator)
    compiled = make_model(num_replicates)
    forbid_native(monkeypatch)
    plain = make_model(num_replicates)
    losses = [model.backpropagate(images, chosen, labels[chosen.T]) for model in (compiled, plain)]
    torch.testing.assert_close(*losses, rtol=1e-6, atol=0)
    # A pool that rounding decides the other way moves one gradient to a neighbouring place.
    distances = (compiled.gradients - plain.gradients).norm(dim=1) / plain.gradients.norm(dim=1)
    assert distances.max() < 1e-3


def test_equal_neighbours_in_a_pool_share_no_gradient(simple_cnn, kernels):
    """In an image of one colour all places are equal; torch takes the first of each window."""
    del kernels
    images = torch.tensor([0, 128, 255], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 3, 32, 32).contiguous()
    labels, model = torch.tensor([[1, 2, 3]]), make_model(1)
    model.backpropagate(images, torch.arange(3).view(3, 1), labels)
    gradient = every_parameter_gradient(simple_cnn(model.parameters[0]), normalize(images), labels[0])
    torch.testing.assert_close(model.gradients[0], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("kernels")
def test_shared_images_give_what_own_copies_of_them_give(images, labels):
    model, shared = make_model(3), OWN[:, :1].contiguous()
    own, target = shared.expand(-1, 3).contiguous(), labels[shared.T].expand(3, -1)
    torch.testing.assert_close(model.forward(images, shared), model.forward(images, own), rtol=1e-5, atol=1e-6)
    model.backpropagate(images, shared, target)
    gradients = model.gradients.clone()
    model.backpropagate(images, own, target)
    torch.testing.assert_close(gradients, model.gradients, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("place", [0, 455, 456, 2871])
def test_what_is_not_finite_stays_so_and_stays_with_its_replicate(images, labels, place):
    """Weights and biases of both convolutions; a NaN must neither lose a maximum nor end in a ReLU."""
    model = make_model(3)
    model.parameters[1, place] = torch.nan
    losses = model.backpropagate(images, OWN, labels[OWN.T])
    assert losses.isfinite().tolist() == [True, False, True]
    assert model.gradients.isfinite().all(dim=1).tolist() == [True, False, True]


@pytest.mark.usefixtures("kernels")
def test_a_parameter_written_in_place_is_used_at_once(images):
    model = make_model(3)
    model.parameters.zero_()
    assert not model.forward(images, OWN).any()


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("number", [-1, 200])
def test_an_image_that_does_not_exist_is_refused(images, number):
    with pytest.raises(IndexError):
        make_model(2).forward(images, torch.tensor([[0, number]]))


def test_bf16_rounds_the_layers_and_nothing_else(images, labels):
    """bfloat16 has 8 bits: what it computes is right to a few hundredths."""
    exact, rounded = make_model(3), make_model(3, precision="bf16")
    assert torch.equal(exact.parameters, rounded.parameters)
    losses = [model.backpropagate(images, OWN, labels[OWN.T]) for model in (exact, rounded)]
    torch.testing.assert_close(losses[1], losses[0], rtol=0.02, atol=0)
    assert not torch.equal(*losses)
    for model in (exact, rounded):
        assert model.parameters.dtype == model.gradients.dtype == model.forward(images, OWN).dtype == torch.float32
    similarity = torch.cosine_similarity(exact.gradients, rounded.gradients)
    assert (similarity > 0.99).all(), similarity


@pytest.mark.parametrize("optimizer", optimizer_names())
def test_a_replicate_alone_equals_the_same_in_a_group_over_50_steps(make_training, make_ends, optimizer):
    """They differ by rounding alone, noise included, and no other data order could pass for it."""
    seeds, settings = (5, 6, 7), {"batch_size": 4, "num_epochs": 1}
    start = make_training(optimizer, seeds=seeds, **settings).model.parameters
    group = make_ends(optimizer, seeds=seeds, **settings)
    assert group.step_losses.shape == (50, 3)
    other = all_step_losses(make_training(optimizer, seeds=seeds, order_seed=9, **settings))
    assert group.share_beyond(other) > 0.9
    for r, seed in enumerate(seeds):
        alone = make_training(optimizer, seeds=(seed,), **settings)
        assert torch.equal(alone.model.parameters[0], start[r])
        (record,) = alone.run_epoch()
        group.assert_near(alone, record.step_losses[:, None], slice(r, r + 1))
        assert (alone.model.parameters[0] - start[r]).norm() / start[r].norm() > 1e-3
