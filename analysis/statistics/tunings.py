"""Optimizers that were tuned several times: how far a mean difference of two of them varies from tuning to tuning.

A table of means over seeds, one row per optimizer and one column per tuning, has three effects: of the optimizer, of
the seeds that all share in one tuning, and the interaction of both: the luck of each tuning and what is left of the
seeds. The mean square of the interaction is estimated from all optimizers of a study (Scheffe, 1959, The Analysis of
Variance, chapter 8: two-way layout, mixed model); Student's t with its degrees of freedom then judges a difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from analysis.statistics.intervals import Interval


@dataclass(frozen=True)
class TuningVariance:
    """Variance from tuning to tuning of the mean difference of two optimizers, pooled over all pairs of them.

    Args:
        value: Twice the mean square of the interaction of optimizers and tunings.
        num_comparisons: Degrees of freedom for each tuning beyond the first.
    """

    value: float
    num_comparisons: float

    @classmethod
    def of(cls, differences: Mapping[tuple[str, str], NDArray[np.float64]]) -> Self:
        """From the mean differences of pairs of optimizers in each tuning, at least one pair.

        Where every pair of n optimizers is there these are the n - 1 degrees of freedom of a two-way layout; else those
        of Satterthwaite (1946) for the sum of squares over the pairs, whose matrix is the Laplacian of their graph.

        Args:
            differences: By pair, shape (num_tunings,) with at least two.
        """
        names = sorted({name for pair in differences for name in pair})
        laplacian = np.zeros((len(names), len(names)))
        for pair in differences:
            one, other = (names.index(name) for name in pair)
            laplacian[[one, other], [one, other]] += 1
            laplacian[[one, other], [other, one]] -= 1
        comparisons = float(np.trace(laplacian) ** 2 / np.square(laplacian).sum())
        return cls(float(np.mean([own.var(ddof=1) for own in differences.values()])), comparisons)


def tuning_interval(differences: NDArray[np.float64], variance: TuningVariance, level: float) -> Interval:
    """Interval of the mean difference that another tuning of both optimizers is expected to have.

    Student's t with the pooled variance, but at least with that of this pair: an optimizer of which tuning finds very
    different settings may vary more than the others. The degrees of freedom are those of the pooled variance in both
    cases. Simulated in `python -m study.audit`.

    Args:
        differences: Mean difference in each tuning, shape (num_tunings,).
        variance: Of all pairs of the study.
        level: Probability of coverage.
    """
    half = tuning_half_width(differences, variance, len(differences), level)
    centre = float(differences.mean())
    return Interval(centre - half, centre + half)


def tuning_p(differences: NDArray[np.float64], variance: TuningVariance) -> float:
    """Two-sided p-value of no difference between the optimizers, by the same t."""
    error = (_variance(differences, variance) / len(differences)) ** 0.5
    centre = abs(float(differences.mean()))
    if error == 0:
        return 1.0 if centre == 0 else 0.0
    return float(2 * stdtr(_degrees(variance, len(differences)), -centre / error))


def tuning_half_width(
    differences: NDArray[np.float64], variance: TuningVariance, num_tunings: int, level: float
) -> float:
    """Half the width that the interval has with so many tunings, if they vary as these do."""
    quantile = float(stdtrit(_degrees(variance, num_tunings), (1 + level) / 2))
    return quantile * float((_variance(differences, variance) / num_tunings) ** 0.5)


def _degrees(variance: TuningVariance, num_tunings: int) -> float:
    return variance.num_comparisons * (num_tunings - 1)


def _variance(differences: NDArray[np.float64], variance: TuningVariance) -> float:
    return max(variance.value, float(differences.var(ddof=1)))
