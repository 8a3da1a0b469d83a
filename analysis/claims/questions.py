"""A question: one family of claims, every optimizer of one side against every one of the other, by one metric."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from types import UnionType
from typing import Any, Self

from analysis.claims.landmarks import refuse_keys
from analysis.claims.vocabulary import Improvement, Vocabulary

LARGEST = 1_000_000_000
"""Of every number of a question."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One family of claims: every optimizer of `a` against every one of `b`.

    Args:
        name: The claim as a predicate: "converges faster".
        metric: Name of what is measured.
        improvement: How the sides are compared; always positive where it speaks for the claim.
        smallest_effect: Smallest improvement of interest, for all data sets or by data set.
        a: Optimizers that the claim praises.
        b: Their rivals; if all of several are among them, each is compared with all others.
        refuted_by: What would refute it, with {a} and {b} for the two sides.
        needs_learning: Whether an optimizer that learns nothing would win; then such a side makes it not testable.
        bound: For an improvement that has one: the ratio that a must stay below.
        batch_size: For a metric that needs it: images per step.
    """

    name: str
    metric: str
    improvement: Improvement
    smallest_effect: float | Mapping[str, float]
    a: tuple[str, ...]
    b: tuple[str, ...]
    refuted_by: str
    needs_learning: bool = False
    bound: float | None = None
    batch_size: int | None = None

    def __post_init__(self) -> None:
        self._check_numbers()
        if not self.a or not self.b:
            raise ValueError(f"{self.name!r} must have optimizers on both sides, a and b.")
        both = sorted(set(self.a) & set(self.b))
        if both and (len(self.a) == 1 or len(both) < len(self.a)):
            raise ValueError(
                f"{self.name!r} compares {both[0]} with itself; leave it out of a or of b, or put "
                "all of several in a into b."
            )

    def _check_numbers(self) -> None:
        for key, kind in (("bound", int | float), ("batch_size", int)):
            value = getattr(self, key)
            if value is not None and not (_is_number(value, kind) and 0 < value <= LARGEST):
                whole = "a whole number " if kind is int else ""
                raise ValueError(f"{key} of {self.name!r} must be {whole}above 0, at most {LARGEST:,}, got {value!r}.")
        if not isinstance(self.needs_learning, bool):
            raise ValueError(f"needs_learning of {self.name!r} must be true or false, got {self.needs_learning!r}.")
        effects = self.smallest_effect.values() if isinstance(self.smallest_effect, Mapping) else [self.smallest_effect]
        if not all(_is_number(value) and 0 <= value <= LARGEST for value in effects):
            raise ValueError(f"smallest_effect of {self.name!r} must be at least 0 and at most {LARGEST:,}.")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The claims of the family: (a, b)."""
        return [(a, b) for a in self.a for b in self.b if a != b]

    def effect_for(self, dataset: str) -> float | None:
        """Smallest effect of interest on a data set; None if none is fixed for it."""
        if isinstance(self.smallest_effect, Mapping):
            return self.smallest_effect.get(dataset)
        return float(self.smallest_effect)

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any], vocabulary: Vocabulary) -> Self:
        """Build from a table of the file, refusing keys that would be silently ignored."""
        refuse_keys("a question", entry, {field.name for field in fields(cls)})
        if lacking := [name for name in REQUIRED if name not in entry]:
            raise ValueError(f"question {entry.get('name', '?')!r} lacks {', '.join(lacking)}.")
        for key in ("name", "metric", "improvement", "refuted_by"):
            if not isinstance(entry[key], str) or not entry[key].strip():
                raise ValueError(f"{key} of a question must be a text, got {entry[key]!r}.")
        for side in ("a", "b"):
            if not isinstance(entry[side], list) or not all(isinstance(name, str) and name for name in entry[side]):
                raise ValueError(f"{side} of {entry['name']!r} must list optimizers' names, got {entry[side]!r}.")
        _check_words(entry, vocabulary)
        improvement = vocabulary.improvements[entry["improvement"]].of(entry.get("bound"))
        sides = {side: tuple(dict.fromkeys(entry[side])) for side in ("a", "b")}
        return cls(**{**entry, "improvement": improvement, **sides})


REQUIRED = ("name", "metric", "improvement", "smallest_effect", "a", "b", "refuted_by")


def _check_words(entry: Mapping[str, Any], vocabulary: Vocabulary) -> None:
    """Refuse words that nobody knows or that do not go together.

    Raises:
        ValueError: Metric or improvement is unknown, or one does not fit the other or what stands beside them.
    """
    name, metric, improvement = entry["name"], entry["metric"], entry["improvement"]
    improvements, study_metrics = vocabulary.improvements, vocabulary.study_metrics
    if metric not in (known := vocabulary.metrics):
        raise ValueError(f"metric of {name!r} must be one of {', '.join(known)}, got {metric!r}.")
    if improvement not in improvements:
        raise ValueError(f"improvement of {name!r} must be one of {', '.join(improvements)}, got {improvement!r}.")
    asked = study_metrics[metric].improvement if metric in study_metrics else None
    bounded = [kind for kind in (improvement, asked) if kind is not None and improvements[kind].has_bound]
    if asked != improvement and bounded:
        raise ValueError(
            f"improvement of {name!r} must be {bounded[0]!r} if and only if its metric is "
            f"{_either(own for own, terms in study_metrics.items() if terms.improvement == bounded[0])}, "
            f"got {improvement!r} of {metric!r}."
        )
    if asked not in (None, improvement):
        raise ValueError(f"improvement of {name!r} must be {asked!r} for {metric}, got {improvement!r}.")
    if improvements[improvement].has_bound != ("bound" in entry):
        which = _either(kind for kind, made in improvements.items() if made.has_bound)
        raise ValueError(f"{name!r} must have a bound if and only if its improvement is {which}.")
    timed = [own for own, terms in study_metrics.items() if terms.needs_batch_size]
    if (metric in timed) != ("batch_size" in entry):
        raise ValueError(f"{name!r} must have a batch_size if and only if its metric is {_either(timed)}.")


def _either(names: Iterable[str]) -> str:
    return " or ".join(repr(name) for name in names)


def _is_number(value: object, kind: type | UnionType = int | float) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
