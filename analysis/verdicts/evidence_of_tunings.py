"""Pairs of optimizers that were tuned several times: what the tunings say, beyond the settings that they found."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.intervals import Interval
from analysis.statistics.tunings import TuningVariance, tuning_half_width, tuning_interval, tuning_p
from analysis.verdicts.evidence import Evidence, Later, PairedSeeds
from analysis.verdicts.image_error import ImageError

MOST_TUNINGS = 1000
"""Beyond, no number of them is worth printing."""


@dataclass(frozen=True, kw_only=True)
class PairedTunings(Evidence):
    """Mean differences of several tunings, each with seeds of its own: they speak of the optimizers.

    Args:
        by_repeat: Mean improvement in each tuning, shape (num_tunings,).
        variance: From tuning to tuning, pooled over all optimizers of the study.
        at_settings: The same runs pair by pair, as if the settings were given.
    """

    by_repeat: NDArray[np.float64]
    variance: TuningVariance
    at_settings: PairedSeeds

    @classmethod
    def of(
        cls,
        improvement: NDArray[np.float64],
        ours: NDArray[np.float64],
        theirs: NDArray[np.float64],
        variance: TuningVariance,
        *,
        dropped_targets: tuple[float, ...] = (),
        image_error: ImageError | None = None,
    ) -> Self:
        """Evidence from arrays of shape (num_tunings, num_seeds)."""
        return cls(
            estimate=float(improvement.mean()),
            value_a=float(ours.mean()),
            value_b=float(theirs.mean()),
            num_values=improvement.size,
            by_repeat=improvement.mean(axis=1),
            variance=variance,
            at_settings=PairedSeeds.of(
                improvement.reshape(1, -1), ours, theirs, dropped_targets=dropped_targets, image_error=image_error
            ),
        )

    @property
    def pairs(self) -> PairedSeeds:
        """Of all tunings."""
        return self.at_settings

    def interval(self, level: float) -> Interval:
        """Student's t over the tunings."""
        return tuning_interval(self.by_repeat, self.variance, level)

    def p_value(self) -> float:
        """The test that belongs to it."""
        return tuning_p(self.by_repeat, self.variance)

    def later(self, level: float) -> Iterator[Later]:
        """With more tunings: more seeds of each hardly help."""
        error = (1 - level) / 2
        for number in range(len(self.by_repeat) + 1, MOST_TUNINGS + 1):
            widths = (tuning_half_width(self.by_repeat, self.variance, number, 1 - e) for e in (error, 2 * error))
            yield Later(number, *widths)
