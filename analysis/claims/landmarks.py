"""What a file of claims fixes about a data set: which accuracies are targets, which a guess, which learning."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self, cast


@dataclass(frozen=True, kw_only=True)
class Landmarks:
    """What a data set's accuracies are judged by.

    Args:
        targets: Validation accuracies to reach, in increasing order.
        chance_accuracy: Accuracy of a guess.
        learned_accuracy: Test accuracy below which nothing has been learned.
    """

    targets: tuple[float, ...] = ()
    chance_accuracy: float | None = None
    learned_accuracy: float | None = None

    @classmethod
    def from_dict(cls, name: str, entry: Mapping[str, Any]) -> Self:
        """Build from the table `datasets.<name>`, refusing keys that would be silently ignored."""
        refuse_keys(f"datasets.{name}", entry, {field.name for field in fields(cls)})
        targets = entry.get("targets", [])
        if not isinstance(targets, list):
            raise ValueError(f"targets of {name} must be a list, got {targets!r}.")
        found = tuple(_fraction(f"a target of {name}", value) for value in targets)
        if list(found) != sorted(set(found)):
            raise ValueError(f"targets of {name} must increase, got {targets}.")
        single = {key: _fraction(f"{key} of {name}", value) for key, value in entry.items() if key != "targets"}
        return cls(targets=found, **single)


def refuse_keys(where: str, entry: object, known: Collection[str]) -> None:
    """Refuse a table of the file that is none, or has a key that would be silently ignored.

    Raises:
        ValueError: It is no table or has a key that is not in `known`.
    """
    if not isinstance(entry, Mapping):
        raise ValueError(f"{where} must be a table, got {entry!r}.")
    if unknown := sorted(set(cast(Mapping[str, Any], entry)) - set(known)):
        raise ValueError(f"{where} has the unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}.")


def _fraction(what: str, value: object) -> float:
    if not isinstance(value, int | float) or not 0 < value < 1:
        raise ValueError(f"{what} must lie between 0 and 1, got {value!r}.")
    return float(value)
