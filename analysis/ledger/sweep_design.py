"""Which trials a sweep consists of: the winner of an optimizer with one hyperparameter moved at a time.

There are two designs. A sweep goes through every hyperparameter, on the seeds of the confirmation, so that each of its
runs has a pair in the winner's. Those of studies that began under an older release go through nine learning rates, on
the seeds of the tuning.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from analysis.ledger.plan import RATE

NEAR_STEPS = (-0.5, -0.25, 0.25, 0.5)
"""Steps from the winner in decades, factors of 1.8 and 3.2 to either side: what tuning by hand is off by."""

FAR_STEPS = (-1.0, 1.0)
"""A factor of 10: what a guess is off by."""

STEPS = tuple(sorted((*NEAR_STEPS, *FAR_STEPS)))
"""Steps of a sweep through every hyperparameter, by place."""

LINEAR_DECADE = 0.25
"""Part of its range that stands for a decade where a hyperparameter is searched evenly: such a range has no decades."""

RATE_STEPS = tuple(step / 2 for step in range(-4, 5))
"""Steps of a sweep of nine learning rates, by place."""


class Range(Protocol):
    """Where a hyperparameter is searched, and on which scale."""

    @property
    def low(self) -> float:
        """Smallest value."""

    @property
    def high(self) -> float:
        """Largest value."""

    @property
    def scale(self) -> Literal["linear", "log", "log_complement"]:
        """Even in the value, in log(value), in log(1 - value)."""


@dataclass(frozen=True)
class SweepPoint:
    """The winner with one value changed.

    Args:
        hyperparameter: Whose value.
        step: How far it was moved, in decades of its own scale; positive for a larger value.
        value: What it has become.
    """

    hyperparameter: str
    step: float
    value: float


@dataclass(frozen=True, kw_only=True)
class SweepDesign(ABC):
    """Numbers, points and seeds of a sweep. Numbers come in blocks, one for each winner that a study has had.

    Args:
        num_seeds: Replicates of each trial.

    Attributes:
        is_fresh: Whether they have the seeds of the confirmation, not those of the tuning.
    """

    is_fresh: ClassVar[bool]

    num_seeds: int

    @abstractmethod
    def block_size(self, space: Collection[str]) -> int:
        """Numbers that one winner has, used or not."""

    @abstractmethod
    def points(self, space: Mapping[str, Range], winner: Mapping[str, float]) -> dict[int, SweepPoint]:
        """Points around a winner, by number within its block; empty for an optimizer that is not swept."""

    def num_replicates(self, space: Collection[str]) -> int:
        """Replicates of a sweep through a winner that has room to all sides."""
        return self.num_seeds * self.block_size(space)


@dataclass(frozen=True, kw_only=True)
class EveryHyperparameter(SweepDesign):
    """Six steps of every hyperparameter, in alphabetical order, the others at the winner."""

    is_fresh = True

    def block_size(self, space: Collection[str]) -> int:
        """Six for each."""
        return len(STEPS) * len(space)

    def points(self, space: Mapping[str, Range], winner: Mapping[str, float]) -> dict[int, SweepPoint]:
        """A number whose step would leave the domain stays unused: nobody can be off by so much to that side."""
        found = {}
        for place, (name, axis) in enumerate(sorted(space.items())):
            for number, step in enumerate(STEPS, start=place * len(STEPS)):
                if (value := moved(axis, winner[name], step)) is not None:
                    found[number] = SweepPoint(name, step, value)
        return found


@dataclass(frozen=True, kw_only=True)
class NineRates(SweepDesign):
    """Nine learning rates, half a decade apart, on the seeds of the tuning; the winner's is the fifth."""

    is_fresh = False

    def block_size(self, space: Collection[str]) -> int:
        """Nine, or none without a learning rate."""
        return len(RATE_STEPS) if RATE in space else 0

    def points(self, space: Mapping[str, Range], winner: Mapping[str, float]) -> dict[int, SweepPoint]:
        """They may leave the range."""
        if RATE not in space:
            return {}
        return {number: SweepPoint(RATE, step, winner[RATE] * 10**step) for number, step in enumerate(RATE_STEPS)}


def sweep_design(*, has_sweep: bool, num_sweep_seeds: int | None, num_tuning_seeds: int) -> SweepDesign | None:
    """The design of a study's sweep; None if there is none.

    Args:
        has_sweep: Whether one is planned.
        num_sweep_seeds: Seeds of a sweep through every hyperparameter; None for one of nine learning rates.
        num_tuning_seeds: Replicates of a tuning trial.
    """
    if not has_sweep:
        return None
    if num_sweep_seeds is None:
        return NineRates(num_seeds=num_tuning_seeds)
    return EveryHyperparameter(num_seeds=num_sweep_seeds)


def moved(axis: Range, value: float, step: float) -> float | None:
    """The value so many decades up its own scale, beyond its range if need be; None if it would leave the domain.

    On "log" the domain ends at 0, on "log_complement" at 1 and at 0 (or at the low end of a range that goes below).
    A "linear" hyperparameter may be a probability or a count, so that only its range is known to be allowed.
    """
    match axis.scale:
        case "log":
            return value * 10**step if value > 0 else None
        case "log_complement":
            found = 1 - (1 - value) * 10**-step
            return found if min(0.0, axis.low) <= found < 1 else None
        case "linear":
            found = value + step * LINEAR_DECADE * (axis.high - axis.low)
            return found if axis.low <= found <= axis.high else None
