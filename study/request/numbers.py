"""Numbers of a command line, as `argparse` takes the type of an option."""

import argparse
import math
import re
from dataclasses import dataclass

LARGEST = 2**31 - 1

WHOLE = re.compile(r"[+-]?[0-9]{1,20}")

DECIMAL = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True)
class Count:
    """Whole numbers from the smallest to the largest."""

    smallest: int
    largest: int = LARGEST

    def __call__(self, text: str) -> int:
        """The number that a word stands for.

        Raises:
            ArgumentTypeError: It is none, or out of range.
        """
        number = int(text) if WHOLE.fullmatch(text.strip()) else self.smallest - 1
        if number < self.smallest or number > self.largest:
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {self.smallest} to {self.largest}, got {text[:40]!r}"
            )
        return number


def at_least(smallest: int) -> Count:
    """Whole numbers from here on."""
    return Count(smallest)


@dataclass(frozen=True)
class Range:
    """Numbers from the smallest to the largest."""

    smallest: float
    largest: float

    def __call__(self, text: str) -> float:
        """The number that a word stands for.

        Raises:
            ArgumentTypeError: It is none, or out of range.
        """
        number = decimal(text)
        if not self.smallest <= number <= self.largest:
            raise argparse.ArgumentTypeError(
                f"must be a number from {self.smallest:g} to {self.largest:.10g}, got {text[:40]!r}"
            )
        return number


def decimal(text: str) -> float:
    """The finite number that a word stands for, blanks around it aside; NaN if it is none."""
    # What else `float` takes, as 1_0 and digits of other scripts, is more likely a slip than a number.
    number = float(text) if DECIMAL.fullmatch(text.strip()) else math.nan
    return number if math.isfinite(number) else math.nan
