"""Audits of the intervals about the search space: tuned ledgers whose expected error over the space is known."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.stats import binom, qmc

from analysis.statistics.intervals import Interval, percentile_interval
from analysis.tables.overview import Overview
from analysis.tables.sensitivity import Missing, drift, expected_best, good_volume_difference, good_volumes, importances
from analysis.tables.sensitivity.good_volume import EPSILON
from analysis.tables.sensitivity.imprecision import imprecision_table
from analysis.tables.sensitivity.one_at_a_time import one_at_a_time
from study.audit.curves import COMMON, KNOB, LEAST_ERROR, OWN, RATE, WITH_KNOB, Array, Formula
from study.audit.ledgers import NUM_SEEDS, Plan, simulated
from study.audit.seeds import SURE, Audit
from study.audit.sensitivity import true_costs

A, B = "a", "b"
RATE_MATTERS = Formula(space=WITH_KNOB)
BOTH_MATTER = Formula(space=WITH_KNOB, knob_slope=0.2)
KNOB_MATTERS = Formula(space=WITH_KNOB, knob_slope=0.2, steepness=0.0)
BEST_OF = 5
"""Points of which the best is expected: a third of the 16 that explore, for which an interval is printed."""

OF_TWO = Plan(optimizers=dict.fromkeys((A, B), RATE_MATTERS), has_sweep=True, has_curves=False)
OF_ONE = Plan(optimizers={A: BOTH_MATTER}, has_curves=False)
OF_MANY_POINTS = Plan(optimizers={A: BOTH_MATTER}, has_curves=False, num_trials=56)
"""Of which 32 explore, as many as a forest needs."""

FOREST_PART, FEWEST_FORESTS = 10, 4
"""A forest takes a second: of so many studies one grows it, but so many do."""


class Case(NamedTuple):
    """An interval that is printed.

    Args:
        name: What it is of.
        interval: Reads it from a simulated study.
        truth: What it should hold in that study.
        least: Part of the studies in which it does, where that is less than it says.
    """

    name: str
    interval: Callable[[Overview], Interval]
    truth: Callable[[Overview], float]
    least: float = 0.95


def volume_difference(found: Overview) -> Interval:
    """Of two identical optimizers."""
    difference = good_volume_difference(found.ledger, A, B)
    assert not isinstance(difference, Missing), difference
    return percentile_interval(difference.draws, 0.95)


def volume(found: Overview) -> Interval:
    """Of one optimizer, over its declared space and from its own best."""
    return _ends(good_volumes(found.ledger).filter(optimizer=A, space="declared", measured_from="own best"))


def cost(found: Overview) -> Interval:
    """Of a learning rate that is known only roughly."""
    costs = imprecision_table(one_at_a_time(found.ledger)).filter(optimizer=A, hyperparameter=RATE)
    return _ends(costs.rename({"cost_low": "low", "cost_high": "high"}))


def best_of_five(found: Overview) -> Interval:
    """What five points of the search are expected to reach."""
    return _ends(expected_best(found.ledger).filter(num_trials=BEST_OF))


def drift_with_knob(found: Overview) -> Interval:
    """Slope of the best learning rate along the knob."""
    return _ends(drift(found.ledger).filter(hyperparameter=KNOB))


def importance_of_knob(found: Overview) -> Interval:
    """By fANOVA, the main effect."""
    rows = importances(found.ledger).filter(pl.col("other").is_null(), method="fanova", hyperparameter=KNOB)
    return _ends(rows)


def _ends(rows: pl.DataFrame) -> Interval:
    row = rows.select("low", "high").row(0, named=True)
    return Interval(row["low"], row["high"])


@cache
def expected_errors(name: str) -> Array:
    """Expected errors of an optimizer of this module at points that fill its space evenly, shape (num_points,)."""
    formula = {"rate": RATE_MATTERS, "both": BOTH_MATTER, "knob": KNOB_MATTERS}[name]
    axes = sorted(formula.space.items())
    fractions = qmc.Sobol(len(axes), rng=0).random(2**14)
    points = ({name: axis.at(float(at)) for (name, axis), at in zip(axes, own, strict=True)} for own in fractions)
    return np.array([formula.expected_error(point) for point in points])


@cache
def true_volume() -> float:
    """Share of the space within the tolerance of the lowest expected error."""
    return float((expected_errors("rate") <= LEAST_ERROR + EPSILON).mean())


@cache
def true_best_of_five() -> float:
    """Mean over tunings of the lowest mean error of five points at random; seeds are common to them."""
    random = np.random.default_rng(0)
    errors = random.choice(expected_errors("both"), size=(40_000, BEST_OF))
    common = COMMON.error * random.normal(size=(len(errors), 1))
    own = OWN.error * random.normal(size=errors.shape)
    return float((errors + (common + own) / NUM_SEEDS**0.5).min(axis=1).mean())


@cache
def true_importance_of_knob() -> float:
    """Its share of the variance of the expected error, which is a sum of both parts."""
    return float(expected_errors("knob").var() / expected_errors("both").var())


CASES: Sequence[tuple[Plan, int, Sequence[Case]]] = (
    (
        OF_TWO,
        1,
        (
            Case("a difference of good volumes", volume_difference, lambda _: 0.0),
            Case("a good volume", volume, lambda _: true_volume()),
            Case("a cost of imprecision", cost, lambda found: true_costs(found, OF_TWO)[A]),
        ),
    ),
    (
        OF_ONE,
        1,
        (
            Case("the expected best of five points", best_of_five, lambda _: true_best_of_five()),
            Case("the drift of the best learning rate", drift_with_knob, lambda _: 0.0),
        ),
    ),
    (
        OF_MANY_POINTS,
        FOREST_PART,
        (Case("an importance by fANOVA", importance_of_knob, lambda _: true_importance_of_knob()),),
    ),
)
"""A plan, the part of the studies that is simulated by it, and the intervals of each."""


def audits(num_studies: int) -> Iterator[Audit]:
    """Every audit of this kind in turn.

    Args:
        num_studies: Simulated studies behind each share.
    """
    for place, (plan, part, cases) in enumerate(CASES):
        yield from coverages(np.random.default_rng([8, place]), plan, cases, max(FEWEST_FORESTS, num_studies // part))


def coverages(random: np.random.Generator, plan: Plan, cases: Sequence[Case], num_studies: int) -> Iterator[Audit]:
    """How often each interval holds what it is of, in the same studies."""
    found = np.zeros(len(cases), dtype=int)
    for _ in range(num_studies):
        overview = simulated(random, plan)
        for place, case in enumerate(cases):
            interval = case.interval(overview)
            found[place] += interval.low <= case.truth(overview) <= interval.high
    for case, count in zip(cases, found.tolist(), strict=True):
        least = int(binom.ppf(1 - SURE, num_studies, case.least))
        yield Audit(
            f"coverage of 95% intervals of {case.name}",
            f"at least {case.least:.0%} ({least} within chance)",
            f"{count / num_studies:.1%} ({count})",
            count >= least,
        )
