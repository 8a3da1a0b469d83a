"""Nested pairs as readers see them: whether what an optimizer adds earns its place, and whose effect its lead is."""

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.report.text import badges
from analysis.report.text import verdict_sentences as verdict_text
from analysis.verdicts.claims_of_study import Judgement
from analysis.verdicts.need import Need, NeedWord
from analysis.verdicts.nested import Nested
from analysis.verdicts.verdict import Verdict
from analysis.wording import NONE, count, level_name, listing, number

LOOKS_LIKE: dict[NeedWord, tuple[str, str]] = {
    "NEEDED": ("✔", "supported"),
    "HARMLESS": ("=", "equivalent"),
    "HARMFUL": ("✘", "refuted"),
    "OPEN": ("?", "inconclusive"),
}
"""Symbol and badge of each word: those of the verdict that is most like it."""


def context(judgement: Judgement) -> dict[str, Any]:
    """What the templates show of nested pairs; nothing where no optimizer has a neutral value."""
    ablations = [need.ablation for need in judgement.needs]
    pairs = [[pair for pair in judgement.nested if pair.ablation == ablation] for ablation in ablations]
    return {
        "needs": [_need(need) for need in judgement.needs],
        "nested": [_group(own) for own in pairs if any(pair.optimizer.evidence for pair in own)],
        "nested_reading": _reading(judgement.nested),
    }


def methods(judgement: Judgement) -> list[str]:
    """How nested pairs were compared: one paragraph, or none."""
    if not judgement.needs:
        return []
    what = listing([f"{need.ablation.side} is {need.ablation.simpler}" for need in judgement.needs])
    return [
        f"Nested pairs. {what}. Each winner was also trained at these values, its other hyperparameters unchanged, on "
        "the confirmation seeds; these runs read the test set and chose nothing. Against them the effect of the "
        "optimizer is measured at one setting, seed by seed, by the test and the rules of the claims, at the level at "
        "which all such comparisons of a question hold together, or that of the claim on the two optimizers if it is "
        "higher; every pair of every tuning counts. The effect of the setting is the rest of the improvement over the "
        "simpler optimizer's winner; where a metric compares two runs over what both come through, that range is each "
        "pair's own. It is an effect of the winners and holds the luck of their tuning; where there are several "
        "tunings with seeds of their own its interval and that of the total do so too. NEEDED: the test error is "
        "surely worse without. HARMFUL: surely better. HARMLESS, which goes before both: any difference is smaller "
        "than the least that would matter. OPEN: the runs cannot tell. These words are about the winner's setting: "
        "another one, as that of the simpler optimizer's winner, may make up for what is needed there."
    ]


def _need(need: Need) -> dict[str, str]:
    symbol, style = LOOKS_LIKE[need.word]
    return {
        "optimizer": need.ablation.optimizer,
        "what": need.ablation.hyperparameters,
        "word": need.word,
        "symbol": symbol,
        "style": style,
        "sentence": sentence(need),
    }


def sentence(need: Need) -> str:
    """Whether what an optimizer adds earns its place, in plain words."""
    a, simpler = need.ablation.optimizer, need.ablation.simpler
    if need.objective is None or need.objective.optimizer.evidence is None:
        return f"Whether {a} needs its {need.ablation.hyperparameters} is open: {need.reason}."
    if all({**winner, **need.ablation.at} == dict(winner) for winner in need.winners):
        return f"{a} won with {need.ablation.neutral}: its winner is {simpler} itself.{_rest(need)}"
    winner = need.winners[0]
    shared = listing([name for name in winner if name not in need.ablation.at])
    one = f"winner ({_values(winner, need.ablation.at)})"
    winners = one if len(need.winners) == 1 else f"winners of {count(len(need.winners), 'tuning')}"
    return (
        f"{a} at its {winners} against the same {shared} at {need.ablation.neutral}, which is {simpler}: "
        f"{_with_interval(need.objective.optimizer)} in test error. {_conclusion(need)}{_rest(need)}"
    )


def _conclusion(need: Need) -> str:
    assert need.objective is not None
    own, what = need.objective.optimizer, need.ablation.hyperparameters
    assert own.interval is not None
    bar = verdict_text.amount(own, own.smallest_effect).lstrip("+")
    effects = listing([f"{_noun(pair)}, {_with_interval(pair.optimizer)}" for pair in need.effects])
    match need.word:
        case "NEEDED" if own.interval.low > own.smallest_effect:
            return f"So there it needs its {what}: the whole interval lies above {bar}, the least that would matter."
        case "NEEDED":
            return f"So there it needs its {what}, but perhaps for less than {bar}, the least that would matter."
        case "HARMFUL":
            return f"So its {what} does harm: without, the winner would be better."
        case "HARMLESS" if not own.interval.low <= 0 <= own.interval.high:
            changes = f"; it does more to the {effects}" if effects else ""
            return (
                f"So its {what} changes the test error, but by less than {bar}, the least that would matter{changes}."
            )
        case "HARMLESS" if effects:
            return f"So to the test error its best {what} is in effect zero, but not to the {effects}."
        case "HARMLESS":
            return f"So its best {what} is in effect zero: any difference is below {bar}, the least that would matter."
        case _ if own.interval.high < own.smallest_effect:
            return f"So its {what} gains less than {bar}, the least that would matter, and may do harm."
    more = f"; about {own.seeds_needed:,} would" if own.seeds_needed else ""
    return f"{verdict_text.basis(own).capitalize()} cannot tell whether it needs its {what}{more}."


def _rest(need: Need) -> str:
    """The part of the setting, with the values that differ if there is one tuning."""
    pair = need.objective
    if pair is None or pair.total is None or pair.setting is None:
        return ""
    shared = [name for name in need.winners[0] if name not in need.ablation.at]
    values = listing(shared)
    if len(need.winners) == len(need.rivals) == 1:
        ours, theirs = need.winners[0], need.rivals[0]
        values = listing([f"{name} {number(ours[name])} against {number(theirs[name])}" for name in shared])
    opening = "Another setting makes up for it: against" if need.is_made_up_for else "Against"
    return (
        f" {opening} {need.ablation.simpler} at its own winner it is {_with_interval(pair.total)} in all; "
        f"the rest, {_with_interval(pair.setting)}, is the setting: {values}."
    )


def _group(pairs: Sequence[Nested]) -> dict[str, Any]:
    ablation = pairs[0].ablation
    return {
        "optimizer": ablation.optimizer,
        "simpler": ablation.simpler,
        "neutral": ablation.neutral,
        "rows": [
            {
                "question": pair.question.name,
                "noun": _noun(pair),
                "word": pair.optimizer.word,
                "symbol": badges.SYMBOLS[pair.optimizer.word],
                "style": badges.style(pair.optimizer.word),
                "reason": pair.optimizer.reason,
                "total": _cell(pair.total),
                "optimizer": _cell(pair.optimizer),
                "setting": _cell(pair.setting),
            }
            for pair in pairs
        ],
    }


def _noun(pair: Nested) -> str:
    return verdict_text.noun_of(pair.question.metric)


def _cell(part: Verdict | None) -> dict[str, str]:
    if part is None or part.evidence is None:
        return {"text": NONE, "detail": ""}
    return {"text": verdict_text.effect(part), "detail": verdict_text.interval(part)}


def _reading(nested: Sequence[Nested]) -> str:
    measured = [pair.optimizer for pair in nested if pair.optimizer.evidence]
    if not measured:
        return ""
    seeds = sorted({verdict.evidence.num_values for verdict in measured if verdict.evidence})
    levels = sorted({level_name(verdict.level) for verdict in measured})
    return (
        "At one setting and one seed both optimizers start from the same weights and see the same images: what "
        "differs is the optimizer. Improvement in all = effect of the optimizer + effect of the setting (ratios "
        f"multiply), from {listing([str(size) for size in seeds])} seeds, with intervals at {' or '.join(levels)}."
    )


def _with_interval(verdict: Verdict) -> str:
    return f"{verdict_text.effect(verdict)} ({verdict_text.interval(verdict)})"


def _values(setting: Mapping[str, float], names: Mapping[str, float]) -> str:
    return listing([f"{name} {number(setting[name])}" for name in names])
