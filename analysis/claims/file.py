"""Claims as data: what is claimed about which optimizers, and what would refute it."""

import hashlib
import pathlib
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from analysis.claims.landmarks import Landmarks, refuse_keys
from analysis.claims.questions import Question
from analysis.claims.vocabulary import Vocabulary
from analysis.lines import one_line

SMALLEST_ALPHA = 1e-6
"""What is left of it for one claim at a late look has to stay a number that can be told from 0."""

LARGEST_FILE = 1_000_000
"""Characters of a file of claims, which every study stores."""

LONGEST_LIST = 200
"""Characters of a list of names in a message."""


@dataclass(frozen=True, kw_only=True)
class Claims:
    """All claims of a study.

    Args:
        text: The file they come from.
        alpha: What the probability of any false verdict in a family may be, at the settings tuned and over all looks.
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


def hash_of(text: str) -> str:
    """Twelve hexadecimal digits that change with every change of the text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def packaged_text() -> str:
    """The file of claims that comes with the package: the article's."""
    return files("analysis.claims").joinpath("article.toml").read_text(encoding="utf-8")


def read_claims(path: pathlib.Path, vocabulary: Vocabulary) -> Claims:
    """Read a claims file.

    Args:
        path: The file.
        vocabulary: The words that it may use.

    Raises:
        ValueError: It cannot be read, is not TOML or does not say what it must; the message is one line.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(LARGEST_FILE + 1)
        if len(text) > LARGEST_FILE:
            raise ValueError(f"it must have at most {LARGEST_FILE:,} characters and has more.")
        return parse_claims(text, vocabulary)
    except (OSError, ValueError) as error:
        reason = one_line(str(getattr(error, "strerror", None) or error))
        raise ValueError(f"a file of claims is needed, {str(path)!r} is none: {reason}") from None


def parse_claims(text: str, vocabulary: Vocabulary) -> Claims:
    """Claims from the text of a file.

    Args:
        text: Content of the file.
        vocabulary: The words that it may use.

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
        raise ValueError("at least one [[questions]] is needed; analysis/claims/article.toml shows how.")
    questions = tuple(Question.from_dict(entry, vocabulary) for entry in entries)
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


def _listed(names: Sequence[str]) -> str:
    """Names, as far as a message may be long."""
    text = ", ".join(names)
    return text if len(text) <= LONGEST_LIST else f"{text[: LONGEST_LIST - 3]}..."
