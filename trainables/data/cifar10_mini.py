"""The mini data set: the first images of each class of CIFAR-10, shipped as one lossless picture.

`python -m trainables.data.cifar10_mini DATA_DIR FILE` makes the picture from a full CIFAR-10.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from trainables.data.cifar10 import IMAGE_SHAPE, NUM_CLASSES, ByteArray, LabelledImages, check_md5, load_cifar10

TRAIN_PER_CLASS = 500
TEST_PER_CLASS = 100

_FILE = Path(__file__).with_suffix(".webp")
_FILE_MD5 = "728a912751aee8d14e43537fde13a9d6"
_PIXELS_SHA256 = "52abfbd59a878c33024b61db0af4263574eaef9b30c33976b744bcc21406d820"
_CURE = "install this package again."

# The picture is a grid of tiles, 100 a row. Each class has 5 rows of training images, in class order; below
# them each class has one row of test images. So the label of a tile is told by its place.
_COLUMNS = 100
_NUM_TRAIN = TRAIN_PER_CLASS * NUM_CLASSES


def check_cifar10_mini() -> None:
    """Check the MD5 of the shipped file.

    Raises:
        ValueError: It is missing, unreadable or corrupt.
    """
    check_md5(_FILE, _FILE_MD5, cure=_CURE)


def load_cifar10_mini() -> LabelledImages:
    """5,000 training and 1,000 test images, class by class, each class in the file order of CIFAR-10.

    Raises:
        ValueError: As `check_cifar10_mini`, or the picture decodes to other pixels than it was made of.
    """
    check_cifar10_mini()
    images = _from_picture(_decode(_FILE))
    labels = np.arange(NUM_CLASSES, dtype=np.uint8)
    return LabelledImages(
        train_images=images[:_NUM_TRAIN],
        train_labels=labels.repeat(TRAIN_PER_CLASS),
        test_images=images[_NUM_TRAIN:],
        test_labels=labels.repeat(TEST_PER_CLASS),
    )


def make_cifar10_mini(data_dir: Path, path: Path) -> None:
    """Write the picture made of the CIFAR-10 in `data_dir`; takes a minute, with the smallest file in mind.

    Raises:
        FileExistsError: `path` is there already.
        ValueError: `data_dir` holds no valid CIFAR-10.
    """
    source = load_cifar10(data_dir, download=False)
    train = first_of_each_class(source.train_labels, TRAIN_PER_CLASS)
    test = first_of_each_class(source.test_labels, TEST_PER_CLASS)
    picture = _to_picture(np.concatenate([source.train_images[train], source.test_images[test]]))
    with path.open("xb") as file:
        Image.fromarray(picture).save(file, "WEBP", lossless=True, exact=True, quality=100, method=6)
    _decode(path)


def first_of_each_class(labels: ByteArray, count: int) -> npt.NDArray[np.intp]:
    """Indices of the first `count` entries of class 0, then of class 1, and so on."""
    return np.concatenate([np.flatnonzero(labels == label)[:count] for label in range(NUM_CLASSES)])


def _decode(path: Path) -> ByteArray:
    """Pixels of the picture, shape (height, width, 3), once they are the ones it was made of."""
    try:
        with Image.open(path) as image:
            picture = np.asarray(image.convert("RGB"))
    except OSError as error:
        raise ValueError(f"{path} must be decoded as WebP, got: {error}; install Pillow with WebP support.") from None
    actual = hashlib.sha256(picture.tobytes()).hexdigest()
    if actual != _PIXELS_SHA256:
        raise ValueError(f"{path} must decode to pixels with SHA-256 {_PIXELS_SHA256}, got {actual}; {_CURE}")
    return picture


def _to_picture(images: ByteArray) -> ByteArray:
    """Tiles of shape (num_images, 3, 32, 32) as one picture of shape (height, width, 3)."""
    channels, height, width = IMAGE_SHAPE
    tiles = images.reshape(-1, _COLUMNS, channels, height, width)
    return tiles.transpose(0, 3, 1, 4, 2).reshape(-1, _COLUMNS * width, channels)


def _from_picture(picture: ByteArray) -> ByteArray:
    """The inverse of `_to_picture`."""
    channels, height, width = IMAGE_SHAPE
    tiles = picture.reshape(-1, height, _COLUMNS, width, channels)
    return tiles.transpose(0, 2, 4, 1, 3).reshape(-1, channels, height, width)


def _main() -> None:
    parser = argparse.ArgumentParser(description="Make the picture of the mini data set from a full CIFAR-10.")
    parser.add_argument("data_dir", type=Path, help="directory with cifar-10-batches-bin or cifar-10-batches-py")
    parser.add_argument("file", type=Path, help="where to write, for example cifar10_mini.webp; must not exist")
    arguments = parser.parse_args()
    try:
        make_cifar10_mini(arguments.data_dir, arguments.file)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    md5 = hashlib.md5(arguments.file.read_bytes(), usedforsecurity=False).hexdigest()
    print(f"wrote {arguments.file}, {arguments.file.stat().st_size:,} bytes, MD5 {md5}")


if __name__ == "__main__":
    _main()
