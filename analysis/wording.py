"""Numbers as readers see them: percentages, intervals, settings. One style for page, Markdown and command line."""

import math
from collections.abc import Mapping

from analysis.ledger.study import Axis, Optimizer
from analysis.statistics.intervals import LEVEL, Estimate

NONE = "–"
LEVEL_NAME = f"{100 * LEVEL:.0f}%"
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def count(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: "1 seed", "12 seeds"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def number_word(number: int) -> str:
    """A small number in letters."""
    return NUMBERS[number] if number < len(NUMBERS) else f"{number:,}"


def level_name(level: float) -> str:
    """The level of an interval in per cent, with as many decimals as it needs up to two."""
    return f"{100 * level:.2f}".rstrip("0").rstrip(".") + "%"


def percent(value: float | None) -> str:
    """A fraction in per cent with one decimal."""
    return NONE if value is None else f"{100 * value:.1f}%"


def points(value: float | None) -> str:
    """A difference of fractions in percentage points, with its sign."""
    return NONE if value is None else f"{_signed(value)} points"


def percent_interval(found: Estimate) -> str:
    """The interval of a fraction, or why there is none."""
    if found.low is None or found.high is None:
        return "one seed, no interval"
    return _minus(f"{100 * found.low:.1f} to {100 * found.high:.1f}%")


def points_interval(found: Estimate) -> str:
    """The interval of a difference of fractions, or why there is none."""
    if found.low is None or found.high is None:
        return "one seed, no interval"
    return f"{_signed(found.low)} to {_signed(found.high)}"


def number(value: float, axis: Axis | None = None) -> str:
    """A hyperparameter's value to three significant digits; of 1 - value where that is what was searched."""
    if axis is not None and axis.scale == "log_complement" and 0 < 1 - value < 0.1:
        decimals = 2 - math.floor(math.log10(1 - value))
        return f"{value:.{decimals}f}".rstrip("0")
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return _minus(f"{value:.3g}")
    mantissa, exponent = f"{value:.2e}".split("e")
    return _minus(f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}")


def setting(hyperparameters: Mapping[str, float], optimizer: Optimizer) -> dict[str, str]:
    """Each hyperparameter with its value as text, in the order of the search space; nothing for no setting."""
    if not hyperparameters:
        return {}
    return {name: number(hyperparameters[name], axis) for name, axis in optimizer.space.items()}


def setting_line(hyperparameters: Mapping[str, float], optimizer: Optimizer) -> str:
    """A setting in one line."""
    return ", ".join(f"{name} {value}" for name, value in setting(hyperparameters, optimizer).items())


def listing(words: list[str]) -> str:
    """Words joined by commas and a last "and"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _signed(value: float) -> str:
    # A limit just beside 0 keeps its sign readable: whether an interval holds 0 matters.
    return _minus(f"{100 * value:+.2f}" if 0 < abs(100 * value) < 0.05 else f"{100 * value:+.1f}")


def _minus(text: str) -> str:
    return text.replace("-", "−")
