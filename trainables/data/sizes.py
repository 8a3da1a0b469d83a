"""The data sets by name, and how many images each has. Imports nothing, so that `--help` answers at once."""

from collections.abc import Mapping
from typing import NamedTuple


class SplitSizes(NamedTuple):
    """Number of images in each part of a data set."""

    train: int
    validation: int
    test: int

    def subset(self, num_train_images: int | None, num_validation_images: int | None = None) -> "SplitSizes":
        """Sizes of a part of the images; test stays whole. A data set without images is its own only subset.

        Args:
            num_train_images: All if None.
            num_validation_images: If None half as many as for training, so that an epoch takes at most a third longer
                for its evaluations, or all if there are no more.

        Raises:
            ValueError: Fewer than 5 training or no validation images, more than there are, or more for validation than
                for training, whose losses are compared on equally many.
        """
        if not self.train and not num_train_images and not num_validation_images:
            return self
        train = self.train if num_train_images is None else num_train_images
        if not 5 <= train <= self.train:
            raise ValueError(f"--train-images must be from 5 to {self.train}, got {train}; pick one of these.")
        most = min(train, self.validation)
        validation = min(train // 2, most) if num_validation_images is None else num_validation_images
        if not 1 <= validation <= most:
            raise ValueError(f"--validation-images must be from 1 to {most}, got {validation}; pick one of these.")
        return self._replace(train=train, validation=validation)


SYNTHETIC = "synthetic"
"""The data set without images: a formula in the place of training, see `trainables.workloads.synthetic`."""

DATASETS: Mapping[str, SplitSizes] = {
    "cifar10-mini": SplitSizes(train=4_000, validation=1_000, test=1_000),
    "cifar10": SplitSizes(train=45_000, validation=5_000, test=10_000),
    SYNTHETIC: SplitSizes(train=0, validation=0, test=0),
}
