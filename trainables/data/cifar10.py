"""The official releases of CIFAR-10, read after an MD5 check. The only module that imports torchvision."""

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trainables.lines import one_line

NUM_CLASSES = 10
IMAGE_SHAPE = (3, 32, 32)  # channels (red, green, blue), height, width

_BINARY_FOLDER = "cifar-10-batches-bin"
_BINARY_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
_BINARY_MD5 = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
_PICKLE_FOLDER = "cifar-10-batches-py"
_PICKLE_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}

ByteArray = npt.NDArray[np.uint8]


class LabelledImages(NamedTuple):
    """Images and labels in the order of their files.

    Args:
        train_images: Shape (num_train, 3, 32, 32).
        train_labels: Shape (num_train,), 0 to 9.
        test_images: Shape (num_test, 3, 32, 32).
        test_labels: Shape (num_test,), 0 to 9.
    """

    train_images: ByteArray
    train_labels: ByteArray
    test_images: ByteArray
    test_labels: ByteArray


def check_cifar10(data_dir: Path, *, download: bool) -> None:
    """Check the MD5 of every file of the release that `load_cifar10` would read; with `download`, none need be there.

    Raises:
        ValueError: A file is missing, unreadable or corrupt, or there is no release and `download` is off.
    """
    if folder := _find_folder(data_dir, _BINARY_FOLDER):
        _check_files(folder, _BINARY_MD5)
    elif folder := _find_folder(data_dir, _PICKLE_FOLDER):
        _check_files(folder, _PICKLE_MD5)
    elif data_dir.exists() and not data_dir.is_dir():
        raise ValueError(f"The data directory must be a directory, got the file {data_dir}; pick another --data-dir.")
    elif not download:
        raise ValueError(
            f"The data directory must hold {_BINARY_FOLDER} or {_PICKLE_FOLDER}, got {data_dir} with neither; "
            f"unpack {_BINARY_URL} there or add --download."
        )


def load_cifar10(data_dir: Path, *, download: bool) -> LabelledImages:
    """All 50,000 training and 10,000 test images: the binary release if it is there, else torchvision's pickles.

    Raises:
        ValueError: As `check_cifar10`, or the download failed.
    """
    check_cifar10(data_dir, download=download)
    if folder := _find_folder(data_dir, _BINARY_FOLDER):
        return _read_binary(folder)
    folder = _find_folder(data_dir, _PICKLE_FOLDER)
    return _read_pickles(folder.absolute().parent if folder else data_dir, download=download)


def check_md5(path: Path, expected: str, *, cure: str) -> None:
    """Refuse the file at `path` unless its MD5 is `expected`; `cure` ends the message.

    Raises:
        ValueError: The file is missing, unreadable or has another MD5.
    """
    try:
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise ValueError(f"{path} must be a readable file with MD5 {expected}, got: {error.strerror}; {cure}") from None
    if actual != expected:
        raise ValueError(f"{path} must have MD5 {expected}, got {actual}; {cure}")


def _find_folder(data_dir: Path, name: str) -> Path | None:
    """The folder `name` in `data_dir`, or `data_dir` itself if that is its name."""
    folder = data_dir if data_dir.absolute().name == name else data_dir / name
    try:
        return folder if folder.is_dir() else None
    except OSError as error:
        raise ValueError(f"The data directory must be readable, got {data_dir}: {error.strerror}.") from None


def _check_files(folder: Path, md5: Mapping[str, str]) -> None:
    cure = f"delete {folder}, then unpack {_BINARY_URL} beside it or add --download."
    for name, expected in md5.items():
        check_md5(folder / name, expected, cure=cure)


def _read_binary(folder: Path) -> LabelledImages:
    """Records of 3,073 bytes: the label, then the red, green and blue planes row by row."""
    batches = [np.fromfile(folder / name, dtype=np.uint8).reshape(-1, 1 + 3 * 32 * 32) for name in _BINARY_MD5]
    train, test = np.concatenate(batches[:-1]), batches[-1]
    return LabelledImages(
        train_images=train[:, 1:].reshape(-1, *IMAGE_SHAPE),
        train_labels=train[:, 0],
        test_images=test[:, 1:].reshape(-1, *IMAGE_SHAPE),
        test_labels=test[:, 0],
    )


def _read_pickles(root: Path, *, download: bool) -> LabelledImages:
    """Read `root`/cifar-10-batches-py through torchvision, which checks each MD5 again before it opens a pickle."""
    from torchvision.datasets import CIFAR10  # here, because it takes seconds

    try:
        with warnings.catch_warnings():
            # The pickles say align=0 for align=False, as NumPy did in 2009; NumPy 2.4.0 warns of it, 2.4.6 does not.
            warnings.filterwarnings("ignore", message=r"dtype\(\): align should be passed", category=UserWarning)
            train, test = (CIFAR10(root, train=is_train, download=download) for is_train in (True, False))
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"CIFAR-10 could not be fetched from {CIFAR10.url} into {root}, got: {one_line(str(error))}; "
            f"mend the connection, or unpack {_BINARY_URL} there by other means."
        ) from None
    return LabelledImages(
        train_images=np.ascontiguousarray(train.data.transpose(0, 3, 1, 2)),
        train_labels=np.array(train.targets, dtype=np.uint8),
        test_images=np.ascontiguousarray(test.data.transpose(0, 3, 1, 2)),
        test_labels=np.array(test.targets, dtype=np.uint8),
    )
