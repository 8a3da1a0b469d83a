"""Verdicts in words: the effect in plain units, what it rests on, one sentence in plain words."""

import math
import re
from collections.abc import Sequence
from typing import Any

from analysis.claims.questions import Question
from analysis.report.text import badges
from analysis.verdicts.claim import Untested
from analysis.verdicts.study_metrics import STUDY_METRICS
from analysis.verdicts.verdict import Verdict
from analysis.wording import NONE, count, listing, percent, points

NOUNS = {
    "restricted_steps_to_target": "steps to the targets",
    "oscillation": "swing of the step losses",
    "matched_loss_swing": "swing of the step losses at equal training loss",
    "matched_loss_gap": "gap at equal training loss",
    "test_error": "test error",
}
"""What a metric of runs is called in a sentence; others go by their name."""


def rows(questions: Sequence[Question], verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """One entry per question: its name, what is compared, and a row for each of its verdicts."""
    return [
        {
            "name": question.name,
            "title": f"{question.name[:1].upper()}{question.name[1:]}?",
            "anchor": f"verdict-{place}",
            "compared": noun_of(question.metric),
            "refuted_by": refuted_by(question, "the first optimizer", "the second"),
            "effect_sign": question.improvement.effect_sign,
            "claims": [row(verdict) for verdict in verdicts if verdict.question is question],
        }
        for place, question in enumerate(questions)
    ]


def not_tested(untested: Sequence[Untested]) -> str:
    """Which claims the study cannot speak about, in one sentence; empty if there are none."""
    if not untested:
        return ""
    claims = f"{count(len(untested), 'claim')} of the file {'was' if len(untested) == 1 else 'were'} not tested"
    lacking = sorted({name for claim in untested for name in claim.lacking})
    return f"{claims}: the study does not hold {listing(lacking)}."


def row(verdict: Verdict) -> dict[str, Any]:
    """A verdict in the words of the page."""
    return {
        "a": verdict.a,
        "b": verdict.b,
        "claim": verdict.claim,
        "word": verdict.word,
        "symbol": badges.SYMBOLS[verdict.word],
        "style": badges.style(verdict.word),
        "effect": effect(verdict),
        "interval": interval(verdict),
        "basis": basis(verdict),
        "test": test(verdict),
        "sentence": sentence(verdict),
    }


def effect(verdict: Verdict) -> str:
    """The estimate in plain units; positive speaks for the claim, but a cost is shown as the ratio that it is."""
    return NONE if verdict.evidence is None else amount(verdict, verdict.evidence.estimate)


def interval(verdict: Verdict) -> str:
    """Its interval in the same units."""
    if verdict.interval is None:
        return ""
    ends = verdict.question.improvement.ends(verdict.interval.low, verdict.interval.high)
    low, high = (amount(verdict, end) if math.isfinite(end) else "no limit" for end in ends)
    # The unit stands once: "−1.0 to +2.0 points".
    unit = re.search(r"[ %][^0-9]*$", high)
    return f"{low.removesuffix(unit[0]) if unit and math.isfinite(ends[1]) else low} to {high}"


def basis(verdict: Verdict) -> str:
    """What the estimate rests on."""
    if verdict.evidence is None:
        return ""
    study_metric = STUDY_METRICS.get(verdict.question.metric)
    if verdict.about == "optimizers" and verdict.pairs:
        each = verdict.evidence.num_values // verdict.num_tunings
        return f"{count(verdict.num_tunings, 'tuning')} of {count(each, 'seed')}"
    return count(verdict.evidence.num_values, study_metric.counted if study_metric else "seed")


def test(verdict: Verdict) -> str:
    """Adjusted p-value and the share of pairs in which a is better; empty where nothing was tested."""
    if verdict.p_holm is None or verdict.superiority is None:
        return ""
    p = "p < 0.001" if verdict.p_holm < 1e-3 else f"p = {verdict.p_holm:.2g}"
    return f"{p}, better in {verdict.superiority:.0%}"


def amount(verdict: Verdict, improvement: float) -> str:
    """An improvement in the unit that readers know."""
    return verdict.question.improvement.amount(improvement, verdict.unit)


def sentence(verdict: Verdict) -> str:
    """The verdict in plain words, which targets it does not rest on and what the images alone bring."""
    return " ".join([_statement(verdict), *_left_out(verdict), *_images(verdict)])


def _left_out(verdict: Verdict) -> list[str]:
    if not verdict.dropped_targets:
        return []
    targets = listing([percent(target) for target in verdict.dropped_targets])
    return [f"Left out: {targets} accuracy, which fewer than half of the runs of both reach."]


def _images(verdict: Verdict) -> list[str]:
    found = verdict.image_error
    if found is None:
        return []
    error = points(found.standard_error).lstrip("+")
    images = count(found.num_images, "test image")
    return [f"The {images} alone bring a standard error of {error}, which the interval leaves out."]


def _statement(verdict: Verdict) -> str:
    a, b, noun = verdict.a, verdict.b, noun_of(verdict.question.metric)
    size = verdict.question.improvement.size(verdict.smallest_effect, verdict.unit)
    match verdict.word:
        case "NOT TESTABLE":
            return f"{_opened(verdict, verdict.reason)}."
        case "SUPPORTED":
            return f"{_comparison(verdict)}, and the whole interval lies {_beyond(verdict)}."
        case "EQUIVALENT":
            differ = f"{a} and {b} differ in {noun} by less than {size}, the least that would matter."
            return _opened(verdict, f"{_about_one(verdict)}{differ}")
        case "DIRECTION ONLY":
            return f"{_comparison(verdict)}, but perhaps by less than {size}, the least that would matter."
        case "REFUTED":
            least = amount(verdict, -verdict.smallest_effect)
            beyond = f", and the whole interval lies beyond {least}, the least that would matter"
            return f"{_opposite(verdict)}{beyond if verdict.smallest_effect else ''}."
        case "WORSE":
            return f"{_opposite(verdict)}, but perhaps by less than {size}, the least that would matter."
        case "NOT BETTER BY WHAT MATTERS":
            better = f"{_about_one(verdict)}{a} is better than {b} in {noun} by less than {size}"
            return f"{_opened(verdict, better)}, the least that would matter, if it is better at all."
        case "INCONCLUSIVE":
            needed = verdict.seeds_needed or verdict.tunings_needed
            more = f"; about {needed:,} would" if needed else ""
            middle = verdict.question.improvement.middle(verdict.unit)
            return f"The interval reaches to both sides {middle}: {basis(verdict)} cannot tell{more}."


def _comparison(verdict: Verdict) -> str:
    question, found = verdict.question, effect(verdict).lstrip("+")
    compared = question.improvement.comparison(noun_of(question.metric), found, verdict.b)
    return _opened(verdict, f"{_about_one(verdict)}{verdict.claim}: {compared}")


def _opposite(verdict: Verdict) -> str:
    opposite = refuted_by(verdict.question, verdict.a, verdict.b)
    return _opened(verdict, f"{_about_one(verdict)}the opposite holds: {opposite}")


def _beyond(verdict: Verdict) -> str:
    bar = amount(verdict, verdict.smallest_effect).lstrip("+")
    return verdict.question.improvement.beyond(bar, is_zero=not verdict.smallest_effect)


def _about_one(verdict: Verdict) -> str:
    """What a verdict on pairs of seeds is about: the optimizers, tuned several times, or settings that were found."""
    if verdict.pairs is None:
        return ""
    if verdict.about == "optimizers":
        return f"tuned {count(verdict.num_tunings, 'time')}, "
    return (
        "with these settings " if verdict.num_tunings == 1 else f"with the settings of {verdict.num_tunings} tunings "
    )


def about(verdicts: Sequence[Verdict]) -> str:
    """What the verdicts that rest on seeds are about, for the reader of the first screen; empty without such."""
    paired = [verdict for verdict in verdicts if verdict.pairs]
    if not paired:
        return ""
    of_optimizers = [verdict for verdict in paired if verdict.about == "optimizers"]
    if not of_optimizers:
        return (
            "Verdicts on trained networks are about the settings that the tuning found, not about the optimizers: "
            "another tuning may find others. Several tunings with seeds of their own (--repeats) tell."
        )
    times = max(verdict.num_tunings for verdict in of_optimizers)
    of_settings = list(dict.fromkeys(verdict.question.name for verdict in verdicts if verdict.about == "settings"))
    first = f" Those on “{'” and “'.join(of_settings)}” are about the settings found first." if of_settings else ""
    return (
        f"Verdicts are about the optimizers: each was tuned {count(times, 'time')}, with seeds of its own each time, "
        f"and the luck of the tuning is in every interval.{first}"
    )


def _opened(verdict: Verdict, text: str) -> str:
    """With a large first letter, but names of optimizers stay as they are."""
    return text if text.startswith((verdict.a, verdict.b)) else f"{text[:1].upper()}{text[1:]}"


def refuted_by(question: Question, a: str, b: str) -> str:
    """What would refute the claim, with the names of both sides."""
    return question.refuted_by.replace("{a}", a).replace("{b}", b)


def noun_of(metric: str) -> str:
    """What a metric is called in a sentence."""
    if metric in STUDY_METRICS:
        return STUDY_METRICS[metric].noun
    return NOUNS.get(metric, metric.replace("_", " "))
