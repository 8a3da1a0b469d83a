"""A bank of real networks: what training gives at many settings from many seeds, so that tuning can be simulated.

`python -m study.audit.bank FILE` trains it anew, which takes three quarters of an hour on two cores; `bank.parquet`
beside this module was made so on an AMD EPYC with AVX-512 on 2026-11-28.
Each optimizer has been trained at Sobol points of its space on 800 of the packaged images for 8 epochs of batch 10, as
in the default study, and evaluated on 800 others.
"""

import os
import pathlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.command_line import Parser, path, stoppable
from study.search import Point

FILE = pathlib.Path(__file__).with_name("bank.parquet")

NUM_POINTS = {"momentum": 64, "adam": 96}
"""Settings of each optimizer: more where there are more hyperparameters."""

NUM_SEEDS = 42
GROUP = 14
"""Networks that train at once."""

FIRST_SEED, SOBOL_SEED = 1000, 12345
NUM_IMAGES, BATCH_SIZE, NUM_EPOCHS = 800, 10, 8

TARGETS = (0.20, 0.25, 0.30, 0.35, 0.40)
"""Validation accuracies, those of the article's claims."""

COLUMNS = ("validation_error", "test_error", "gap", "swing", "steps")
"""What is kept of a network: final errors, final validation loss minus training loss in nats, root mean square distance
of the step losses from their rolling median in nats, and mean of the steps at which it first is at each target."""

WINDOW = 51
"""Steps of the rolling median."""

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Bank:
    """The networks of one optimizer.

    Args:
        cube: Its settings in the unit cube, shape (num_points, num_hyperparameters).
        values: Each of `COLUMNS`, shape (num_points, num_seeds). A network that diverged has errors 1, all steps, and
            NaN for the gap and the swing.
    """

    cube: Array
    values: Mapping[str, Array]

    @classmethod
    def of(cls, optimizer: str) -> Self:
        """What the file holds of an optimizer."""
        rows = _rows().filter(optimizer=optimizer).sort("point", "seed")
        shape = (rows["point"].n_unique(), rows["seed"].n_unique())
        axes = [name for name in rows.columns if name.startswith("x") and rows[name].null_count() == 0]
        cube = rows.group_by("point", maintain_order=True).first().select(axes).to_numpy()
        return cls(cube=cube, values={name: rows[name].cast(pl.Float64).to_numpy().reshape(shape) for name in COLUMNS})

    @property
    def num_hyperparameters(self) -> int:
        """Dimensions of the cube."""
        return int(self.cube.shape[1])

    @property
    def num_seeds(self) -> int:
        """Networks at each setting; the same seeds at all of them."""
        return int(self.values["test_error"].shape[1])

    def nearest(self, point: Point) -> int:
        """Number of the setting nearest to a point of the cube, whose coordinates are named x0, x1, ..."""
        wanted = [point[f"x{place}"] for place in range(self.num_hyperparameters)]
        return int(np.square(self.cube - wanted).sum(axis=1).argmin())


@cache
def _rows() -> pl.DataFrame:
    return pl.read_parquet(FILE)


@stoppable("python -m study.audit.bank")
def main(words: Sequence[str] | None = None) -> int:
    """Train the bank and write it to a file that is not there yet."""
    parser = Parser(prog="python -m study.audit.bank", description=__doc__, allow_abbrev=False)
    parser.add_argument("file", type=path, metavar="FILE", help="where the networks are written to")
    file = parser.parse_args(words).file
    if file.exists():
        parser.error(f"FILE must be new, got {str(file)!r}; choose another or remove it.")
    if not os.access(file.parent, os.W_OK) or not file.parent.is_dir():
        parser.error(f"FILE must lie in a folder that may be written to, got {str(file)!r}; choose another.")
    write(file, [row for optimizer in NUM_POINTS for row in trained(optimizer, NUM_POINTS[optimizer])])
    return 0


def write(file: pathlib.Path, rows: list[dict[str, Any]]) -> None:
    """Write a bank.

    Args:
        file: Where to.
        rows: One for each network, as `trained` gives them.
    """
    numbers = [f"x{place}" for place in range(3)]
    schema = {"optimizer": pl.String, "point": pl.Int16, "seed": pl.Int16}
    schema |= dict.fromkeys(numbers, pl.Float64) | dict.fromkeys(COLUMNS, pl.Float32)
    pl.DataFrame(rows, schema=schema).write_parquet(file, compression="zstd", compression_level=19)


def trained(optimizer: str, num_points: int) -> Iterator[dict[str, Any]]:
    """One row for each network of an optimizer.

    Args:
        optimizer: Its name.
        num_points: Settings, a power of two best.
    """
    from scipy.stats import qmc

    from trainables.optimizers import resolve_optimizer

    axes = sorted(resolve_optimizer(optimizer, {}).space.items())
    for point, fractions in enumerate(qmc.Sobol(len(axes), rng=SOBOL_SEED).random(num_points)):
        at = {f"x{place}": float(fraction) for place, fraction in enumerate(fractions)}
        for first in range(0, NUM_SEEDS, GROUP):
            seeds = range(first, first + GROUP)
            for seed, kept in zip(seeds, train_at(optimizer, fractions, seeds), strict=True):
                yield {"optimizer": optimizer, "point": point, "seed": seed, **at, **kept}


def train_at(optimizer: str, fractions: Array, seeds: range) -> list[dict[str, float]]:
    """What is kept of the networks at one setting.

    Args:
        optimizer: Its name.
        fractions: Place of each of its hyperparameters, by name in order, in its range.
        seeds: Numbers of the seeds.
    """
    from trainables.data.dataset import load_dataset
    from trainables.optimizers import resolve_optimizer
    from trainables.training.loop import Training
    from trainables.training.trial import TrialConfig

    spec = resolve_optimizer(optimizer, {})
    axes = sorted(spec.space.items())
    config = TrialConfig(
        optimizer=optimizer,
        hyperparameters={name: axis.at(float(at)) for (name, axis), at in zip(axes, fractions, strict=True)},
        seeds=tuple(FIRST_SEED + seed for seed in seeds),
        batch_size=BATCH_SIZE,
        num_epochs=NUM_EPOCHS,
    )
    data = load_dataset("cifar10-mini").subset(NUM_IMAGES, NUM_IMAGES)
    training = Training(config, spec, data)
    epochs = []
    while not training.finished:
        epochs += training.run_epoch()
    tests = training.evaluate_test().errors.tolist()
    own = [[epoch for epoch in epochs if epoch.replicate == place] for place in range(len(seeds))]
    return [
        kept(
            validation_errors=[epoch.validation_error for epoch in of_one],
            test_error=test,
            losses=(of_one[-1].train_loss, of_one[-1].validation_loss),
            step_losses=np.concatenate([epoch.step_losses for epoch in of_one]).astype(np.float64),
        )
        for of_one, test in zip(own, tests, strict=True)
    ]


def kept(
    *, validation_errors: list[float], test_error: float, losses: tuple[float | None, float | None], step_losses: Array
) -> dict[str, float]:
    """What the bank keeps of a network.

    Args:
        validation_errors: After each epoch.
        test_error: After the last one.
        losses: Of training and of validation images after the last one, None if it diverged.
        step_losses: Of every step.
    """
    from scipy.ndimage import median_filter

    train, validation = losses
    num_steps = NUM_IMAGES // BATCH_SIZE
    accuracies = 1 - np.array(validation_errors)
    reached = [np.flatnonzero(accuracies >= target) for target in TARGETS]
    if train is None or validation is None:
        every = float(num_steps * NUM_EPOCHS)
        return {"validation_error": 1.0, "test_error": 1.0, "gap": np.nan, "swing": np.nan, "steps": every}
    steps = np.mean([num_steps * (at[0] + 1 if at.size else NUM_EPOCHS) for at in reached])
    distances = step_losses - median_filter(step_losses, WINDOW, mode="nearest")
    return {
        "validation_error": validation_errors[-1],
        "test_error": test_error,
        "gap": validation - train,
        "swing": float(np.sqrt(np.square(distances).mean())),
        "steps": float(steps),
    }


if __name__ == "__main__":
    sys.exit(main())
