"""Where the networks of simulated studies come from in the place of training: a formula, or a bank of real ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from study.audit.bank import Bank
from study.search import Point
from study.spec import OptimizerDefinition
from trainables.spec import Hyperparameter

Array = NDArray[np.float64]
Runs = Mapping[str, Array]
"""What runs on fresh seeds score in each metric; lower is better."""


METRICS = ("test error", "log of the swing", "log of the steps")
"""What is claimed, each one family of six."""

GAP = "gap of the losses"
"""The same of real networks alone."""

NUM_SEEDS, NUM_FRESH = 2, 12
FRESH_OF_BANK = 8
"""So that no two of four tunings share a network of the bank."""


class Tuned(Protocol):
    """The networks of one tuning: all optimizers have the same seeds in it, and no other tuning has them."""

    def validation_errors(self, point: Point) -> Array:
        """Of the networks that tuning trains at a point, shape (NUM_SEEDS,)."""

    def confirm(self, point: Point) -> Runs:
        """Fresh networks at a point, shape (num_fresh,) each."""


class Networks(Protocol):
    """Where the networks of an optimizer come from in the place of training."""

    @property
    def name(self) -> str:
        """What a line of the table calls it."""

    @property
    def definition(self) -> OptimizerDefinition:
        """An optimizer whose space is the unit cube."""

    def tunings(self, random: np.random.Generator, number: int) -> Sequence[Tuned]:
        """The networks of the tunings of one study."""


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """What a network scores by a formula, with the sizes that the networks of the default study have.

    The expected error at a point of the unit cube is .55 and `steepness` times the squared distance from the middle.
    The logarithms of the swing of the losses and of the steps to the targets follow the first coordinate, as those of
    real networks follow the learning rate: settings whose errors no tuning tells apart differ in them.

    Args:
        num_hyperparameters: Dimensions of the cube.
        steepness: Of the error.
        deviation: Standard deviation of an error from seed to seed, that of 1,000 test images included.
        swing_slope: Of the logarithm of the swing along the first coordinate.
        steps_slope: The same of the steps.
    """

    num_hyperparameters: int
    steepness: float = 1.5
    deviation: float = 0.025
    swing_slope: float = 2.0
    steps_slope: float = -1.0

    @property
    def name(self) -> str:
        """Says that no network was trained."""
        return f"a formula of {self.num_hyperparameters} hyperparameters"

    @property
    def definition(self) -> OptimizerDefinition:
        """An optimizer that has this space."""
        return unit_cube(self.num_hyperparameters)

    def tunings(self, random: np.random.Generator, number: int) -> list["OfLandscape"]:
        """All alike: no two networks share anything."""
        return [OfLandscape(self, random)] * number


@dataclass(frozen=True)
class OfLandscape:
    """Networks of a formula, each with a noise of its own."""

    landscape: Landscape
    random: np.random.Generator

    def validation_errors(self, point: Point, num_seeds: int = NUM_SEEDS) -> Array:
        """Of `num_seeds` networks."""
        distance = sum((value - 0.5) ** 2 for value in point.values())
        noise = self.random.normal(scale=self.landscape.deviation, size=num_seeds)
        return np.clip(0.55 + self.landscape.steepness * distance + noise, 0.0, 1.0)

    def confirm(self, point: Point) -> Runs:
        """Fresh networks at a point, shape (NUM_FRESH,) each."""
        first = point["x0"] - 0.5
        swing, steps = self.random.normal(size=(2, NUM_FRESH))
        return {
            METRICS[0]: self.validation_errors(point, NUM_FRESH),
            METRICS[1]: self.landscape.swing_slope * first + 0.06 * swing,
            METRICS[2]: self.landscape.steps_slope * first + 0.1 * steps,
        }


@dataclass(frozen=True)
class BankNetworks:
    """Real networks: at a point that is asked for stands the nearest setting of the bank.

    Args:
        optimizer: Whose bank.
    """

    optimizer: str

    @property
    def name(self) -> str:
        """Says whose networks they are."""
        return f"networks of {self.optimizer}"

    @property
    def definition(self) -> OptimizerDefinition:
        """An optimizer that has as many hyperparameters."""
        return unit_cube(Bank.of(self.optimizer).num_hyperparameters)

    def tunings(self, random: np.random.Generator, number: int) -> list["OfBank"]:
        """Each with seeds of its own: the bank has enough of them for four."""
        bank, size = Bank.of(self.optimizer), NUM_SEEDS + FRESH_OF_BANK
        seeds = random.permutation(bank.num_seeds)[: number * size].reshape(number, size)
        return [OfBank(bank, own[:NUM_SEEDS], own[NUM_SEEDS:]) for own in seeds]


@dataclass(frozen=True)
class OfBank:
    """The networks of some seeds of a bank."""

    bank: Bank
    tuned: NDArray[np.intp]
    fresh: NDArray[np.intp]

    def validation_errors(self, point: Point) -> Array:
        """Of the networks at the nearest setting."""
        errors: Array = self.bank.values["validation_error"][self.bank.nearest(point), self.tuned]
        return errors

    def confirm(self, point: Point) -> Runs:
        """Fresh networks at the nearest setting, shape (FRESH_OF_BANK,) each."""
        setting = self.bank.nearest(point)
        own = {name: values[setting, self.fresh] for name, values in self.bank.values.items()}
        found = (own["test_error"], np.log(own["swing"]), np.log(own["steps"]), own["gap"])
        return dict(zip((*METRICS, GAP), found, strict=True))


def unit_cube(num_hyperparameters: int) -> OptimizerDefinition:
    """An optimizer whose hyperparameters x0, x1, ... lie between 0 and 1."""
    names = [f"x{place}" for place in range(num_hyperparameters)]
    axis = Hyperparameter(low=0.0, high=1.0, scale="linear", unit="1")
    published = dict.fromkeys(names, 0.9)
    return OptimizerDefinition(equation="", space=dict.fromkeys(names, axis), published=published, reference="")
