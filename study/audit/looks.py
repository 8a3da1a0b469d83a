"""Audits of seeds until decided: pairs come six at a time, are judged, and go on as long as a study would go on."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from analysis.verdicts.evidence import PairedSeeds
from analysis.verdicts.evidence_of_looks import PairedLooks
from analysis.verdicts.judge import weigh
from analysis.verdicts.schedule import Schedule
from analysis.verdicts.undecided import undecided
from analysis.verdicts.verdict import Verdict
from study.audit.curves import Array
from study.audit.ledgers import claims_on
from study.audit.seeds import DENIALS, LOOKS, SURE, Audit

ERROR = 0.05
"""Of one claim at all looks together."""

SMALLEST_EFFECT = 0.5
"""Of interest where there is an effect, in standard deviations of a difference."""

FOUND = 1.0
"""Effect that looks at up to 48 seeds must find, in the same unit."""


class Course(NamedTuple):
    """How a study of one claim ended: its last verdict, and the seeds that it took."""

    verdict: Verdict
    num_seeds: int


def audits(num_studies: int) -> Iterator[Audit]:
    """Every audit of this kind in turn.

    Args:
        num_studies: Simulated studies behind each share.
    """
    random, size = np.random.default_rng(5), (num_studies, LOOKS[-1])
    # With a smallest effect most of these would soon be decided without a direction.
    none = [until_decided(own, 0.0) for own in random.normal(size=size)]
    tails = [until_decided(own, 0.0) for own in random.standard_t(2, size=size)]
    yield false_directions(none, "normal differences")
    yield false_directions(tails, "t with 2 degrees of freedom")
    yield coverage(none)
    yield false_denials([until_decided(own, SMALLEST_EFFECT) for own in random.normal(SMALLEST_EFFECT, size=size)])
    yield power([until_decided(own, SMALLEST_EFFECT) for own in random.normal(FOUND, size=size)])


def until_decided(differences: Array, smallest_effect: float) -> Course:
    """Look at the first pairs, and at more of them as long as a study would train them.

    Args:
        differences: Of all pairs that there may be, shape (num_pairs,).
        smallest_effect: Of interest.
    """
    (question,) = claims_on(("a",), ("b",), ("test_error",)).questions
    looks: tuple[int, ...] = ()
    for number in LOOKS:
        looks = (*looks, number)
        schedule = Schedule(looks=looks, most_seeds=LOOKS[-1])
        own = differences[:number]
        pairs = PairedSeeds.of(own[None], np.zeros(number), own)
        evidence, level = PairedLooks.at(pairs, schedule), 1 - ERROR * schedule.spent
        word, interval = weigh(evidence, level, smallest_effect)
        verdict = Verdict(
            question=question, a="a", b="b", word=word, level=level, smallest_effect=smallest_effect,
            evidence=evidence, interval=interval, schedule=schedule,
        )  # fmt: skip
        if not undecided([verdict]).seeds:
            break
    return Course(verdict, number)


def false_directions(courses: list[Course], what: str) -> Audit:
    """There is no difference: a direction at the look at which a study stops, or at one before, is false."""
    found = sum(_has_direction(course) for course in courses)
    most = int(binom.ppf(SURE, len(courses), ERROR))
    return Audit(
        f"until decided, {what}: any direction",
        f"at most {ERROR:.1%} ({most} within chance)",
        f"{found / len(courses):.1%} ({found}), after {np.mean([course.num_seeds for course in courses]):.0f} seeds",
        found <= most,
    )


def coverage(courses: list[Course]) -> Audit:
    """The interval that is printed at the end holds no difference at the level that all looks share."""
    found = sum(not _has_direction(course) for course in courses)
    least = int(binom.ppf(1 - SURE, len(courses), 1 - ERROR))
    return Audit(
        "coverage of the interval of all looks, until decided",
        f"at least {1 - ERROR:.1%} ({least} within chance)",
        f"{found / len(courses):.1%} ({found})",
        found >= least,
    )


def false_denials(courses: list[Course]) -> Audit:
    """The difference is just what matters: a word that says that it is not there is false."""
    found = sum(course.verdict.word in DENIALS for course in courses)
    most = int(binom.ppf(SURE, len(courses), ERROR))
    return Audit(
        "until decided, better by the smallest effect: any word that denies it",
        f"at most {ERROR:.1%} ({most} within chance)",
        f"{found / len(courses):.1%} ({found})",
        found <= most,
    )


def power(courses: list[Course]) -> Audit:
    """A large effect is found, in fewer seeds than there may be."""
    share = np.mean([course.verdict.word in ("SUPPORTED", "DIRECTION ONLY") for course in courses])
    return Audit(
        f"until decided, planted effect of {FOUND:g} deviations",
        "found in at least 80% of claims",
        f"{share:.1%}, after {np.mean([course.num_seeds for course in courses]):.0f} seeds",
        bool(share >= 0.8),
    )


def _has_direction(course: Course) -> bool:
    interval = course.verdict.interval
    return interval is not None and (interval.low > 0 or interval.high < 0)
