"""What the rows of a study say about one claim, before it is judged."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.intervals import Interval, half_width, percentile_interval
from analysis.statistics.median import median_interval
from analysis.statistics.paired import fewest_pairs, sign_flip_interval, sign_flip_p
from analysis.verdicts.image_error import ImageError

About = Literal["optimizers", "settings"]
"""What a verdict is about: the optimizers, however their tuning turns out, or the settings that it happened to find."""


MOST_SEEDS = 10_000
"""Beyond, no number of them is worth printing."""


class NotTestableError(Exception):
    """The rows cannot answer the question; the message says why, in one sentence without a full stop.

    Args:
        message: Why.
        seeds_needed: Pairs of seeds that can answer, where only more of them are wanting.
    """

    def __init__(self, message: str, *, seeds_needed: int | None = None) -> None:
        super().__init__(message)
        self.seeds_needed = seeds_needed


class Later(NamedTuple):
    """What a later look would see if the values went on to vary as they do.

    Args:
        number: Pairs or tunings at that look.
        half_width: Of the interval at the level of the claim.
        narrower: Of that at twice the error.
    """

    number: int
    half_width: float
    narrower: float


@dataclass(frozen=True, kw_only=True)
class Evidence(ABC):
    """An estimate of the improvement, with intervals at any level.

    Args:
        estimate: Improvement of a over b; positive speaks for the claim.
        value_a: The metric of a, mean over what was measured.
        value_b: The same for b.
        num_values: Pairs of seeds, timing blocks or points that the estimate rests on.

    Attributes:
        about: What a verdict that rests on it is about.
    """

    about: ClassVar[About] = "optimizers"

    estimate: float
    value_a: float
    value_b: float
    num_values: int

    @property
    def pairs(self) -> "PairedSeeds | None":
        """The differences at each seed, where there are such."""
        return None

    @abstractmethod
    def interval(self, level: float) -> Interval:
        """All improvements that the rows do not contradict at this level."""

    @abstractmethod
    def p_value(self) -> float | None:
        """Two-sided p-value of no improvement; None if there is only an interval."""

    def fewest_values(self, level: float) -> int:
        """Values from which on the interval of this level has ends."""
        del level
        return 1

    def later(self, level: float) -> Iterator[Later]:
        """What the next look would see with more and more seeds or tunings; nothing where neither adds to it.

        Args:
            level: Of the interval now. Where looks halve the error, the next one has half of what this one has.
        """
        del level
        yield from ()


@dataclass(frozen=True, kw_only=True)
class PairedSeeds(Evidence):
    """Differences of runs that share their seed: they speak of the settings that were trained.

    Args:
        differences: Improvement at each seed, mean over repeats, shape (num_seeds,).
        by_repeat: Mean improvement in each repeat of the tuning.
        ours: The metric of a at each repeat and seed, flattened.
        theirs: The metric of b, in the same order.
        dropped_targets: Targets that were left out since fewer than half of all runs reach them.
        image_error: What the sampling of the test images alone brings; None unless test errors are compared by image.
    """

    about: ClassVar[About] = "settings"

    differences: NDArray[np.float64]
    by_repeat: tuple[float, ...]
    ours: NDArray[np.float64]
    theirs: NDArray[np.float64]
    dropped_targets: tuple[float, ...] = ()
    image_error: ImageError | None = None

    @classmethod
    def of(
        cls,
        improvement: NDArray[np.float64],
        ours: NDArray[np.float64],
        theirs: NDArray[np.float64],
        *,
        dropped_targets: tuple[float, ...] = (),
        image_error: ImageError | None = None,
    ) -> Self:
        """Evidence from arrays of shape (num_repeats, num_seeds)."""
        differences = improvement.mean(axis=0)
        return cls(
            estimate=float(differences.mean()),
            value_a=float(ours.mean()),
            value_b=float(theirs.mean()),
            num_values=len(differences),
            differences=differences,
            by_repeat=tuple(float(mean) for mean in improvement.mean(axis=1)),
            ours=ours.ravel(),
            theirs=theirs.ravel(),
            dropped_targets=dropped_targets,
            image_error=image_error,
        )

    @property
    def pairs(self) -> Self:
        """Themselves."""
        return self

    def interval(self, level: float) -> Interval:
        """Inverted sign-flip test."""
        return sign_flip_interval(self.differences, level)

    def p_value(self) -> float:
        """Sign-flip test."""
        return sign_flip_p(self.differences)

    def fewest_values(self, level: float) -> int:
        """From there on the sign-flip interval has ends."""
        return fewest_pairs(level)

    def later(self, level: float) -> Iterator[Later]:
        """By Student's interval, which that of the sign-flip test is close to."""
        error = (1 - level) / 2
        yield from self.later_with(range(max(self.num_values + 1, fewest_pairs(1 - error)), MOST_SEEDS + 1), error)

    def later_with(self, numbers: Sequence[int], error: float) -> Iterator[Later]:
        """Looks that each have this error by themselves; at least one."""
        deviation = self.differences.std(ddof=1)
        widths = [half_width(deviation, numbers, 1 - own).tolist() for own in (error, min(2 * error, 1 - 1e-9))]
        yield from map(Later, numbers, *widths)


@dataclass(frozen=True, kw_only=True)
class Median(Evidence):
    """Values that are independent and have one median, the improvement, shape (num_values,).

    Those of step times: they are taken with the settings that were tuned.
    """

    about: ClassVar[About] = "settings"

    values: NDArray[np.float64]

    def interval(self, level: float) -> Interval:
        """Two of the values in order."""
        return median_interval(self.values, level)

    def p_value(self) -> None:
        """Only the interval is used."""

    def fewest_values(self, level: float) -> int:
        """As for pairs: the whole range of n values errs with probability 2^(1 - n)."""
        return fewest_pairs(level)


@dataclass(frozen=True, kw_only=True)
class Draws(Evidence):
    """Bootstrap draws of the improvement, shape (num_draws,)."""

    draws: NDArray[np.float64]

    def interval(self, level: float) -> Interval:
        """Percentiles of the draws."""
        return percentile_interval(self.draws, level)

    def p_value(self) -> None:
        """A bootstrap tests nothing."""
