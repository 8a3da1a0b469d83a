"""One claim: a pair of a question. The base of every verdict, and what is left where a study cannot have one."""

from dataclasses import dataclass
from typing import Any

from analysis.claims.questions import Question
from analysis.metrics import METRICS, PAIR_METRICS
from analysis.verdicts.study_metrics import STUDY_METRICS
from analysis.wording import listing


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One optimizer of a question against one of its rivals.

    Args:
        question: The family that it is written in.
        a: The optimizer that the claim praises.
        b: Its rival.
    """

    question: Question
    a: str
    b: str

    @property
    def claim(self) -> str:
        """The claim in words."""
        return f"{self.a} {self.question.name} than {self.b}"

    @property
    def unit(self) -> str:
        """Unit of estimate and interval."""
        return unit_of(self.question)

    def entry(self, word: str) -> dict[str, Any]:
        """Its entry of `verdicts.json` as long as no number is known."""
        return {
            "claim": self.claim,
            "question": self.question.name,
            "a": self.a,
            "b": self.b,
            "verdict": word,
            "estimate": None,
            "low": None,
            "high": None,
            "unit": self.unit,
            "about": None,
            "at_settings": None,
            "tunings": 0,
            "tunings_needed": None,
            "p_holm": None,
            "seeds": 0,
            "seeds_needed": None,
        }


@dataclass(frozen=True, kw_only=True)
class Untested(Claim):
    """A claim that the study is not about: it has no verdict and does not count in its family.

    Args:
        lacking: Its sides that the study does not hold.
    """

    lacking: tuple[str, ...]

    @property
    def reason(self) -> str:
        """Why there is no verdict."""
        return f"the study does not hold {listing(list(self.lacking))}"

    def as_dict(self) -> dict[str, Any]:
        """Its entry of `verdicts.json`."""
        return self.entry("NOT TESTED")

    def as_row(self) -> dict[str, Any]:
        """Its row of the table of verdicts."""
        effects = ("p", "hodges_lehmann", "effect_size", "superiority", "value_a", "value_b")
        unknown = dict.fromkeys((*effects, "image_error", "dropped_targets"))
        return {**self.as_dict(), "level": 0, "smallest_effect": 0, **unknown, "reason": self.reason}


def unit_of(question: Question) -> str:
    """Unit of the improvement."""
    name = question.metric
    metric = STUDY_METRICS.get(name) or METRICS.get(name) or PAIR_METRICS[name]
    return question.improvement.unit(metric.unit)
