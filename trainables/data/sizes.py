"""The data sets by name, and how many images each has. Imports nothing, so that `--help` answers at once."""

from collections.abc import Mapping
from typing import NamedTuple


class SplitSizes(NamedTuple):
    """Number of images in each part of a data set."""

    train: int
    validation: int
    test: int

    def subset(self, num_train_images: int | None) -> "SplitSizes":
        """Sizes for `num_train_images` (None: all): validation shrinks to a fifth of them, test stays whole.

        A data set without images is its own only subset.

        Raises:
            ValueError: Fewer than 5 images, which leaves none to evaluate on, or more than there are.
        """
        if num_train_images is None or num_train_images == self.train == 0:
            return self
        if not 5 <= num_train_images <= self.train:
            raise ValueError(
                f"--train-images must be from 5 to {self.train}, got {num_train_images}; pick one of these."
            )
        return self._replace(train=num_train_images, validation=min(num_train_images // 5, self.validation))


SYNTHETIC = "synthetic"
"""The data set without images: a formula in the place of training, see `trainables.workloads.synthetic`."""

DATASETS: Mapping[str, SplitSizes] = {
    "cifar10-mini": SplitSizes(train=4_000, validation=1_000, test=1_000),
    "cifar10": SplitSizes(train=45_000, validation=5_000, test=10_000),
    SYNTHETIC: SplitSizes(train=0, validation=0, test=0),
}
