"""The part of the methods section on claims: what was fixed when, which rows answer, how verdicts are reached."""

from collections.abc import Sequence

from analysis.claims.questions import Question
from analysis.ledger.study import ErrorPlan
from analysis.metrics import METRICS, PAIR_METRICS
from analysis.report.text.verdict_sentences import noun_of
from analysis.statistics.paired import LARGEST_EXACT, NUM_FLIPS
from analysis.tables.overview import Overview
from analysis.verdicts.claims_of_study import Judgement
from analysis.verdicts.study_metrics import STUDY_METRICS
from analysis.verdicts.verdict import Verdict
from analysis.wording import count, listing, number, percent


def claims_methods(overview: Overview, judgement: Judgement, which_rows: str) -> list[str]:
    """Rows, claims, tests, rules and limits, one paragraph each; one sentence if the study holds no claim."""
    held, plan = judgement.verdicts, overview.ledger.study.error_plan
    if not held:
        return [f"{_origin(overview, judgement)} The study holds both sides of none of them, so nothing was tested."]
    return [
        f"Which rows answer which question. {which_rows}",
        f"{_origin(overview, judgement)} {_families(judgement, held, plan)}",
        _inference(judgement, held, plan),
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
    return f"The claims (hash {name}) were stored with the rows when the study began, before anything was trained."


def _families(judgement: Judgement, held: Sequence[Verdict], plan: ErrorPlan) -> str:
    sizes = {
        question.name: len(question.pairs)
        if plan.counts_every_claim
        else sum(verdict.question is question for verdict in held)
        for question in judgement.claims.questions
        if any(verdict.question is question for verdict in held)
    }
    families = [f"{name} ({count(size, 'claim')})" for name, size in sizes.items()]
    alpha = number(judgement.claims.alpha)
    text = (
        f"Each question is one family: {listing(families)}; in each the probability of any false verdict is at most "
        f"{alpha}. "
    )
    if plan.counts_every_claim:
        text += "All claims of the file count in their family, also those that the study does not hold. "
    return f"{text}{_looks(held, alpha)}"


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
    return f"{text}, and all looks together keep to it: {'; '.join(parts)}."


def _inference(judgement: Judgement, held: Sequence[Verdict], plan: ErrorPlan) -> str:
    paired = [verdict for verdict in held if verdict.pairs and verdict.scope == "settings"]
    tuned = [verdict for verdict in held if verdict.pairs and verdict.scope == "optimizers"]
    text = (
        "An improvement is always positive where it speaks for the claim. Runs of both sides that share their seed "
        "make a pair. A claim on settings is tested by the sign-flip test on the mean difference, exact over all "
        f"choices of signs up to {LARGEST_EXACT} pairs and over {NUM_FLIPS:,} random ones beyond; its interval is the "
        "inverted test at 1 - alpha / m with the alpha of the look, for a family of m claims (Bonferroni), the one for "
        "equivalence at 1 - 2 alpha / m. "
        "P-values printed beside are adjusted by Holm's method"
        f"{_in_p_values(plan)}; A12 is the probability that a run of the first "
        "optimizer is better than one of the second."
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
    others = sorted({verdict.question.metric for verdict in held} - {*PAIR_METRICS, *_run_metrics()})
    if others:
        text += (
            f" There is no such test for {listing([noun_of(metric) for metric in others])}: the intervals are "
            f"percentiles of a bootstrap, {listing([f'over {metric.resampled}' for metric in STUDY_METRICS.values()])}."
        )
    questions = [q for q in judgement.claims.questions if any(verdict.question is q for verdict in held)]
    return f"{text} {_diverged(questions)}".strip()


def _in_p_values(plan: ErrorPlan) -> str:
    return " and know of all looks: those of look k are multiplied by 2^k" if plan.counts_every_claim else ""


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
        "nothing; fewer than half of the runs of a side reach any target; two runs of a seed share no range of "
        "training loss; a run that diverged has no value to compare; there are too few seeds, settings or timing "
        "blocks. Then, with the interval [l, u] of the improvement and the "
        "least improvement that would matter, delta: SUPPORTED if l > delta; EQUIVALENT if the interval for "
        "equivalence lies within -delta and delta (two one-sided tests); DIRECTION ONLY if l > 0; REFUTED if u < 0; "
        "otherwise INCONCLUSIVE, with the number of seeds, or of tunings for a verdict on optimizers, at which the "
        "next look would give another verdict if mean and spread stayed as they are. The interval decides, also where "
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
    repeats = max((verdict.num_tunings for verdict in held), default=1)
    if any(verdict.pairs and verdict.scope == "optimizers" for verdict in held):
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
