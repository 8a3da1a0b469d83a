"""Numbers of a command line, as `argparse` takes the type of an option."""

import argparse
import math
from dataclasses import dataclass

LARGEST = 2**31 - 1


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
        try:
            number = int(text)
        except ValueError:
            number = self.smallest - 1
        if number < self.smallest or number > self.largest:
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {self.smallest} to {self.largest}, got {text[:40]!r}"
            )
        return number


def at_least(smallest: int) -> Count:
    """Whole numbers from here on."""
    return Count(smallest)


def positive(text: str) -> float:
    """A finite number above 0."""
    number = _number(text)
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"must be a positive number, got {text[:40]!r}")
    return number


def fraction(text: str) -> float:
    """A number above 0 and at most 1."""
    number = _number(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1, got {text[:40]!r}")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
