"""What an optimizer declares about itself: its hyperparameters, published setting and source."""

import keyword
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from analysis.plugins import NAME, NAMED

Scale = Literal["linear", "log", "log_complement"]


@dataclass(frozen=True, kw_only=True)
class Hyperparameter:
    """The range of one hyperparameter and the measure in which it is searched.

    The sampler works on the unit interval; `at` maps a fraction to a value and `fraction` back.

    Args:
        low: Smallest value.
        high: Largest value.
        scale: "linear" is even in the value, "log" in log(value), "log_complement" in log(1 - value).
        unit: Unit of the value; "1" for a pure number.

    Raises:
        ValueError: The range is empty or the scale is not defined on it.
        TypeError: An end is no number, or scale or unit no text.
    """

    low: float
    high: float
    scale: Scale = "linear"
    unit: str = "1"

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            _check_number(name, getattr(self, name))
        for name in ("scale", "unit"):
            _check_type(name, getattr(self, name), str, "a text")
        given = f"got low={self.low}, high={self.high}"
        if self.scale not in ("linear", "log", "log_complement"):
            raise ValueError(
                f"scale must be 'linear', 'log' or 'log_complement', got {self.scale!r}; pick one of these."
            )
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"low must be below high and both finite, {given}; widen the range.")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"scale='log' needs low > 0, {given}; raise low or use scale='linear'.")
        if self.scale == "log_complement" and self.high >= 1:
            raise ValueError(f"scale='log_complement' needs high < 1, {given}; lower high.")
        if not 0 < self._transform(self.high) - self._transform(self.low) < math.inf:
            raise ValueError(f"low and high must be told apart on scale={self.scale!r}, {given}; change the range.")

    def at(self, fraction: float) -> float:
        """Value at `fraction` of the range: 0 is `low`, 1 is `high`, exactly."""
        if fraction in (0, 1):
            return self.high if fraction else self.low
        start, stop = self._transform(self.low), self._transform(self.high)
        value = self._invert(start + fraction * (stop - start))
        # Rounding may carry a fraction next to an end beyond it.
        return min(max(value, self.low), self.high) if 0 < fraction < 1 else value

    def fraction(self, value: float) -> float:
        """Where `value` stands in the range; below 0 or above 1 outside of it.

        Raises:
            ValueError: The scale is not defined at `value`.
        """
        start, stop = self._transform(self.low), self._transform(self.high)
        return (self._transform(value) - start) / (stop - start)

    def _transform(self, value: float) -> float:
        match self.scale:
            case "linear":
                return value
            case "log":
                return math.log(value)
            case "log_complement":
                return -math.log1p(-value)

    def _invert(self, transformed: float) -> float:
        match self.scale:
            case "linear":
                return transformed
            case "log":
                return math.exp(transformed)
            case "log_complement":
                return -math.expm1(-transformed)


LONGEST_TEXT = 500

LARGEST = 1e60
"""What a ledger takes: squares of larger numbers, and their sums, leave float64."""


@dataclass(frozen=True, kw_only=True)
class OptimizerSpec:
    """One optimizer as the study sees it. Its name is the name of its file.

    Args:
        build: Makes the optimizer; called as `build(parameters, generators=..., **hyperparameters)`. `parameters` holds
            one tensor of shape (num_replicates, num_parameters); `generators` holds one `torch.Generator` per
            replicate, the only permitted source of randomness.
        equation: The update in one line, as readers of the report will see it.
        space: Range of each searched hyperparameter.
        published: The setting its authors print, a value for each hyperparameter of `space`.
        reference: Where the update and the published setting come from.
        mixes_elements: True if an update of one element depends on other elements (norm clipping, Muon):
            such an optimizer is built once for each replicate, on parameters without the replicate axis
            and with one generator.
        reduces_to: By the name of each simpler optimizer that this one becomes: the hyperparameters that the simpler
            one lacks, with their neutral values, which may lie outside of their ranges. There both are equal bit for
            bit.

    Raises:
        TypeError: A field has another type than it must.
        ValueError: `space` is empty or has a name that could not be an argument, a column and a file alike; `published`
            does not give a value in range for each hyperparameter; a text is not one line; or `reduces_to` does not
            give finite values to some hyperparameters and leave others.
    """

    build: Callable[..., Any]
    equation: str
    space: Mapping[str, Hyperparameter]
    published: Mapping[str, float]
    reference: str
    mixes_elements: bool = False
    reduces_to: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_types()
        if not self.space:
            raise ValueError("space must name at least one hyperparameter, got none; add one.")
        for name in self.space:
            if not isinstance(name, str) or not NAME.fullmatch(name) or keyword.iskeyword(name):
                raise ValueError(
                    f"A hyperparameter is named by {NAMED}, which Python takes as an argument, got "
                    f"{str(name)[:60]!r}; rename it."
                )
        for name, text in (("equation", self.equation), ("reference", self.reference)):
            if not isinstance(text, str) or not text.isprintable() or not 0 < len(text) <= LONGEST_TEXT:
                raise ValueError(
                    f"{name} must be one line of 1 to {LONGEST_TEXT} printable characters, got {str(text)[:60]!r}; "
                    "shorten it."
                )
        if set(self.published) != set(self.space):
            raise ValueError(
                f"published must give a value for each of {', '.join(sorted(self.space))}, "
                f"got {', '.join(sorted(self.published)) or 'none'}; give these and no others."
            )
        for name, value in self.published.items():
            _check_number(f"published[{name!r}]", value)
            low, high = self.space[name].low, self.space[name].high
            if not low <= value <= high:  # the sampler is told of this point, so it must lie where it may ask
                raise ValueError(
                    f"published[{name!r}] must lie within its range, from {low:g} to {high:g}, got {value:g}; "
                    "widen the range or mend the value."
                )
        self._check_reductions()

    def _check_types(self) -> None:
        if not callable(self.build):
            _check_type("build", self.build, type(None), "a function")
        for name in ("space", "published"):
            _check_type(name, getattr(self, name), Mapping, "a dictionary")
        for name, axis in self.space.items():
            _check_type(f"space[{name!r}]", axis, Hyperparameter, "a Hyperparameter(low=..., high=...)")
        _check_type("mixes_elements", self.mixes_elements, bool, "True or False")

    def _check_reductions(self) -> None:
        form = f"reduces_to must be of the form {{'sgd': {{{list(self.space)[-1]!r}: 0.0}}}}"
        reductions = self.reduces_to
        if not isinstance(reductions, Mapping) or not all(isinstance(at, Mapping) for at in reductions.values()):
            raise ValueError(f"{form}, got {str(reductions)[:200]}; mend it.")
        for simpler, at in reductions.items():
            if not isinstance(simpler, str) or not NAME.fullmatch(simpler):
                raise ValueError(f"{form}, with the name of an optimizer, got {str(simpler)[:60]!r}; mend it.")
            if not at or not set(at) < set(self.space):
                raise ValueError(
                    f"reduces_to[{simpler!r}] must give the neutral value of some of {', '.join(self.space)} and leave "
                    f"at least one, got {', '.join(map(str, at)) or 'none'}; mend it."
                )
            for name, value in at.items():
                if not _is_number(value) or not math.isfinite(value):
                    raise ValueError(
                        f"reduces_to[{simpler!r}][{name!r}] must be a finite number, got {str(value)[:60]}; mend it."
                    )


def _is_number(value: object) -> bool:
    """Whether it is a `float`, or an `int` that becomes one."""
    return (isinstance(value, float) and not LARGEST < abs(value) < math.inf) or (
        type(value) is int and abs(value) <= LARGEST
    )


def _check_number(name: str, value: object) -> None:
    if not _is_number(value):
        raise TypeError(
            f"{name} must be a number of Python, at most {LARGEST:g}, got {type(value).__name__} {str(value)[:60]!r}; "
            "mend it, or put float() around it."
        )


def _check_type(name: str, value: object, kind: type, noun: str) -> None:
    if value is None or not isinstance(value, kind):
        raise TypeError(f"{name} must be {noun}, got {type(value).__name__} {str(value)[:60]!r}; mend it.")
