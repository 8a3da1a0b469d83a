"""Judgement of every claim: which evidence, at what level, after how many looks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis.claims.file import Claims
from analysis.claims.questions import Question
from analysis.statistics.intervals import Interval
from analysis.statistics.paired import fewest_pairs, holm
from analysis.tables.overview import Overview
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.claim import Untested
from analysis.verdicts.evidence import Evidence, Later, NotTestableError, PairedSeeds
from analysis.verdicts.evidence_of_looks import PairedLooks
from analysis.verdicts.evidence_of_runs import gather
from analysis.verdicts.evidence_of_tunings import PairedTunings
from analysis.verdicts.looks import CONFIRM, look_number, of_all_looks, share_of
from analysis.verdicts.rules import Word, decide
from analysis.verdicts.schedule import Schedule, schedule_of
from analysis.verdicts.study_metrics import STUDY_METRICS
from analysis.verdicts.verdict import Verdict


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
        level = 1 - alpha * (schedule.spent if schedule else share_of(look)) / family
        verdict = replace(_judge_claim(question, a, b, repeats, level, schedule), look=look, schedule=schedule)
        if plan.counts_every_claim and schedule is None:
            verdict = replace(verdict, p_value=of_all_looks(verdict.p_value, look))
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


def _has_schedule(question: Question, repeats: Sequence[ConfirmedRuns]) -> bool:
    """Whether the study has planned the looks at its confirmation seeds and the question rests on them."""
    plan = repeats[0].overview.ledger.study.error_plan
    return question.metric not in STUDY_METRICS and len(repeats) == 1 and plan.most_confirm_seeds is not None


def _schedule(question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns]) -> Schedule | None:
    if not _has_schedule(question, repeats):
        return None
    shown = repeats[0].overview.shown.filter(setting="tuned", phase="confirm")
    winners: Mapping[str, int] = dict(shown.select("optimizer", "number").iter_rows())
    return schedule_of(repeats[0].overview.ledger, a, b, winners)


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
    if isinstance(evidence, PairedSeeds) and _has_schedule(question, repeats):
        if schedule is None:
            return replace(verdict, reason="the first confirmation seeds of a side are not there yet")
        evidence = PairedLooks.at(evidence, schedule)
    return resting_on(evidence, verdict)


def resting_on(evidence: Evidence, verdict: Verdict) -> Verdict:
    """A verdict with its word, now that its evidence is known."""
    level, effect = verdict.level, verdict.smallest_effect
    word, interval = weigh(evidence, level, effect)
    verdict = replace(verdict, word=word, evidence=evidence, interval=interval, p_value=evidence.p_value())
    number = _decisive_number(evidence, level, effect) if word == "INCONCLUSIVE" else None
    if isinstance(evidence, PairedTunings):
        return replace(verdict, at_settings=_at_settings(evidence, level, effect), tunings_needed=number)
    return replace(verdict, seeds_needed=number)


def _at_settings(evidence: PairedTunings, level: float, effect: float) -> Word | None:
    """The verdict on the settings that the tunings have found."""
    settings = evidence.at_settings
    return weigh(settings, level, effect)[0] if settings.num_values >= fewest_pairs(level) else None


def _decisive_number(evidence: Evidence, level: float, effect: float) -> int | None:
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
