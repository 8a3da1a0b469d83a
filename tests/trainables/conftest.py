"""What the tests of training share: few real images, one thread, and a plain SimpleCNN to compare with."""

from collections.abc import Callable, Iterator, Mapping

import pytest
import torch
from torch import nn

from trainables.data.dataset import Dataset, load_dataset
from trainables.models.precision import set_precision
from trainables.models.simple_cnn.network import SHAPES
from trainables.optimizers import load_optimizer
from trainables.spec import OptimizerSpec
from trainables.training.loop import Training
from trainables.training.trial import TrialConfig

MakeTraining = Callable[..., Training]


class SimpleCNN(nn.Sequential):
    """The article's network as anyone would write it."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
        )


@pytest.fixture
def simple_cnn() -> Callable[[torch.Tensor], SimpleCNN]:
    """Makes a SimpleCNN with the given parameters, shape (62006,)."""

    def make(flat: torch.Tensor) -> SimpleCNN:
        network = SimpleCNN()
        assert [tuple(parameter.shape) for parameter in network.parameters()] == list(SHAPES)
        nn.utils.vector_to_parameters(flat.clone(), network.parameters())
        return network

    return make


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums over several threads are rounded differently on another number of them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def few_images() -> Dataset:
    """200 training and 40 validation images."""
    return load_dataset("cifar10-mini").subset(200)


@pytest.fixture
def make_training(few_images) -> MakeTraining:
    """Makes a training of the optimizer named, or of the given spec, by default with its published setting."""

    def make(
        optimizer: str = "sgd",
        hyperparameters: Mapping[str, float] | None = None,
        *,
        seeds: tuple[int, ...] = (0, 1),
        batch_size: int = 20,
        num_epochs: int = 2,
        spec: OptimizerSpec | None = None,
        data: Dataset = few_images,
        device: str = "cpu",
        order_seed: int | None = None,
        precision: str = "float32",
    ) -> Training:
        spec = spec or load_optimizer(optimizer)
        config = TrialConfig(
            optimizer=optimizer,
            hyperparameters=spec.published if hyperparameters is None else hyperparameters,
            seeds=seeds,
            batch_size=batch_size,
            num_epochs=num_epochs,
            order_seed=order_seed,
            precision=precision,
        )
        return Training(config, spec, data, device)

    return make


@pytest.fixture
def untouched_global_generator() -> Iterator[None]:
    """Fails the test if it drew from torch's global generator or seeded it."""
    before = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), before), "the global generator was used"


@pytest.fixture(params=["cpu", "cuda"])
def device(request) -> str:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    set_precision("float32")
    return request.param
