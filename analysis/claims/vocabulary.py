"""What the words of a file of claims stand for: the ways to compare two sides, and the metrics of a whole study."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self

if TYPE_CHECKING:  # whoever only stores claims needs no arrays
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Improvement(ABC):
    """How two sides are compared, and how the outcome is written and drawn; positive where it speaks for the claim.

    The `unit` that its methods take is what its own `unit` returns.

    Attributes:
        name: What a file of claims calls it.
        has_bound: Whether a claim names a bound; only metrics of a whole study that ask for it are compared so.
        scale: Of the axis that it is drawn on.
        effect_sign: Which effects speak for the claim, one sentence.
        reading: What the line of no effect in a chart means, one sentence.
    """

    name: ClassVar[str]
    has_bound: ClassVar[bool] = False
    scale: ClassVar[Literal["linear", "log"]] = "linear"
    effect_sign: ClassVar[str] = "A positive effect speaks for the claim."
    reading: ClassVar[str] = (
        "On the black line both sides are equal, within the grey band the difference matters to nobody."
    )

    @classmethod
    def of(cls, bound: float | None) -> Self:
        """The improvement of a claim with this bound, which is None unless `has_bound`."""
        del bound
        return cls()

    @abstractmethod
    def measure(
        self,
        ours: "NDArray[np.float64]",
        theirs: "NDArray[np.float64]",
        *,
        metric: str,
        better: Literal["higher", "lower"],
        over: "NDArray[np.float64] | None" = None,
    ) -> "NDArray[np.float64]":
        """How much better a is, in the shape of both sides.

        Args:
            ours: The metric of a.
            theirs: The metric of b, in the same shape.
            metric: Name of the metric, for messages.
            better: Its better direction.
            over: Values of the rival whose scale is meant, where an improvement has one; `theirs` if None.

        Raises:
            NotTestableError: These values cannot be compared so.
        """

    @abstractmethod
    def unit(self, metric_unit: str) -> str:
        """Unit of the improvement in a metric of the given unit."""

    @abstractmethod
    def amount(self, improvement: float, unit: str) -> str:
        """An improvement in the unit that readers know."""

    def size(self, improvement: float, unit: str) -> str:
        """How large an improvement above 0 is, behind "by less than"."""
        return self.amount(improvement, unit).lstrip("+")

    @abstractmethod
    def on_axis(self, improvement: float, unit: str) -> float:
        """An improvement in the numbers that `amount` writes, for a chart; infinite ones stay so."""

    @abstractmethod
    def axis_title(self, noun: str, unit: str) -> list[str]:
        """What `on_axis` returns, with its unit, and which side speaks for the claim: two lines."""

    def ends(self, low: float, high: float) -> tuple[float, float]:
        """The ends of an interval in the order in which readers see them."""
        return low, high

    def comparison(self, noun: str, found: str, rival: str) -> str:
        """What was found in a metric, behind "a is better than b: "."""
        del rival
        return f"{found} better in {noun}"

    def beyond(self, bar: str, *, is_zero: bool) -> str:
        """Where an interval lies that supports the claim: beyond the least that would matter, which may be zero."""
        return "on the side of the claim" if is_zero else f"above {bar}, the least that would matter"

    def middle(self, unit: str) -> str:
        """What an interval reaches to both sides of if nothing can be told."""
        del unit
        return "of no difference"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a claim on a metric of a whole study has to say.

    Args:
        improvement: Name of the only improvement that its evidence is: another one would have a false unit.
        needs_batch_size: Whether the claim names a batch size; no other claim may.
    """

    improvement: str
    needs_batch_size: bool = False


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """All words that a question may use, beside the metrics of runs.

    Args:
        improvements: Ways to compare two sides, by name.
        study_metrics: Terms of each metric of a whole study, by name.
    """

    improvements: Mapping[str, type[Improvement]]
    study_metrics: Mapping[str, Terms]

    @property
    def metrics(self) -> list[str]:
        """Names of all that a claim can be about, in alphabetical order."""
        from analysis.metrics import METRICS, PAIR_METRICS  # here, because whoever only stores claims needs no tables

        return sorted({*METRICS, *PAIR_METRICS, *self.study_metrics})
