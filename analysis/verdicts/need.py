"""Whether what an optimizer adds to a simpler one earns its place: is the test error worse without it?

At the winner's own setting, where the comparison is exact. What is needed there another setting may make up for: the
simpler optimizer's winner, which is this optimizer tuned without what it adds, may be as good.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from analysis.tables.ablations import Ablation, ablations
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.nested import Nested
from analysis.verdicts.verdict import Verdict

OBJECTIVE = "test_error"
"""Metric of the question that decides."""

NeedWord = Literal["NEEDED", "HARMLESS", "HARMFUL", "OPEN"]


@dataclass(frozen=True, kw_only=True)
class Need:
    """What becomes of a winner without what its optimizer adds.

    Args:
        ablation: What is taken away.
        word: At the winner's setting: NEEDED if the test error is worse without it, HARMFUL if it is better, HARMLESS
            if any difference is too small to matter, OPEN if the runs cannot tell.
        winners: The winner of each tuning.
        rivals: That of the simpler optimizer; none if the study does not hold it.
        objective: By the test error; None if the claims ask nothing about it.
        effects: By the other questions, those in which it matters: neither open nor too small.
    """

    ablation: Ablation
    word: NeedWord
    winners: tuple[Mapping[str, float], ...]
    rivals: tuple[Mapping[str, float], ...]
    objective: Nested | None
    effects: tuple[Nested, ...] = ()

    @property
    def is_made_up_for(self) -> bool:
        """Whether it is needed, but the simpler optimizer's winner is as good at its own setting."""
        total = self.objective.total if self.objective else None
        return self.word == "NEEDED" and total is not None and need_of(total) == "HARMLESS"

    @property
    def reason(self) -> str:
        """Why nothing was measured; empty if something was."""
        if self.objective is None:
            return "the claims fix no smallest effect on the test error"
        return self.objective.optimizer.reason

    def row(self) -> dict[str, Any]:
        """Its row of the table of ablations."""
        numbers = self.objective.optimizer.as_row() if self.objective else {}
        columns = ("estimate", "low", "high", "unit", "level", "smallest_effect", "p", "seeds", "value_a", "value_b")
        return {
            "optimizer": self.ablation.optimizer,
            "simpler": self.ablation.simpler,
            "at": self.ablation.neutral,
            "verdict": self.word,
            **{name: numbers.get(name) for name in columns},
            "is_made_up_for": self.is_made_up_for,
            "reason": self.reason,
        }


def needs(repeats: Sequence[ConfirmedRuns], nested: Sequence[Nested]) -> list[Need]:
    """One for each ablation that a study has or may have; none of a study without confirmation.

    Args:
        repeats: The repeats of the tuning, the first one first.
        nested: All nested pairs by the metrics of all questions.
    """
    study = repeats[0].overview.ledger.study
    found = []
    for ablation in ablations(study) if study.num_confirm_seeds else ():
        own = [pair for pair in nested if pair.ablation == ablation]
        objective = next((pair for pair in own if pair.question.metric == OBJECTIVE), None)
        winners, rivals = (_winners(name, repeats) for name in (ablation.optimizer, ablation.simpler))
        found.append(
            Need(
                ablation=ablation,
                word=need_of(objective.optimizer) if objective else "OPEN",
                winners=winners,
                rivals=rivals,
                objective=objective,
                effects=tuple(
                    pair for pair in own if pair is not objective and need_of(pair.optimizer) in ("NEEDED", "HARMFUL")
                ),
            )
        )
    return found


def _winners(optimizer: str, repeats: Sequence[ConfirmedRuns]) -> tuple[Mapping[str, float], ...]:
    found = [confirmed.overview.best.get(optimizer) for confirmed in repeats]
    return tuple(setting.hyperparameters for setting in found if setting)


def need_of(verdict: Verdict) -> NeedWord:
    """The word for what a verdict on the winner against itself without something rests on.

    A difference that is too small to matter is HARMLESS even where it is surely not zero, as in verdicts on claims.
    """
    if verdict.evidence is None:
        return "OPEN"
    level, least = verdict.level, verdict.smallest_effect
    interval, narrower = (verdict.evidence.interval(at) for at in (level, 1 - 2 * (1 - level)))
    if -least < narrower.low and narrower.high < least:
        return "HARMLESS"
    if interval.low > 0:
        return "NEEDED"
    return "HARMFUL" if interval.high < 0 else "OPEN"
