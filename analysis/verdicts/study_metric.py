"""What a metric of a whole study is: its name, its words, and the evidence that a study has for a claim on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.claims.questions import Question
from analysis.claims.vocabulary import Terms
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.evidence import Evidence


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
