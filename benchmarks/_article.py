"""The article's training loop as it is published: what the loops of this package are measured against."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import Compose, Normalize, ToTensor

from trainables.data.cifar10 import ByteArray


class SimpleCNN(torch.nn.Module):
    """The article's network as one would write it: 62,006 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 6, 5)
        self.pool = torch.nn.MaxPool2d(2, 2)
        self.conv2 = torch.nn.Conv2d(6, 16, 5)
        self.fc1 = torch.nn.Linear(16 * 5 * 5, 120)
        self.fc2 = torch.nn.Linear(120, 84)
        self.fc3 = torch.nn.Linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class scores of images of shape (batch, 3, 32, 32)."""
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        x = F.relu(self.fc2(x))
        scores: torch.Tensor = self.fc3(x)
        return scores


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    """Images as `torchvision.datasets.CIFAR10` serves them: a PIL image, transformed, each time that it is asked for.

    Args:
        images: Shape (num_images, 3, 32, 32), uint8.
        labels: Shape (num_images,).
        length: Length of the data set, which repeats the images; None for each once.
    """

    def __init__(self, images: ByteArray, labels: ByteArray, length: int | None = None) -> None:
        self.images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        self.labels = labels.tolist()
        self.length = length or len(labels)
        self.transform: Callable[[Image.Image], torch.Tensor] = Compose(
            [ToTensor(), Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))]
        )

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        place = index % len(self.labels)
        return self.transform(Image.fromarray(self.images[place])), self.labels[place]


def train_epoch(
    model: torch.nn.Module, loader: DataLoader[tuple[torch.Tensor, int]], optimizer: torch.optim.Optimizer
) -> float:
    """One pass over the training images; returns the mean loss."""
    model.train()
    running_loss = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        running_loss += loss.item()
    return running_loss / len(loader)


@torch.no_grad()
def error(model: torch.nn.Module, loader: DataLoader[tuple[torch.Tensor, int]]) -> float:
    """Share of images that the model classifies wrongly."""
    model.eval()
    wrong = sum(int((model(images).argmax(dim=1) != labels).sum()) for images, labels in loader)
    return wrong / len(loader.dataset)  # type: ignore[arg-type]
