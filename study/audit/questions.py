"""Audits of the questions on runs: simulated ledgers are judged by the metrics, targets and refusals of a report.

What is planted is known: nothing, an effect of the optimizer, a difference of the settings alone, which the luck of
tuning has found, or one of the level of the training loss alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from analysis.claims.file import Claims
from analysis.claims.questions import Question
from analysis.tables.overview import Overview
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.evidence import Evidence, NotTestableError
from analysis.verdicts.evidence_of_runs import gather
from analysis.verdicts.evidence_of_tunings import PairedTunings
from analysis.verdicts.judge import weigh
from study.audit.curves import RATE_ALONE, Formula
from study.audit.ledgers import DATASET, Plan, claims_on, simulated
from study.audit.seeds import ALPHA, FAMILY, LEVEL, SURE, Audit
from study.audit.tuning import PRAISED, RIVALS

NUM_TUNINGS = 4
NUM_FRESH = 6
"""Of each tuning."""

STEPS, SWING, GAP, ERROR = "restricted_steps_to_target", "matched_loss_swing", "matched_loss_gap", "test_error"

FLAT = 0.02
"""Steepness of an error of which tuning hardly sees where it is lowest: settings differ, and the swing with them."""

SHARP = 1.0
"""Steepness of one of which tuning finds much the same settings, so that their luck hides nothing that is planted."""

LOWER_FLOOR = 0.8
"""Nats to which the training loss of the praised optimizers falls where they are to fit better, in place of 1.2."""


LOWER_ERROR = 0.05
"""By which the praised optimizers are better where an effect of theirs is planted, twice the smallest effect."""


class Family(NamedTuple):
    """What one study says on the claims of one question.

    Args:
        evidence: For each claim; None where the rows cannot answer it.
        words: The verdict on each.
    """

    evidence: Sequence[Evidence | None]
    words: Sequence[str]


class Kind(NamedTuple):
    """What is planted in studies, in words, and by which metrics they are judged."""

    name: str
    praised: Formula
    rival: Formula
    metrics: Sequence[str]


PLAIN = Formula(space=RATE_ALONE)
IDENTICAL = Kind("A/A by the metrics of claims", PLAIN, PLAIN, (STEPS, SWING, GAP, ERROR))
IN_OPTIMIZER = Kind(f"error lower by {LOWER_ERROR:g}", replace(PLAIN, better=LOWER_ERROR), PLAIN, (ERROR,))
IN_SETTINGS = Kind("settings alone differ", replace(PLAIN, steepness=FLAT), replace(PLAIN, steepness=FLAT), (SWING,))
IN_LEVEL = Kind(
    "level of the loss alone differs",
    replace(PLAIN, steepness=SHARP, floor=LOWER_FLOOR),
    replace(PLAIN, steepness=SHARP),
    (SWING, GAP),
)


def audits(num_studies: int, num_planted: int) -> Iterator[Audit]:
    """Every audit of this kind in turn.

    Args:
        num_studies: Simulated studies of identical optimizers behind each share.
        num_planted: The same of studies in which something is planted.
    """
    for metric, families in by_metric(IDENTICAL, 0, num_studies).items():
        yield false_directions(families, f"{IDENTICAL.name}, {metric}")
        yield coverage(families, f"{IDENTICAL.name}, {metric}")
    for metric, families in by_metric(IN_SETTINGS, 1, num_planted).items():
        yield told_apart(families, f"{IN_SETTINGS.name}, {metric}")
        yield false_directions(families, f"{IN_SETTINGS.name}, {metric}")
        yield coverage(families, f"{IN_SETTINGS.name}, {metric}")
    for metric, families in by_metric(IN_LEVEL, 2, num_planted).items():
        yield false_directions(families, f"{IN_LEVEL.name}, {metric}")
        yield false_words(families, f"{IN_LEVEL.name}, {metric}")
    for metric, families in by_metric(IN_OPTIMIZER, 3, num_planted).items():
        yield power(families, f"{IN_OPTIMIZER.name}, {metric}")


def by_metric(kind: Kind, seed: int, num_studies: int) -> dict[str, list[Family]]:
    """What many studies say, by metric."""
    found = list(judged(np.random.default_rng([1, seed]), kind, num_studies))
    return {metric: [study[metric] for study in found] for metric in kind.metrics}


def judged(random: np.random.Generator, kind: Kind, num_studies: int) -> Iterator[Mapping[str, Family]]:
    """What each of many studies says on the claims, by metric."""
    formulae = {name: kind.praised if name in PRAISED else kind.rival for name in (*PRAISED, *RIVALS)}
    plan = Plan(optimizers=formulae, num_fresh=NUM_FRESH)
    claims = claims_on(PRAISED, RIVALS, kind.metrics)
    for _ in range(num_studies):
        repeats = [simulated(random, plan, repeat) for repeat in range(NUM_TUNINGS)]
        yield families_of(repeats, claims)


def families_of(repeats: Sequence[Overview], claims: Claims) -> dict[str, Family]:
    """What one study says on the claims, by metric: gathered and weighed as for a report."""
    confirmed = [ConfirmedRuns(overview, claims) for overview in repeats]

    def family(question: Question) -> Family:
        effect = question.effect_for(DATASET)
        assert effect is not None, "the article fixes one"
        evidence = [_gathered(question, a, b, confirmed) for a, b in question.pairs]
        return Family(evidence, [weigh(item, LEVEL, effect)[0] if item else "NOT TESTABLE" for item in evidence])

    return {question.metric: family(question) for question in claims.questions}


def _gathered(question: Question, a: str, b: str, confirmed: Sequence[ConfirmedRuns]) -> Evidence | None:
    try:
        return gather(question, a, b, confirmed, LEVEL)
    except NotTestableError:
        return None


def false_directions(families: Sequence[Family], what: str) -> Audit:
    """Nothing that a verdict on optimizers may speak of differs: any direction is false."""
    found = sum(any(_has_direction(item, LEVEL) for item in family.evidence) for family in families)
    return _at_most(found, len(families), f"{what}: any direction in {FAMILY} claims")


def false_words(families: Sequence[Family], what: str) -> Audit:
    """The same of words that say that the difference matters."""
    found = sum(bool({"SUPPORTED", "REFUTED"} & {*family.words}) for family in families)
    return _at_most(found, len(families), f"{what}: any SUPPORTED or REFUTED in {FAMILY} claims")


def power(families: Sequence[Family], what: str) -> Audit:
    """An effect of the optimizer itself is found by as many tunings as a study has."""
    found = sum(_has_direction(item, LEVEL) for family in families for item in family.evidence)
    share = found / (len(families) * FAMILY)
    return Audit(f"{what}: a direction", "found in at least 80% of claims", f"{share:.1%}", share >= 0.8)


def coverage(families: Sequence[Family], what: str) -> Audit:
    """The 95 % interval of one claim of each study holds no difference."""
    told = [family.evidence[0] for family in families if family.evidence[0]]
    found = sum(not _has_direction(item, 0.95) for item in told)
    least = int(binom.ppf(1 - SURE, len(told), 0.95))
    return Audit(
        f"coverage of 95% intervals, {what}",
        f"at least 95.0% ({least} within chance)",
        f"{found / len(told):.1%} ({found} of {len(told):,})",
        found >= least,
    )


def told_apart(families: Sequence[Family], what: str) -> Audit:
    """One claim of each study: by the seeds of all tunings its settings are told apart, as they differ."""
    share = np.mean([_has_direction(_at_settings(family.evidence[0]), LEVEL) for family in families])
    return Audit(
        f"{what}: settings of one claim told apart",
        f"more often than {ALPHA:.1%}: no verdict on optimizers",
        f"{share:.1%} of {len(families):,} studies",
        bool(share > ALPHA),
    )


def _at_settings(item: Evidence | None) -> Evidence | None:
    return item.at_settings if isinstance(item, PairedTunings) else None


def _at_most(found: int, num_studies: int, name: str) -> Audit:
    most = int(binom.ppf(SURE, num_studies, ALPHA))
    return Audit(
        name, f"at most {ALPHA:.1%} ({most} within chance)", f"{found / num_studies:.1%} ({found})", found <= most
    )


def _has_direction(item: Evidence | None, level: float) -> bool:
    if item is None:
        return False
    interval = item.interval(level)
    return interval.low > 0 or interval.high < 0
