"""Audits of the questions on runs: simulated ledgers are judged by the metrics, targets and refusals of a report.

What is planted is known: nothing, a difference of the settings alone, which the luck of tuning has found, or one of the
level of the training loss alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from analysis.claims.file import Claims
from analysis.claims.questions import Question
from analysis.tables.overview import Overview
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.evidence import Evidence
from analysis.verdicts.evidence_of_runs import gather
from analysis.verdicts.evidence_of_tunings import PairedTunings
from study.audit.curves import RATE_ALONE, Formula, changed
from study.audit.ledgers import Plan, claims_on, simulated
from study.audit.seeds import ALPHA, FAMILY, LEVEL, SURE, Audit
from study.audit.tuning import PRAISED, RIVALS

NUM_TUNINGS = 4
NUM_FRESH = 6
"""Of each tuning."""

ON_RUNS = ("restricted_steps_to_target", "matched_loss_swing", "matched_loss_gap", "test_error")
AT_EQUAL_LOSS = ("matched_loss_swing", "matched_loss_gap")

FLAT = 0.02
"""Steepness of an error of which tuning hardly sees where it is lowest: settings differ, and the swing with them."""

LOWER_FLOOR = 0.8
"""Nats to which the training loss of the praised optimizers falls where they are to fit better, in place of 1.2."""

Family = Sequence[Evidence]


class Kind(NamedTuple):
    """What is planted in studies, in words, and by which metrics they are judged."""

    name: str
    praised: Formula
    rival: Formula
    metrics: Sequence[str]


PLAIN = Formula(space=RATE_ALONE)
KINDS = (
    Kind("identical", PLAIN, PLAIN, ON_RUNS),
    Kind(
        "differ in their settings alone",
        changed(PLAIN, steepness=FLAT),
        changed(PLAIN, steepness=FLAT),
        ("matched_loss_swing",),
    ),
    Kind("differ in the level of the loss alone", changed(PLAIN, floor=LOWER_FLOOR), PLAIN, AT_EQUAL_LOSS),
)


def audits(num_studies: int) -> Iterator[Audit]:
    """Every audit of this kind in turn.

    Args:
        num_studies: Simulated studies behind each share.
    """
    for place, kind in enumerate(KINDS):
        found = list(judged(np.random.default_rng([1, place]), kind, num_studies))
        for question in found[0]:
            families = [study[question] for study in found]
            what = f"optimizers that {kind.name}" if place else "A/A"
            yield false_directions(families, f"{what}, {question}")
            yield coverage(families, f"{what}, {question}")
            if "swing" in question and "level" not in kind.name:
                yield at_settings(families, f"{what}, {question}")


def judged(random: np.random.Generator, kind: Kind, num_studies: int) -> Iterator[Mapping[str, Family]]:
    """By metric, the evidence for the claims of each of many studies."""
    formulae = {name: kind.praised if name in PRAISED else kind.rival for name in (*PRAISED, *RIVALS)}
    plan = Plan(optimizers=formulae, num_fresh=NUM_FRESH)
    claims = claims_on(PRAISED, RIVALS, kind.metrics)
    for _ in range(num_studies):
        repeats = [simulated(random, plan, repeat) for repeat in range(NUM_TUNINGS)]
        yield families_of(repeats, claims)


def families_of(repeats: Sequence[Overview], claims: Claims) -> dict[str, Family]:
    """The evidence for each claim by metric, gathered as for a verdict."""
    confirmed = [ConfirmedRuns(overview, claims) for overview in repeats]

    def family(question: Question) -> Family:
        return [gather(question, a, b, confirmed, LEVEL) for a, b in question.pairs]

    return {question.metric: family(question) for question in claims.questions}


def false_directions(families: Sequence[Family], what: str) -> Audit:
    """Nothing that a verdict on optimizers may speak of differs: any direction is false."""
    found = sum(any(_has_direction(item, LEVEL) for item in family) for family in families)
    most = int(binom.ppf(SURE, len(families), ALPHA))
    return Audit(
        f"{what}: any direction in {FAMILY} claims",
        f"at most {ALPHA:.1%} ({most} within chance)",
        f"{found / len(families):.1%} ({found})",
        found <= most,
    )


def coverage(families: Sequence[Family], what: str) -> Audit:
    """The 95 % interval of one claim of each study holds no difference."""
    found = sum(not _has_direction(family[0], 0.95) for family in families)
    least = int(binom.ppf(1 - SURE, len(families), 0.95))
    return Audit(
        f"coverage of 95% intervals, {what}",
        f"at least 95.0% ({least} within chance)",
        f"{found / len(families):.1%} ({found})",
        found >= least,
    )


def at_settings(families: Sequence[Family], what: str) -> Audit:
    """The settings found do differ: by the seeds of all tunings they are told apart, whatever is said of optimizers."""
    share = np.mean([any(_differs_at_settings(item) for item in family) for family in families[:20]])
    return Audit(
        f"{what}: settings told apart",
        f"more often than {ALPHA:.1%}: no verdict on optimizers",
        f"{share:.1%} of {len(families[:20])} studies",
        bool(share > ALPHA),
    )


def _differs_at_settings(item: Evidence) -> bool:
    assert isinstance(item, PairedTunings), "several tunings"
    return _has_direction(item.at_settings, LEVEL)


def _has_direction(item: Evidence, level: float) -> bool:
    interval = item.interval(level)
    return interval.low > 0 or interval.high < 0
