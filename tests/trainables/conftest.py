"""What the tests of training share: few real images, one thread, and a plain SimpleCNN to compare with."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from tests.rounding import LONGEST_SUM, MARGIN, NUM_TWINS, move, reach, sum_rounding
from trainables.data.dataset import Dataset, load_dataset
from trainables.models.precision import set_precision
from trainables.models.simple_cnn.network import SHAPES
from trainables.optimizers import load_optimizer
from trainables.spec import OptimizerSpec
from trainables.training.loop import Training
from trainables.training.trial import TrialConfig

MakeTraining = Callable[..., Training]


@dataclass(frozen=True, kw_only=True)
class Ends:
    """A whole training, and how far from it one may come that differs by rounding alone.

    Attributes:
        step_losses: Shape (steps, num_replicates).
        loss_reach: Same shape.
        parameters: At the end, shape (num_replicates, 62006).
        distance: Between parameters, shape (num_replicates,).
    """

    step_losses: np.ndarray
    loss_reach: np.ndarray
    parameters: torch.Tensor
    distance: torch.Tensor

    def assert_near(self, training: Training, step_losses: np.ndarray, replicates: slice = slice(None)) -> None:
        """A training of these replicates has ended here but for rounding."""
        away = np.abs(step_losses - self.step_losses[:, replicates]) / self.loss_reach[:, replicates]
        assert away.max() <= 1, f"step losses are {away.max():.2g} times as far away as rounding carries them"
        apart = (training.model.parameters.cpu() - self.parameters[replicates]).norm(dim=1) / self.distance[replicates]
        assert apart.max() <= 1, f"parameters are {apart.max():.2g} times as far away as rounding carries them"

    def share_beyond(self, step_losses: np.ndarray) -> float:
        """Share of the steps of another training whose losses rounding does not explain."""
        return float((np.abs(step_losses - self.step_losses) > self.loss_reach).mean())


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


def all_step_losses(training: Training) -> np.ndarray:
    """Train to the end; shape (steps, num_replicates)."""
    epochs = []
    while not training.finished:
        epochs.append(np.stack([record.step_losses for record in training.run_epoch()], axis=1))
    return np.concatenate(epochs)


@pytest.fixture
def make_ends(make_training) -> Callable[..., Ends]:
    """Trains as `make_training` has it, and twins whose start is moved, by default by the rounding of float32."""

    def make(
        optimizer: str = "sgd", *args: object, moved: float = sum_rounding(LONGEST_SUM), **settings: object
    ) -> Ends:
        ends = []
        for twin in (None, *range(NUM_TWINS)):
            training = make_training(optimizer, *args, **settings)
            if twin is not None:
                move([training.model.parameters], torch.Generator().manual_seed(twin), moved)
            ends.append((all_step_losses(training), training.model.parameters))
        (losses, parameters), *twins = ends
        apart = torch.stack([(other - parameters).norm(dim=1) for _, other in twins])
        return Ends(
            step_losses=losses,
            loss_reach=reach(losses, [other for other, _ in twins]),
            parameters=parameters,
            distance=MARGIN * apart.amax(dim=0),
        )

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
