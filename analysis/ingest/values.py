"""Numbers as other programs write them, and which of their names stands for which of ours."""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

NOT_FINITE = {"nan", "null", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"}
"""Words for numbers that are none; Ray Tune writes "null" for a NaN of NumPy."""

LARGEST_WHOLE = 2**63 - 1
"""What a column of a ledger can hold."""

ERRORS = ("train_error", "validation_error", "test_error")
CHECKED = ("train_loss", "train_error", "validation_loss", "validation_error")
NORMS = ("gradient_norm", "update_norm", "weight_norm")
COUNTED = ("steps", "images")
CURVES = (*CHECKED, *NORMS, "seconds", *COUNTED)
"""What may be known of every epoch."""

OUTCOMES = ("test_loss", "test_error")
"""What may be known at the end besides."""


class SourceError(ValueError):
    """The source cannot be made a ledger as asked; the message is one line."""


@dataclass(frozen=True)
class Reading:
    """How one of our numbers is read from theirs.

    Args:
        key: Their name for it.
        is_percent: Whether theirs is 100 times as large.
        is_complement: Whether ours is 1 minus theirs, as an error is of an accuracy.
    """

    key: str
    is_percent: bool = False
    is_complement: bool = False

    def __call__(self, values: Mapping[str, object], origin: str) -> float | None:
        """Our number; None if `values` has none."""
        value = number(values.get(self.key), f"{origin}: {self.key}")
        if value is None:
            return None
        value = value / 100 if self.is_percent else value
        return 1 - value if self.is_complement else value


def parse_readings(arguments: Iterable[str], allowed: Collection[str]) -> dict[str, Reading]:
    """Readings from words like `validation_error=1-val_acc/100`.

    Raises:
        SourceError: A word has another form, names something of ours that does not exist, or names it twice.
    """
    readings: dict[str, Reading] = {}
    for argument in arguments:
        match = re.fullmatch(r"(?P<ours>\w+)=(?P<complement>1-)?(?P<key>.+?)(?P<percent>/100)?", argument)
        if match is None:
            raise SourceError(
                f"--map takes OURS=THEIRS, OURS=1-THEIRS, OURS=THEIRS/100 or OURS=1-THEIRS/100, got {argument!r}; "
                "for example --map validation_error=1-val_acc."
            )
        ours = match["ours"]
        if ours not in allowed:
            raise SourceError(
                f"--map knows {', '.join(allowed)}, got {ours!r}; hyperparameters are named in the description."
            )
        if ours in readings:
            raise SourceError(f"--map takes each name once, got {ours!r} twice; leave one out.")
        readings[ours] = Reading(match["key"], bool(match["percent"]), bool(match["complement"]))
    return readings


def number(value: object, origin: str) -> float | None:
    """A number, NaN for the words that stand for one that is not finite, None for nothing.

    Raises:
        SourceError: The value is no number.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.strip().lower() in NOT_FINITE:
        return math.nan
    if not isinstance(value, bool) and isinstance(value, (int, float, str)):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise SourceError(f"{origin} must be a number, got {value!r}; name another key with --map.")


def whole(value: object, origin: str) -> int | None:
    """A whole number, or None for nothing.

    Raises:
        SourceError: The value is something else.
    """
    found = value if isinstance(value, int) and not isinstance(value, bool) else number(value, origin)
    if found is None:
        return None
    if abs(found) > LARGEST_WHOLE:
        raise SourceError(
            f"{origin} must be a whole number of at most 63 bits, got {str(value)[:40]}; mend the source."
        )
    if not float(found).is_integer():
        raise SourceError(f"{origin} must be a whole number, got {value!r}; mend the source.")
    return int(found)


def flatten(nested: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested mappings as one, their keys joined by slashes as Ray Tune does."""
    flat: dict[str, object] = {}
    for key, value in nested.items():
        flat |= flatten(value, f"{prefix}{key}/") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def read_curves(
    lines: Sequence[Mapping[str, object]], readings: Mapping[str, Reading], origin: str
) -> list[dict[str, float | None]]:
    """What is known of every epoch, from one mapping per epoch."""
    return [
        {name: readings[name](line, f"{origin}, epoch {epoch}") for name in CURVES if name in readings}
        for epoch, line in enumerate(lines, start=1)
    ]


def listed(names: Iterable[object], most: int = 20) -> str:
    """Names for a message, not more than anyone reads."""
    words = sorted(map(str, names))
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")
