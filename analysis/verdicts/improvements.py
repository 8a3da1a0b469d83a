"""The improvements, one class each: how two sides are compared, and how the outcome is written and drawn."""

import math
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from analysis.claims.vocabulary import Improvement
from analysis.verdicts.evidence import NotTestableError
from analysis.wording import number, points

Array = NDArray[np.float64]
Direction = Literal["higher", "lower"]

MAX_EXPONENT = 700.0
"""Of a ratio that a floating-point number can hold."""

TO_THE_RIGHT = "right of the line: for the claim"


@dataclass(frozen=True, kw_only=True)
class Difference(Improvement):
    """The difference of both sides, in the unit of the metric."""

    name = "difference"

    def measure(
        self, ours: Array, theirs: Array, *, metric: str, better: Direction, over: Array | None = None
    ) -> Array:
        """B - a, or a - b where higher is better."""
        del metric, over
        return _sign(better) * (theirs - ours)

    def unit(self, metric_unit: str) -> str:
        """That of the metric."""
        return metric_unit

    def amount(self, improvement: float, unit: str) -> str:
        """With its sign; a fraction in percentage points."""
        if unit == "fraction":
            return points(improvement)
        return f"{'−' if improvement < 0 else '+'}{number(abs(improvement))} {unit}"

    def on_axis(self, improvement: float, unit: str) -> float:
        """A fraction in percentage points."""
        return 100 * improvement if unit == "fraction" else improvement

    def axis_title(self, noun: str, unit: str) -> list[str]:
        """In points or the unit of the metric."""
        return [f"improvement in {noun}, {'points' if unit == 'fraction' else unit}", TO_THE_RIGHT]


@dataclass(frozen=True, kw_only=True)
class Relative(Improvement):
    """The difference of both sides as a fraction of the mean of b."""

    name = "relative"

    def measure(
        self, ours: Array, theirs: Array, *, metric: str, better: Direction, over: Array | None = None
    ) -> Array:
        """Over the mean of b and not pair by pair: (b - a) / b is not symmetric when a and b change places.

        That is the mean over all seeds of all tunings together, taken for a constant.
        """
        scale = float((theirs if over is None else over).mean())
        if scale <= 0:
            raise NotTestableError(f"the rival's mean {metric} is {scale:g}: nothing is relative to it")
        return _sign(better) * (theirs - ours) / scale

    def unit(self, metric_unit: str) -> str:
        """A fraction, whatever the metric."""
        del metric_unit
        return "fraction of b"

    def amount(self, improvement: float, unit: str) -> str:
        """In per cent, with its sign."""
        del unit
        return points(improvement).replace(" points", "%")

    def on_axis(self, improvement: float, unit: str) -> float:
        """In per cent."""
        del unit
        return 100 * improvement

    def axis_title(self, noun: str, unit: str) -> list[str]:
        """In per cent of the rival."""
        del unit
        return [f"improvement in {noun}, % of the rival's mean", TO_THE_RIGHT]


@dataclass(frozen=True, kw_only=True)
class LogRatio(Improvement):
    """The logarithm of the ratio of both sides, shown as the ratio."""

    name = "log_ratio"
    scale = "log"
    effect_sign = "A ratio above 1 speaks for the claim."

    def measure(
        self, ours: Array, theirs: Array, *, metric: str, better: Direction, over: Array | None = None
    ) -> Array:
        """log(b / a), or log(a / b) where higher is better."""
        del over
        if (ours <= 0).any() or (theirs <= 0).any():
            raise NotTestableError(f"{metric} is not positive in every seed, so that it has no ratio")
        return np.asarray(_sign(better) * np.log(theirs / ours))

    def unit(self, metric_unit: str) -> str:
        """None, but that of a logarithm."""
        del metric_unit
        return "log ratio"

    def amount(self, improvement: float, unit: str) -> str:
        """How many times better."""
        return f"{self.on_axis(improvement, unit):.2f} times"

    def on_axis(self, improvement: float, unit: str) -> float:
        """The ratio."""
        del unit
        return math.exp(min(improvement, MAX_EXPONENT))

    def axis_title(self, noun: str, unit: str) -> list[str]:
        """How many times better."""
        del unit
        return [f"{noun}: how many times better", TO_THE_RIGHT]

    def comparison(self, noun: str, found: str, rival: str) -> str:
        """With the ratio."""
        del rival
        return f"its {noun} is {found} better"


@dataclass(frozen=True, kw_only=True)
class Within(Improvement):
    """How far the ratio of a to b stays below a bound, shown as the ratio.

    Args:
        bound: The ratio that a must stay below.
    """

    name = "within"
    has_bound = True
    effect_sign = "A ratio below the bound speaks for the claim."
    reading = "Left of the black line a step costs less than the claim allows."

    bound: float

    @classmethod
    def of(cls, bound: float | None) -> Self:
        """With the bound of the claim.

        Raises:
            ValueError: There is none.
        """
        if bound is None:
            raise ValueError("within needs a bound, got none; name the ratio that a must stay below.")
        return cls(bound=bound)

    def measure(
        self, ours: Array, theirs: Array, *, metric: str, better: Direction, over: Array | None = None
    ) -> Array:
        """Bound - a / b: a bound on a ratio is for what should be low."""
        del metric, better, over
        return np.asarray(self.bound - ours / theirs)

    def unit(self, metric_unit: str) -> str:
        """That of a ratio."""
        del metric_unit
        return "ratio"

    def amount(self, improvement: float, unit: str) -> str:
        """The ratio."""
        return f"{self.on_axis(improvement, unit):.3f} times"

    def size(self, improvement: float, unit: str) -> str:
        """As a part of the rival, of which the bound is a multiple."""
        del unit
        return f"{improvement:.3f} of the rival's"

    def on_axis(self, improvement: float, unit: str) -> float:
        """The ratio."""
        del unit
        return self.bound - improvement

    def axis_title(self, noun: str, unit: str) -> list[str]:
        """Over the rival."""
        del unit
        return [f"{noun} over the rival's", "left of the line: for the claim"]

    def ends(self, low: float, high: float) -> tuple[float, float]:
        """The least improvement is the largest ratio."""
        return high, low

    def comparison(self, noun: str, found: str, rival: str) -> str:
        """With the ratio to the rival."""
        return f"its {noun} is {found} that of {rival}"

    def beyond(self, bar: str, *, is_zero: bool) -> str:
        """Below the bound or what is left of it."""
        del is_zero
        return f"below {bar}"

    def middle(self, unit: str) -> str:
        """The bound itself."""
        return f"of {self.amount(0.0, unit)}"


def _sign(better: Direction) -> float:
    return 1.0 if better == "lower" else -1.0


IMPROVEMENTS: dict[str, type[Improvement]] = {kind.name: kind for kind in (Difference, Relative, LogRatio, Within)}
"""By the name in a file of claims."""
