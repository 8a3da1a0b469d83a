"""The images a study trains on: CIFAR-10 as bytes, split once and for all.

Importing this module costs neither torch nor torchvision, so the command line can check its arguments first.
"""

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trainables.data.cifar10 import IMAGE_SHAPE, NUM_CLASSES, ByteArray, LabelledImages, check_cifar10, load_cifar10
from trainables.data.cifar10_mini import check_cifar10_mini, load_cifar10_mini
from trainables.data.sizes import DATASETS, SYNTHETIC, SplitSizes

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """One data set, split, the same for every trial of every study.

    Training and validation images stand in a fixed random order, so the first n of either are a fixed random
    subset that contains every smaller one. The arrays are read-only: all workers of a node share them.

    Args:
        name: Its name in `DATASETS`.
        train_images: Shape (num_train, 3, 32, 32), uint8.
        train_labels: Shape (num_train,), uint8, 0 to 9.
        validation_images: Shape (num_validation, 3, 32, 32), uint8.
        validation_labels: Shape (num_validation,), uint8, 0 to 9.
        test_images: Shape (num_test, 3, 32, 32), uint8.
        test_labels: Shape (num_test,), uint8, 0 to 9.

    Raises:
        ValueError: A part has no image for each label, or validation is larger than training.
        TypeError: An array is not uint8.
    """

    name: str
    train_images: ByteArray
    train_labels: ByteArray
    validation_images: ByteArray
    validation_labels: ByteArray
    test_images: ByteArray
    test_labels: ByteArray

    def __post_init__(self) -> None:
        for part in ("train", "validation", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            if images.dtype != np.uint8 or labels.dtype != np.uint8:
                raise TypeError(f"{part} images and labels must be uint8, got {images.dtype} and {labels.dtype}.")
            if labels.ndim != 1 or images.shape != (len(labels), *IMAGE_SHAPE):
                raise ValueError(
                    f"{part} images and labels must have shapes (N, 3, 32, 32) and (N,), "
                    f"got {images.shape} and {labels.shape}."
                )
        if len(self.validation_labels) > len(self.train_labels):
            raise ValueError(
                f"validation must not be larger than training, or their losses cannot be compared on equally many "
                f"images; got {len(self.validation_labels)} above {len(self.train_labels)}."
            )

    @property
    def sizes(self) -> SplitSizes:
        """Number of images in each part."""
        return SplitSizes(len(self.train_labels), len(self.validation_labels), len(self.test_labels))

    @property
    def train_evaluation_images(self) -> ByteArray:
        """As many training as validation images, so that their losses compare: (num_validation, 3, 32, 32)."""
        return self.train_images[: len(self.validation_labels)]

    @property
    def train_evaluation_labels(self) -> ByteArray:
        """Labels of `train_evaluation_images`, shape (num_validation,)."""
        return self.train_labels[: len(self.validation_labels)]

    def subset(self, num_train_images: int | None, num_validation_images: int | None = None) -> "Dataset":
        """The data set with its first images of either part, sized by `SplitSizes.subset`; nothing is copied.

        Raises:
            ValueError: Too few or too many images.
        """
        sizes = self.sizes.subset(num_train_images, num_validation_images)
        return Dataset(
            name=self.name,
            train_images=self.train_images[: sizes.train],
            train_labels=self.train_labels[: sizes.train],
            validation_images=self.validation_images[: sizes.validation],
            validation_labels=self.validation_labels[: sizes.validation],
            test_images=self.test_images,
            test_labels=self.test_labels,
        )


def check_dataset(name: str, *, data_dir: Path | None = None, download: bool = False) -> None:
    """Raise what `load_dataset` would, but for a failed download, in less than a second and without torch.

    Raises:
        ValueError: The name is unknown, an argument has no meaning for it, or a file is missing or corrupt.
    """
    _check_arguments(name, data_dir, download)
    if name == SYNTHETIC:
        return
    if data_dir is None:
        check_cifar10_mini()
    else:
        check_cifar10(data_dir, download=download)


def load_dataset(name: str, *, data_dir: Path | None = None, download: bool = False) -> Dataset:
    """Load a data set of `DATASETS` from the package, or from the official files in `data_dir`.

    The last fifth (mini) or tenth of each class, in file order, is the validation set.

    Raises:
        ValueError: As `check_dataset`, or the download failed.
    """
    _check_arguments(name, data_dir, download)
    if name == SYNTHETIC:
        return _without_images(name)
    source = load_cifar10_mini() if data_dir is None else load_cifar10(data_dir, download=download)
    return _split(name, source)


def as_tensor(array: ByteArray) -> "Tensor":
    """The array as a tensor on the same memory, without a copy. Never write to it: workers share that memory."""
    import torch

    with warnings.catch_warnings():
        # Torch has no read-only tensors and says so; nothing here writes.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable", category=UserWarning)
        return torch.from_numpy(array)


def normalize(images: "Tensor") -> "Tensor":
    """Pixels with mean and standard deviation 0.5 per channel removed, as in the article.

    Args:
        images: Any shape, uint8.

    Returns:
        The same shape on the same device, float32 in [-1, 1].
    """
    return images.float().div_(127.5).sub_(1.0)


def _check_arguments(name: str, data_dir: Path | None, download: bool) -> None:
    """Refuse an unknown name, and a data directory that is missing or has no meaning."""
    if name not in DATASETS:
        raise ValueError(f"Unknown dataset {name!r}; choose one of {', '.join(DATASETS)}.")
    if name == "cifar10" and data_dir is None:
        raise ValueError("Dataset cifar10 is read from a directory, got none; add --data-dir DIR.")
    if name != "cifar10" and (data_dir is not None or download):
        given = f"--data-dir {data_dir}" if data_dir is not None else "--download"
        needs_none = "has no images" if name == SYNTHETIC else "comes with the package"
        raise ValueError(f"Dataset {name} {needs_none}, got {given}; leave it out or use --dataset cifar10.")


def _without_images(name: str) -> Dataset:
    images, labels = np.empty((0, *IMAGE_SHAPE), dtype=np.uint8), np.empty(0, dtype=np.uint8)
    return Dataset(
        name=name,
        train_images=images,
        train_labels=labels,
        validation_images=images,
        validation_labels=labels,
        test_images=images,
        test_labels=labels,
    )


def _split(name: str, source: LabelledImages) -> Dataset:
    num_validation = DATASETS[name].validation // NUM_CLASSES
    labels = source.train_labels
    validation = np.concatenate([np.flatnonzero(labels == label)[-num_validation:] for label in range(NUM_CLASSES)])
    train = np.setdiff1d(np.arange(len(labels)), validation)
    train, validation = (part[_fixed_order(len(part))] for part in (train, validation))
    dataset = Dataset(
        name=name,
        train_images=source.train_images[train],
        train_labels=source.train_labels[train],
        validation_images=source.train_images[validation],
        validation_labels=source.train_labels[validation],
        test_images=np.ascontiguousarray(source.test_images),
        test_labels=np.ascontiguousarray(source.test_labels),
    )
    for array in vars(dataset).values():
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
    return dataset


def _fixed_order(count: int) -> npt.NDArray[np.intp]:
    """A random order of `range(count)`, from hashes: the same on every machine and for every version of NumPy."""
    digests = [hashlib.sha256(str(position).encode()).digest() for position in range(count)]
    return np.array(sorted(range(count), key=digests.__getitem__), dtype=np.intp)
