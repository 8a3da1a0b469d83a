"""Audits of nested pairs: what an optimizer adds, and what its setting does, are told apart where both are known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from analysis.tables.overview import Overview
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.nested import Nested, compare_nested
from analysis.verdicts.verdict import Verdict
from study.audit.curves import KNOB, RATE, RATE_ALONE, WITH_KNOB, Formula
from study.audit.ledgers import Plan, claims_on, simulated
from study.audit.seeds import SURE, Audit
from trainables.spec import Hyperparameter

NUM_TUNINGS, NUM_FRESH = 4, 4
WITH_IT, SIMPLER, OTHER = "nested", "simple", "other"
ERROR, SWING = "test_error", "matched_loss_swing"

PLANTED = 0.05
"""Error that what the optimizer adds takes away, twice the smallest effect."""

NOTHING_ADDED = Formula(space=WITH_KNOB, reduces_to={SIMPLER: {KNOB: 0.0}})
PLAIN = Formula(space=RATE_ALONE)
POOR_RANGE = {RATE: Hyperparameter(low=1e-3, high=3e-3, scale="log", unit="1")}
"""A decade or more below the best rate: whoever searches there has a worse setting, and no other optimizer."""


class Kind(NamedTuple):
    """What is planted, in words, the optimizer, the simpler one and by which metric they are compared."""

    name: str
    nested: Formula
    simpler: Formula
    metric: str = ERROR


PARTS = ("total", "optimizer", "setting")

KINDS = (
    Kind("that adds nothing", NOTHING_ADDED, PLAIN),
    Kind(f"that adds {PLANTED:g}", replace(NOTHING_ADDED, knob=PLANTED), PLAIN),
    Kind("whose rival has a worse range", NOTHING_ADDED, replace(PLAIN, space=POOR_RANGE)),
    Kind("whose rival has another range", NOTHING_ADDED, replace(PLAIN, space=POOR_RANGE), SWING),
)


class Outcome(NamedTuple):
    """A nested pair of one study, and what its parts would be without the luck of seeds, as far as that is known."""

    found: Nested
    truth: Mapping[str, float]


def audits(num_studies: int) -> Iterator[Audit]:
    """Every audit of this kind in turn.

    Args:
        num_studies: Simulated studies behind each share.
    """
    for place, kind in enumerate(KINDS):
        outcomes = list(compared(np.random.default_rng([2, place]), kind, num_studies))
        what = f"nested optimizer {kind.name}, {kind.metric}"
        planted = "optimizer" if kind.nested.knob else "setting" if kind.simpler.space is POOR_RANGE else None
        yield false_directions(outcomes, "setting" if planted == "optimizer" else "optimizer", what)
        if planted:
            yield planted_share(outcomes, planted, what)
        for part in outcomes[0].truth:
            yield coverage(outcomes, part, what)


def compared(random: np.random.Generator, kind: Kind, num_studies: int) -> Iterator[Outcome]:
    """The nested pair of each of many studies."""
    formulae = {WITH_IT: kind.nested, SIMPLER: kind.simpler, OTHER: PLAIN}
    plan = Plan(optimizers=formulae, num_fresh=NUM_FRESH, has_curves=kind.metric != ERROR)
    claims = claims_on((WITH_IT,), (SIMPLER, OTHER), (kind.metric,))
    for _ in range(num_studies):
        repeats = [simulated(random, plan, repeat) for repeat in range(NUM_TUNINGS)]
        (found,) = compare_nested([ConfirmedRuns(overview, claims) for overview in repeats], claims, ())
        # Of the swing it is only known that a knob that does nothing does not change it.
        yield Outcome(found, true_parts(repeats, formulae) if kind.metric == ERROR else {"optimizer": 0.0})


def true_parts(repeats: Sequence[Overview], formulae: Mapping[str, Formula]) -> dict[str, float]:
    """Each part of the improvement in error by the formula, mean over the winners of all tunings."""
    nested, simpler = formulae[WITH_IT], formulae[SIMPLER]
    errors = []
    for overview in repeats:
        ours, theirs = (overview.best[name].hyperparameters for name in (WITH_IT, SIMPLER))
        points = ((nested, ours), (nested, {**ours, KNOB: 0.0}), (simpler, theirs))
        errors.append([formula.expected_error(point) for formula, point in points])
    with_it, without_it, rival = np.mean(errors, axis=0).tolist()
    return {"total": rival - with_it, "optimizer": without_it - with_it, "setting": rival - without_it}


def false_directions(outcomes: Sequence[Outcome], part: str, what: str) -> Audit:
    """Nothing is planted in a part: a direction of it is false."""
    parts: list[Verdict | None] = [getattr(outcome.found, part) for outcome in outcomes]
    error = 1 - outcomes[0].found.optimizer.level
    found = sum(map(_has_direction, parts))
    most = int(binom.ppf(SURE, len(outcomes), error))
    equivalent = sum(own is not None and own.word == "EQUIVALENT" for own in parts) / len(outcomes)
    return Audit(
        f"{what}: a direction of the part of the {part}",
        f"at most {error:.1%} ({most} within chance)",
        f"{found / len(outcomes):.1%} ({found}); equivalent in {equivalent:.0%}",
        found <= most,
    )


def planted_share(outcomes: Sequence[Outcome], part: str, what: str) -> Audit:
    """What is planted in a part is found in it."""
    share = sum(_has_direction(getattr(outcome.found, part)) for outcome in outcomes) / len(outcomes)
    return Audit(f"{what}: found in the part of the {part}", "in at least 80% of studies", f"{share:.1%}", share >= 0.8)


def coverage(outcomes: Sequence[Outcome], part: str, what: str) -> Audit:
    """The 95 % interval of a part holds its true value.

    What an optimizer adds is true of the winners of each study; the others hold the luck of tuning, so that their true
    value is the mean over all tunings there might be, for which the mean over all studies stands.
    """
    expected = float(np.mean([outcome.truth[part] for outcome in outcomes]))
    found = 0
    for outcome in outcomes:
        interval = getattr(outcome.found, part).evidence.interval(0.95)
        truth = outcome.truth[part] if part == "optimizer" else expected
        found += interval.low <= truth <= interval.high
    least = int(binom.ppf(1 - SURE, len(outcomes), 0.95))
    return Audit(
        f"coverage of 95% intervals, {what}: {part}",
        f"at least 95.0% ({least} within chance)",
        f"{found / len(outcomes):.1%} ({found})",
        found >= least,
    )


def _has_direction(part: Verdict | None) -> bool:
    return part is not None and part.interval is not None and (part.interval.low > 0 or part.interval.high < 0)
