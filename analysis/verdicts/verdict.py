"""From evidence to a verdict on each claim: NOT TESTABLE where the rows cannot answer, else by the rules."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from analysis.claims.file import Claims
from analysis.claims.questions import Question
from analysis.ledger.load import Ledger
from analysis.metrics import METRICS, PAIR_METRICS
from analysis.statistics.intervals import Interval
from analysis.statistics.paired import fewest_pairs, hodges_lehmann, holm, standardised_mean, superiority
from analysis.tables.overview import Overview
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.claim import Claim, Untested
from analysis.verdicts.evidence import Evidence, Later, NotTestableError, PairedSeeds, PairedTunings, Scope
from analysis.verdicts.evidence_of_looks import PairedLooks
from analysis.verdicts.evidence_of_runs import gather
from analysis.verdicts.rules import Word, decide
from analysis.verdicts.schedule import Schedule, schedule_of
from analysis.verdicts.study_metrics import STUDY_METRICS

CONFIRM = ("confirm",)
"""Phases whose runs answer a claim on a metric of runs."""

LOOKED_AT = {"confirm": "confirmed", "explore": "explored", "sweep": "swept"}
"""Name under which a look says how many runs of a phase each optimizer had."""


@dataclass(frozen=True, kw_only=True)
class Verdict(Claim):
    """What the rows say about a claim.

    Args:
        word: The verdict.
        reason: Why it is not testable; empty otherwise.
        level: Level of the interval; where looks have a schedule, of those of all looks up to now together.
        look: How often the two sides have been looked at, this time included.
        schedule: Of these looks, where the study has fixed how many seeds there may be and the claim rests on them.
        evidence: What it rests on; None if not testable.
        interval: Of the improvement; None if not testable.
        smallest_effect: Smallest improvement of interest.
        p_value: Of the test that belongs to the evidence, None without one; it knows of all looks, unless the study is
            of before that was so.
        p_holm: Adjusted for the family.
        seeds_needed: Pairs at which the next look would decide if mean and spread stayed as they are, None if none
            would; at which there is a verdict at all, if they are too few.
        tunings_needed: The same of tunings, where the verdict is about optimizers.
        at_settings: The verdict on the settings alone that the tunings have found, beside one on the optimizers; None
            where there is none or too few seeds.
    """

    word: Word
    level: float
    smallest_effect: float
    look: int = 0
    schedule: Schedule | None = None
    reason: str = ""
    evidence: Evidence | None = None
    interval: Interval | None = None
    p_value: float | None = None
    p_holm: float | None = None
    seeds_needed: int | None = None
    tunings_needed: int | None = None
    at_settings: Word | None = None

    @property
    def scope(self) -> Scope | None:
        """What it is about; None if not testable."""
        return self.evidence.scope if self.evidence else None

    @property
    def pairs(self) -> PairedSeeds | None:
        """The differences seed by seed that it rests on, if it does."""
        return self.evidence.pairs if self.evidence else None

    @property
    def num_tunings(self) -> int:
        """Tunings that found the settings of its pairs; 0 without pairs."""
        if isinstance(self.evidence, PairedTunings | PairedSeeds):
            return len(self.evidence.by_repeat)
        return 0

    @property
    def hodges_lehmann(self) -> float | None:
        """Centre of the paired differences that outliers hardly move."""
        return hodges_lehmann(self.pairs.differences) if self.pairs else None

    @property
    def effect_size(self) -> float | None:
        """Mean over standard deviation of the paired differences."""
        return standardised_mean(self.pairs.differences) if self.pairs else None

    @property
    def superiority(self) -> float | None:
        """Share of the pairs, of all repeats, in which the run of a is better than that of b, ties counted half."""
        if self.pairs is None:
            return None
        name = self.question.metric
        metric = STUDY_METRICS.get(name) or METRICS.get(name) or PAIR_METRICS[name]
        larger = self.pairs.ours - self.pairs.theirs
        return superiority(larger if metric.better == "higher" else -larger)

    def as_dict(self) -> dict[str, Any]:
        """One entry of `verdicts.json`; an end of an interval that is infinite is null."""
        found, ends = self.evidence, self.interval
        return {
            **self.entry(self.word),
            "about": self.scope,
            "at_settings": self.at_settings,
            "tunings": self.num_tunings,
            "tunings_needed": self.tunings_needed,
            "estimate": _finite(found.estimate) if found else None,
            "low": _finite(ends.low) if ends else None,
            "high": _finite(ends.high) if ends else None,
            "p_holm": self.p_holm,
            "seeds": found.num_values if found else 0,
            "seeds_needed": self.seeds_needed,
        }

    def as_row(self) -> dict[str, Any]:
        """Its row of the table of verdicts: the entry with everything that was computed for it."""
        return {
            **self.as_dict(),
            "level": self.level,
            "smallest_effect": self.smallest_effect,
            "p": self.p_value,
            "hodges_lehmann": self.hodges_lehmann,
            "effect_size": self.effect_size,
            "superiority": self.superiority,
            "value_a": self.evidence.value_a if self.evidence else None,
            "value_b": self.evidence.value_b if self.evidence else None,
            "reason": self.reason,
        }


def judge(repeats: Sequence[Overview], claims: Claims) -> tuple[list[Verdict], list[Untested]]:
    """A verdict on every claim whose two sides the study holds, and the other claims, both in the order of the file.

    A family counts all its claims, so that optimizers that come one by one do not add to its error; in studies of
    before that was so, the claims of the first kind alone.

    Args:
        repeats: Overview of each repeat of the tuning, the first one first.
        claims: What is claimed.
    """
    confirmed = [ConfirmedRuns(overview, claims) for overview in repeats]
    optimizers = repeats[0].ledger.study.optimizers
    verdicts: list[Verdict] = []
    untested: list[Untested] = []
    for question in claims.questions:
        held: list[tuple[str, str]] = []
        for a, b in question.pairs:
            if lacking := tuple(name for name in (a, b) if name not in optimizers):
                untested.append(Untested(question=question, a=a, b=b, lacking=lacking))
            else:
                held.append((a, b))
        verdicts += _judge_family(question, held, confirmed, claims.alpha)
    return verdicts, untested


def _judge_family(
    question: Question, pairs: Sequence[tuple[str, str]], repeats: Sequence[ConfirmedRuns], alpha: float
) -> list[Verdict]:
    ledgers = [confirmed.overview.ledger for confirmed in repeats]
    plan = ledgers[0].study.error_plan
    family = len(question.pairs) if plan.counts_every_claim else len(pairs)
    verdicts = []
    for a, b in pairs:
        look, schedule = look_number(ledgers, a, b, _looked_at(question, repeats)), _schedule(question, a, b, repeats)
        level = 1 - alpha * (schedule.spent if schedule else 2.0**-look) / family
        verdict = replace(_judge_claim(question, a, b, repeats, level, schedule), look=look, schedule=schedule)
        if plan.counts_every_claim and schedule is None and verdict.p_value is not None:
            verdict = replace(verdict, p_value=min(1.0, verdict.p_value * 2.0**look))
        verdicts.append(verdict)
    return _adjusted(verdicts, family)


def _looked_at(question: Question, repeats: Sequence[ConfirmedRuns]) -> Sequence[str]:
    """Phases of which every look at other runs is another look at a question.

    Where seeds are added until claims are decided, they say nothing new on what does not rest on them.
    """
    study_metric = STUDY_METRICS.get(question.metric)
    phases = study_metric.phases if study_metric else CONFIRM
    has_schedule = study_metric is not None and repeats[0].overview.ledger.study.error_plan.most_confirm_seeds
    return [phase for phase in phases if phase not in CONFIRM] if has_schedule else phases


def _schedule(question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns]) -> Schedule | None:
    if question.metric in STUDY_METRICS or len(repeats) > 1:
        return None
    shown = repeats[0].overview.shown.filter(setting="tuned", phase="confirm")
    winners: Mapping[str, int] = dict(shown.select("optimizer", "number").iter_rows())
    return schedule_of(repeats[0].overview.ledger, a, b, winners)


def look_number(ledgers: Sequence[Ledger], a: str, b: str, phases: Sequence[str] = CONFIRM) -> int:
    """How often these two have been looked at, this time included: each look at other runs is one.

    Look k is judged at alpha 2^-k, so that all looks together stay below alpha.

    Args:
        ledgers: Those of all repeats, the first one first: it has the looks.
        a: One of two optimizers.
        b: The other one.
        phases: Whose runs answer the question.
    """
    rows = pl.concat(ledger.trials.select("optimizer", "phase") for ledger in ledgers)
    now = tuple(rows.filter(optimizer=name, phase=phase).height for phase in phases for name in (a, b))
    looks = ledgers[0].study.looks
    states = {
        tuple(int(look.get(LOOKED_AT[phase], {}).get(name, 0)) for phase in phases for name in (a, b)) for look in looks
    }
    return len({state for state in states if all(state)} | {now})


def _judge_claim(
    question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns], level: float, schedule: Schedule | None
) -> Verdict:
    dataset = repeats[0].dataset
    effect = question.effect_for(dataset)
    verdict = Verdict(question=question, a=a, b=b, word="NOT TESTABLE", level=level, smallest_effect=effect or 0.0)
    if effect is None:
        return replace(verdict, reason=f"the claims fix no smallest effect for the data set {dataset}")
    try:
        evidence = gather(question, a, b, repeats, level)
    except NotTestableError as reason:
        return replace(verdict, reason=str(reason), seeds_needed=reason.seeds_needed)
    if schedule and isinstance(evidence, PairedSeeds):
        evidence = PairedLooks.at(evidence, schedule)
    word, interval = weigh(evidence, level, effect)
    verdict = replace(verdict, word=word, evidence=evidence, interval=interval, p_value=evidence.p_value())
    needed = _needed(evidence, level, effect) if word == "INCONCLUSIVE" else None
    if isinstance(evidence, PairedTunings):
        return replace(verdict, at_settings=_at_settings(evidence, level, effect), tunings_needed=needed)
    return replace(verdict, seeds_needed=needed)


def _at_settings(evidence: PairedTunings, level: float, effect: float) -> Word | None:
    """The verdict on the settings that the tunings have found."""
    settings = evidence.at_settings
    return weigh(settings, level, effect)[0] if settings.num_values >= fewest_pairs(level) else None


def _needed(evidence: Evidence, level: float, effect: float) -> int | None:
    """Pairs or tunings at which a claim would be decided if mean and spread stayed as they are."""
    later = (look.number for look in evidence.later(level) if is_decided(evidence.estimate, look, effect))
    return next(later, None)


def is_decided(estimate: float, look: Later, smallest_effect: float) -> bool:
    """Whether a later look decides a claim if it finds this estimate."""
    interval = Interval(estimate - look.half_width, estimate + look.half_width)
    narrower = Interval(estimate - look.narrower, estimate + look.narrower)
    return decide(interval, narrower, smallest_effect) != "INCONCLUSIVE"


def weigh(evidence: Evidence, level: float, smallest_effect: float) -> tuple[Word, Interval]:
    """The verdict on evidence that answers the question, and the interval that it rests on."""
    interval = evidence.interval(level)
    return decide(interval, evidence.interval(1 - 2 * (1 - level)), smallest_effect), interval


def _adjusted(family: list[Verdict], num_claims: int) -> list[Verdict]:
    """The family with p-values adjusted for its number of claims."""
    places = [place for place, verdict in enumerate(family) if verdict.p_value is not None]
    # Claims without a p-value count as well: which are testable is known only from the rows.
    adjusted = holm([family[place].p_value or 0.0 for place in places], num_claims)
    for place, value in zip(places, adjusted, strict=True):
        family[place] = replace(family[place], p_holm=value)
    return family


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
