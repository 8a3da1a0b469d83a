"""What a metric of a whole study is: its name, its words, and the evidence that a study has for a claim on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.claims.questions import Question
from analysis.claims.vocabulary import Terms
from analysis.ledger.schema import LOOKED_AT
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.evidence import Evidence
from analysis.verdicts.improvements import IMPROVEMENTS


@dataclass(frozen=True, kw_only=True)
class StudyMetric(Terms):
    """A number that a study has of an optimizer as a whole, and not of a single run or two.

    Args:
        name: Name of its file.
        gather: The evidence for "a ... than b" of a question, from the repeats of the tuning, the first one first;
            raises `NotTestableError` where the rows cannot answer.
        unit: Unit of a difference of it.
        noun: What it is called in a sentence.
        counted: What its evidence counts, in the singular.
        interval: What its interval is, in words; empty where it is that of pairs of seeds.
        exact_if: Under what condition that errs no more often than its level says; empty if it is approximate.
        family: Family of metrics whose figures show it.
        phases: Phases whose runs it rests on: each look at other runs of theirs is one.
        better: Its better direction.

    Raises:
        ValueError: What is declared is not so.
    """

    name: str
    gather: Callable[[Question, str, str, Sequence[ConfirmedRuns]], Evidence]
    unit: str
    noun: str
    counted: str
    interval: str
    family: str
    phases: tuple[str, ...]
    exact_if: str = ""
    better: Literal["higher", "lower"] = "lower"

    def __post_init__(self) -> None:
        for field in ("name", "unit", "noun", "counted", "family"):
            text: object = getattr(self, field)
            if not isinstance(text, str) or not text.isprintable() or not text.strip():
                raise ValueError(f"{field} must be a word or a few, got {text!r:.80}; mend it.")
        for field in ("interval", "exact_if"):
            text = getattr(self, field)
            if not isinstance(text, str) or not text.isprintable():
                raise ValueError(f"{field} must be a few words or empty, got {text!r:.80}; mend it.")
        if self.improvement not in IMPROVEMENTS:
            raise ValueError(
                f"improvement must be one of {', '.join(IMPROVEMENTS)}, got {self.improvement!r:.80}; mend it."
            )
        if not isinstance(self.phases, tuple) or not self.phases or not {*self.phases} <= {*LOOKED_AT}:
            raise ValueError(f"phases must be some of {', '.join(LOOKED_AT)}, got {self.phases!r:.80}; mend it.")
        if self.better not in ("higher", "lower"):
            raise ValueError(f"better must be 'higher' or 'lower', got {self.better!r:.80}; mend it.")
