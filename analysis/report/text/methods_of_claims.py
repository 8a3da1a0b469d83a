"""The part of the methods section on claims: what was fixed when, which rows answer, how verdicts are reached."""

from collections.abc import Sequence

from analysis.claims.default import is_default
from analysis.claims.file import packaged_text
from analysis.claims.questions import Question
from analysis.ledger.study import ErrorPlan
from analysis.metrics import METRICS, PAIR_METRICS
from analysis.report.text.verdict_sentences import noun_of
from analysis.statistics.paired import LARGEST_EXACT, NUM_FLIPS
from analysis.tables.overview import Overview
from analysis.verdicts.claims_of_study import Judgement
from analysis.verdicts.study_metrics import STUDY_METRICS
from analysis.verdicts.targets import TIMES_TO_TARGETS
from analysis.verdicts.verdict import Verdict
from analysis.wording import count, listing, number, percent

NO_BOUND = "About optimizers, whose tuning might have found other settings, no bound is known."


def claims_methods(overview: Overview, judgement: Judgement, which_rows: str) -> list[str]:
    """Rows, claims, tests, rules and limits, one paragraph each; one sentence if the study holds no claim."""
    held, plan = judgement.verdicts, overview.ledger.study.error_plan
    if not held:
        return [f"{_origin(overview, judgement)} The study holds both sides of none of them, so nothing was tested."]
    return [
        f"Which rows answer which question. {which_rows}",
        f"{_origin(overview, judgement)} {_families(judgement, held, plan)}",
        _inference(held, plan),
        _rules(held),
        _limits(overview, held),
    ]


def _origin(overview: Overview, judgement: Judgement) -> str:
    name = judgement.claims.claims_hash
    fixed = overview.ledger.study.claims
    if fixed is None:
        return f"The claims (hash {name}) were not fixed before the study."
    if fixed.text != judgement.claims.text:
        return f"The claims (hash {name}) are not those that were stored with the rows when the study began."
    text = f"The claims (hash {name}) were stored with the rows when the study began, before anything was trained."
    first = judgement.claims.questions[0]
    if fixed.text != packaged_text() and is_default(fixed.text, first.a, first.b):
        own = listing([*first.a])
        text += f" They are the default claims on {own}: the article's questions, as nobody had given others."
    return text


def _families(judgement: Judgement, held: Sequence[Verdict], plan: ErrorPlan) -> str:
    questions, counts_all = _questions(held), plan.counts_every_claim
    sizes = [len(q.pairs) if counts_all else sum(verdict.question is q for verdict in held) for q in questions]
    families = [f"{question.name} ({count(size, 'claim')})" for question, size in zip(questions, sizes, strict=True)]
    alpha = number(judgement.claims.alpha)
    every = (
        " All claims of the file count in their family, also those that the study does not hold." if counts_all else ""
    )
    return (
        f"Each question is one family: {listing(families)}.{every} {_looks(held, alpha)} "
        f"{_guarantee(held, alpha, counts_all)}"
    )


def _looks(held: Sequence[Verdict], alpha: str) -> str:
    """How the error is shared out among looks, by the rule that the study began with."""
    text = "Every report of other runs that the study itself has ended with counts as a look"
    schedules = [verdict.schedule for verdict in held if verdict.schedule]
    parts = []
    if schedules:
        seen = sorted({look for schedule in schedules for look in schedule.looks})
        most = schedules[0].most_seeds
        parts.append(
            f"where claims rest on pairs of seeds, the looks at up to n of the {most} confirmation seeds that the "
            f"study fixed as the most when it began spend {alpha} times the square root of n / {most} together; looks "
            f"so far were at {listing([str(look) for look in seen])} seeds"
        )
    if looks := sorted({verdict.look for verdict in held if not verdict.schedule}):
        where = "elsewhere " if schedules else ""
        parts.append(f"{where}look k is judged at {alpha} / 2^k; this is look {listing([str(look) for look in looks])}")
    return f"{text}: {'; '.join(parts)}."


def _guarantee(held: Sequence[Verdict], alpha: str, counts_all: bool) -> str:
    """How often a verdict may be false, and where that is not known."""
    families: dict[str, list[str]] = {}
    for question in _questions(held):
        families.setdefault(_condition(question, held), []).append(question.name)
    parts = [f"{listing(names)} ({condition})" for condition, names in families.items() if condition]
    text = "" if any(_of_optimizers(verdict) for verdict in held) else NO_BOUND
    if about := families.get(""):
        text = f"The intervals of {listing(about)} are approximate, so that no bound is known there. {text}".strip()
    if not parts:
        return f"How often verdicts are false: {text[:1].lower()}{text[1:]}"
    same = "" if counts_all else ", as long as every look is at the same optimizers"
    return (
        "How often verdicts are false: the probability that any verdict of a family is false at any look is at most "
        f"{alpha} in {' and in '.join(parts)}{same}. That is for each "
        f"family by itself, not for all of them together. {text}"
    ).strip()


def _condition(question: Question, held: Sequence[Verdict]) -> str:
    """What the verdicts of a question are about, and what must hold that their error is bounded; empty if it is not."""
    if any(_of_optimizers(verdict) for verdict in held if verdict.question is question):
        return "about the optimizers, if the luck of tuning is normal and as large for all of them"
    metric = STUDY_METRICS.get(question.metric)
    condition = metric.exact_if if metric else "paired differences are symmetric"
    return condition and f"at the settings that were tuned, if {condition}"


def _of_optimizers(verdict: Verdict) -> bool:
    return verdict.pairs is not None and verdict.about == "optimizers"


def _questions(held: Sequence[Verdict]) -> list[Question]:
    """Those of the verdicts, in order."""
    return list({verdict.question.name: verdict.question for verdict in held}.values())


def _inference(held: Sequence[Verdict], plan: ErrorPlan) -> str:
    paired = [verdict for verdict in held if verdict.pairs and verdict.about == "settings"]
    tuned = [verdict for verdict in held if _of_optimizers(verdict)]
    text = (
        "An improvement is always positive where it speaks for the claim. Runs of both sides that share their seed "
        "make a pair. A claim on settings is tested by the sign-flip test on the mean difference, exact over all "
        f"choices of signs up to {LARGEST_EXACT} pairs and over {NUM_FLIPS:,} random ones beyond; its interval is the "
        "inverted test at 1 - alpha / m with the alpha of the look, for a family of m claims (Bonferroni), the one for "
        "one-sided tests at 1 - 2 alpha / m. "
        f"P-values printed beside are adjusted by Holm's method for the family{_in_p_values(plan)}; "
        '"better in" is the share of pairs in which the run of the first optimizer is better, ties counted half.'
    )
    if any(verdict.schedule for verdict in held):
        text += (
            " A later look at more seeds leaves out the choices of signs that an earlier one would have rejected, and "
            "its interval keeps to that of the look before: what is decided is not undone."
        )
    if paired:
        seeds = sorted({verdict.evidence.num_values for verdict in paired if verdict.evidence})
        text += f" From {listing([str(seed) for seed in seeds])} pairs no two-sided p-value can be below "
        text += f"{listing([number(2.0 ** (1 - seed)) for seed in seeds])}."
    if tuned:
        text += f" {_tunings(tuned)}"
    asked = sorted({verdict.question.metric for verdict in held} & STUDY_METRICS.keys())
    others = [name for name in asked if STUDY_METRICS[name].interval]
    if others:
        intervals = [f"for the {noun_of(metric)} it is {STUDY_METRICS[metric].interval}" for metric in others]
        text += f" Where nothing is paired by seed there is an interval and no such test: {listing(intervals)}."
    return " ".join(filter(None, (text, _targets(held), _diverged(_questions(held)))))


def _targets(held: Sequence[Verdict]) -> str:
    """Which targets count, if a claim is about times to targets."""
    if not any(verdict.question.metric in TIMES_TO_TARGETS for verdict in held):
        return ""
    return (
        "A claim on times to targets leaves out every target that fewer than half of the runs of both sides, of all "
        "tunings together, reach: in most pairs it would be the whole budget twice, which hides a difference. Both "
        "sides are counted together, so that the choice does not depend on which run of a pair is whose, and the test "
        "stays exact."
    )


def _in_p_values(plan: ErrorPlan) -> str:
    return " and for all looks, those of look k by 2^k" if plan.counts_every_claim else ", not for other looks"


def _tunings(tuned: Sequence[Verdict]) -> str:
    times = listing([str(number) for number in sorted({verdict.num_tunings for verdict in tuned})])
    return (
        f"Claims on optimizers rest on {times} tunings of each, with training and confirmation seeds of their own. The "
        "mean differences of all pairs of optimizers in each tuning give the variance from tuning to tuning (the "
        "interaction of optimizers and tunings in a two-way layout); the interval is Student's t over the tunings with "
        "that variance, or that of the pair alone where it is larger. So what one tuning found by luck, be it points "
        "or seeds, is in the interval. The verdict on the settings that were found, by the sign-flip test over the "
        "pairs of all tunings, stands beside it in the table of verdicts (at_settings): where the two differ, the "
        "settings are told apart and the optimizers are not."
    )


def _run_metrics() -> set[str]:
    """Metrics of one run that claims compare by pairs of seeds."""
    return {name for name in METRICS if name not in STUDY_METRICS}


def _diverged(questions: Sequence[Question]) -> str:
    """What a diverged run scores in each claimed metric."""
    scored, without = [], []
    for name in dict.fromkeys(question.metric for question in questions):
        if name in PAIR_METRICS or (name in _run_metrics() and METRICS[name].diverged is None):
            without.append(noun_of(name))
        elif name in _run_metrics():
            score = METRICS[name].diverged
            scored.append(f"{_score(score, METRICS[name].unit)} for {noun_of(name)}")
    parts = []
    if scored:
        parts.append(f"A diverged run scores its worst: {listing(scored)}.")
    if without:
        parts.append(f"It has no {' and no '.join(without)}: a claim on that with a diverged run is not testable.")
    return " ".join(parts)


def _score(score: object, unit: str) -> str:
    if not isinstance(score, int | float):
        return "the whole budget"
    return f"{score:.0%}" if unit == "fraction" else f"{score:g}" if unit == "1" else f"{score:g} {unit}"


def _rules(held: Sequence[Verdict]) -> str:
    names = list(dict.fromkeys(verdict.question.name for verdict in held if verdict.question.needs_learning))
    untaught = f"a side has learned nothing in most seeds (in {listing(names)}, which it would win); " if names else ""
    return (
        f"Verdicts, by the first rule that fits. NOT TESTABLE: {untaught}both sides of a claim on runs have learned "
        "nothing; no target is left, or fewer than half of the runs of a side reach any; two runs of a seed share no "
        "range of training loss, or too short a one; a run that diverged has no value to compare; there are too few "
        "seeds, settings or timing blocks. Then, with the interval [l, u] of the improvement, the narrower one "
        "[l', u'] at twice its error and the least improvement that would matter, delta: SUPPORTED if l > delta; "
        "EQUIVALENT if -delta < l' and u' < delta (two one-sided tests); DIRECTION ONLY if l > 0; REFUTED if "
        "u < -delta; WORSE if u < 0; NOT BETTER BY WHAT MATTERS if u' < delta (the upper one of the two tests) and "
        "delta is not 0; otherwise INCONCLUSIVE, with the number of seeds, or of tunings for a verdict on optimizers, "
        "at which the next look would give another verdict if mean and spread stayed as they are. The interval "
        "decides, also where "
        "Holm's p-value, which is less strict, is small. No result that is merely not significant counts as equality."
    )


def _limits(overview: Overview, held: Sequence[Verdict]) -> str:
    text = (
        "What the verdicts do not cover. The sign-flip test needs paired differences that are symmetric about their "
        "centre under the null hypothesis. Seeds cover initialisation, data order and noise, not the sampling of the "
        "images: results hold for these training, validation and test images"
    )
    images = overview.ledger.study.identity.get("num_test_images")
    if isinstance(images, int) and images > 0:
        error = 0.5 / images**0.5
        text += f" (an error on {images:,} test images has a standard error of up to {percent(error)} from them alone)"
    if any(verdict.image_error for verdict in held):
        text += (
            ". What the test images alone bring to a difference of errors stands in its sentence: the standard error "
            "over the images of the difference of how many seeds of each side are right on an image, so that images "
            "on which both sides agree bring nothing"
        )
    repeats = max((verdict.num_tunings for verdict in held), default=1)
    if any(_of_optimizers(verdict) for verdict in held):
        return (
            f"{text}. The settings come from {count(repeats, 'tuning')} with this budget, search space and search "
            "algorithm: verdicts on optimizers are about what such a tuning finds. The t interval takes the luck of "
            "the tunings for normal and about as large for all optimizers."
        )
    if repeats > 1:
        return (
            f"{text}. The settings come from {count(repeats, 'tuning run')} on the same seeds, and differences are "
            "means over them; the intervals are about these tuning runs and do not cover that others would have found "
            "other settings."
        )
    return (
        f"{text}. The settings come from one tuning run, so that verdicts are about these settings; several tunings "
        "with seeds of their own (--repeats) give verdicts on the optimizers."
    )
