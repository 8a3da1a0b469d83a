"""Claims as data: what is claimed about which optimizers, and what would refute it."""

import hashlib
import pathlib
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.resources import files
from types import UnionType
from typing import Any, Literal, Self, get_args

from analysis.landmarks import Landmarks, refuse_keys

Improvement = Literal["difference", "relative", "log_ratio", "within"]

STUDY_METRICS = ("good_volume", "seconds_per_step")
"""Metrics of a whole study, not of one run: the first of its points, the second of its timings."""

SMALLEST_ALPHA = 1e-6
"""What is left of it for one claim at a late look has to stay a number that can be told from 0."""

LARGEST = 1_000_000_000
"""Of every number of a question."""

LARGEST_FILE = 1_000_000
"""Characters of a file of claims, which every study stores."""

LONGEST_LIST = 200
"""Characters of a list of names in a message."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One family of claims: every optimizer of `a` against every one of `b`.

    Args:
        name: The claim as a predicate: "converges faster".
        metric: Name of what is measured.
        improvement: How the sides are compared; always positive where it speaks for the claim.
        smallest_effect: Smallest improvement of interest, for all data sets or by data set.
        a: Optimizers that the claim praises.
        b: Their rivals.
        refuted_by: What would refute it, with {a} and {b} for the two sides.
        needs_learning: Whether an optimizer that learns nothing would win; then such a side makes it not testable.
        bound: For "within": the ratio that a must stay below.
        batch_size: For timings: images per step.
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
        self._check_comparison()
        self._check_numbers()
        if not self.a or not self.b:
            raise ValueError(f"{self.name!r} must have optimizers on both sides, a and b.")
        if both := sorted(set(self.a) & set(self.b)):
            raise ValueError(f"{self.name!r} compares {both[0]} with itself; leave it out of a or of b.")

    def _check_comparison(self) -> None:
        if self.metric not in (known := known_metrics()):
            raise ValueError(f"metric of {self.name!r} must be one of {', '.join(known)}, got {self.metric!r}.")
        if self.improvement not in get_args(Improvement):
            raise ValueError(
                f"improvement of {self.name!r} must be one of {', '.join(get_args(Improvement))}, "
                f"got {self.improvement!r}."
            )
        # Their evidence is a ratio and a difference of shares: another improvement would have a false unit.
        if (self.improvement == "within") != (self.metric == "seconds_per_step"):
            raise ValueError(
                f"improvement of {self.name!r} must be 'within' if and only if its metric is 'seconds_per_step', "
                f"got {self.improvement!r} of {self.metric!r}."
            )
        if self.metric == "good_volume" and self.improvement != "difference":
            raise ValueError(
                f"improvement of {self.name!r} must be 'difference' for good_volume, got {self.improvement!r}."
            )

    def _check_numbers(self) -> None:
        for key, kind in (("bound", int | float), ("batch_size", int)):
            value = getattr(self, key)
            if (self.improvement == "within") != (value is not None):
                raise ValueError(f"{self.name!r} must have a {key} if and only if its improvement is 'within'.")
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
        return [(a, b) for a in self.a for b in self.b]

    def effect_for(self, dataset: str) -> float | None:
        """Smallest effect of interest on a data set; None if none is fixed for it."""
        if isinstance(self.smallest_effect, Mapping):
            return self.smallest_effect.get(dataset)
        return float(self.smallest_effect)

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Self:
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
        return cls(**{**entry, "a": tuple(dict.fromkeys(entry["a"])), "b": tuple(dict.fromkeys(entry["b"]))})


REQUIRED = ("name", "metric", "improvement", "smallest_effect", "a", "b", "refuted_by")


@dataclass(frozen=True, kw_only=True)
class Claims:
    """All claims of a study.

    Args:
        text: The file they come from.
        alpha: Probability of any false verdict in a family.
        questions: The families.
        datasets: What is fixed for each data set.
    """

    text: str
    alpha: float
    questions: tuple[Question, ...]
    datasets: Mapping[str, Landmarks]

    @property
    def claims_hash(self) -> str:
        """Name of the text."""
        return hash_of(self.text)

    @property
    def optimizers(self) -> list[str]:
        """Every optimizer that a claim names, in alphabetical order."""
        return sorted({name for question in self.questions for name in (*question.a, *question.b)})

    def check_names(self, known: Collection[str]) -> None:
        """Refuse optimizers that nobody knows: a claim with a misspelt name would never be tested.

        Raises:
            ValueError: A claim names an optimizer that is not in `known`.
        """
        if unknown := [name for name in self.optimizers if name not in known]:
            raise ValueError(
                f"claims must name known optimizers ({', '.join(sorted(known))}), got {_listed(unknown)}; "
                "mend the name or add the optimizer with --optimizer-file."
            )


def known_metrics() -> list[str]:
    """What a claim can be about."""
    from analysis.metrics import METRICS, PAIR_METRICS  # here, because whoever only stores claims needs no tables

    return sorted({*METRICS, *PAIR_METRICS, *STUDY_METRICS})


def hash_of(text: str) -> str:
    """Twelve hexadecimal digits that change with every change of the text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def packaged_text() -> str:
    """The file of claims that comes with the package: the article's."""
    return files("analysis").joinpath("claims.toml").read_text(encoding="utf-8")


def read_claims(path: pathlib.Path) -> Claims:
    """Read a claims file.

    Raises:
        ValueError: It cannot be read, is not TOML or does not say what it must; the message is one line.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LARGEST_FILE + 1)
        if len(text) > LARGEST_FILE:
            raise ValueError(f"it must have at most {LARGEST_FILE:,} characters and has more.")
        return parse_claims(text)
    except (OSError, ValueError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise ValueError(f"a file of claims is needed, {str(path)!r} is none: {reason}") from None


def parse_claims(text: str) -> Claims:
    """Claims from the text of a file.

    Raises:
        ValueError: It is not TOML or does not say what it must.
    """
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise ValueError("tables and lists must not be nested so deeply.") from None
    refuse_keys("the file", content, {"alpha", "datasets", "questions"})
    alpha = content.get("alpha", 0.05)
    if not isinstance(alpha, float) or not SMALLEST_ALPHA <= alpha < 0.5:
        raise ValueError(f"alpha must lie between {SMALLEST_ALPHA:g} and 0.5, got {alpha!r}; 0.05 is usual.")
    entries = content.get("questions", [])
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("at least one [[questions]] is needed; analysis/claims.toml shows how.")
    questions = tuple(Question.from_dict(entry) for entry in entries)
    names = [question.name for question in questions]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"questions must have different names, {min(twice)!r} stands twice.")
    datasets = content.get("datasets", {})
    refuse_keys("datasets", datasets, datasets)
    return Claims(
        text=text,
        alpha=alpha,
        questions=questions,
        datasets={name: Landmarks.from_dict(name, entry) for name, entry in datasets.items()},
    )


def _is_number(value: object, kind: type | UnionType = int | float) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _listed(names: Sequence[str]) -> str:
    """Names, as far as a message may be long."""
    text = ", ".join(names)
    return text if len(text) <= LONGEST_LIST else f"{text[: LONGEST_LIST - 3]}..."
