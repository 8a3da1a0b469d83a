"""Audits of "is less sensitive": identical optimizers, tuned, swept around their own winners and judged.

The verdict speaks of the settings of the first tuning. Where all optimizers have one winner, any direction is false of
the settings. Where each has its own, any direction is false of the optimizers; whether it is of the settings too is
known from the same curves without the luck of seeds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, get_args

import numpy as np
import polars as pl
from scipy.stats import binom

from analysis.ledger.load import Ledger
from analysis.tables.overview import Overview
from analysis.tables.runs import ConfirmedRuns
from analysis.tables.sensitivity import Missing, imprecision_costs, one_at_a_time
from analysis.verdicts.evidence import Evidence
from analysis.verdicts.evidence_of_runs import gather
from study.audit.curves import RATE, RATE_ALONE, Formula, Shape
from study.audit.ledgers import Plan, claims_on, simulated
from study.audit.seeds import ALPHA, FAMILY, LEVEL, SURE, Audit
from study.audit.tuning import PRAISED, RIVALS

METRIC = "learning_rate_imprecision_cost"


class Outcome(NamedTuple):
    """The claims of one study: the evidence for each, and the improvement at the same settings without luck."""

    evidence: Sequence[Evidence]
    truth: Sequence[float]


def audits(num_studies: int, num_planted: int) -> Iterator[Audit]:
    """Every audit of this kind in turn.

    Args:
        num_studies: Simulated studies behind each share where each optimizer has its own winner.
        num_planted: The same where all are given the winner of the first.
    """
    for place, shape in enumerate(get_args(Shape)):
        for shares_winner, number in ((True, num_planted), (False, num_studies)):
            random = np.random.default_rng([3, place, shares_winner])
            found = list(swept(random, shape, number, shares_winner=shares_winner))
            what = f"sensitivity, {shape}, {'one winner for all' if shares_winner else 'each its own winner'}"
            yield false_directions(found, what)
            if shares_winner:
                yield coverage(found, what)
            else:
                yield false_at_settings(found, what)


def swept(random: np.random.Generator, shape: Shape, num_studies: int, *, shares_winner: bool) -> Iterator[Outcome]:
    """The claims of many studies of five identical optimizers."""
    optimizers = dict.fromkeys((*PRAISED, *RIVALS), Formula(space=RATE_ALONE, shape=shape))
    plan = Plan(optimizers=optimizers, has_sweep=True, has_curves=False, shares_winner=shares_winner)
    claims = claims_on(PRAISED, RIVALS, (METRIC,))
    (question,) = claims.questions
    for _ in range(num_studies):
        overview = simulated(random, plan)
        confirmed = ConfirmedRuns(overview, claims)
        costs = true_costs(overview, plan)
        yield Outcome(
            [gather(question, a, b, [confirmed], LEVEL) for a, b in question.pairs],
            [costs[b] - costs[a] for a, b in question.pairs],
        )


def true_costs(overview: Overview, plan: Plan) -> dict[str, float]:
    """By optimizer, what an imprecise learning rate costs at its winner where every run has its expected error."""
    found = {}
    for name, curves in one_at_a_time(expected(overview.ledger, plan)).items():
        cost = imprecision_costs(curves, RATE)
        assert not isinstance(cost, Missing), cost
        found[name] = float(cost.mean())
    return found


def expected(ledger: Ledger, plan: Plan) -> Ledger:
    """The same rows with the expected error of each setting in the place of the error, but for those of tuning."""
    is_fresh = pl.col("phase").is_in(["confirm", "sweep"])
    frames = []
    for (name,), rows in ledger.trials.group_by("optimizer", maintain_order=True):
        formula = plan.optimizers[str(name)]
        errors = [formula.expected_error(point) for point in rows.select(list(formula.space)).to_dicts()]
        error = pl.when(is_fresh).then(pl.Series("validation_error", errors)).otherwise(pl.col("validation_error"))
        frames.append(rows.with_columns(validation_error=error))
    return replace(ledger, trials=pl.concat(frames))


def false_directions(outcomes: Sequence[Outcome], what: str) -> Audit:
    """The optimizers are one and the same: any direction is false of them."""
    found = sum(any(map(_direction, outcome.evidence)) for outcome in outcomes)
    most = int(binom.ppf(SURE, len(outcomes), ALPHA))
    return Audit(
        f"A/A, {what}: any direction in {FAMILY} claims",
        f"at most {ALPHA:.1%} ({most} within chance)",
        f"{found / len(outcomes):.1%} ({found})",
        found <= most,
    )


def false_at_settings(outcomes: Sequence[Outcome], what: str) -> Audit:
    """A direction that is not that of the same curves without luck is false of the settings as well."""
    found = sum(
        any(_direction(item) * truth < 0 for item, truth in zip(outcome.evidence, outcome.truth, strict=True))
        for outcome in outcomes
    )
    most = int(binom.ppf(SURE, len(outcomes), ALPHA))
    spread = float(np.std([outcome.truth[0] for outcome in outcomes]))
    return Audit(
        f"{what} (true differences of {spread:.3f}): a direction against that at the settings",
        f"at most {ALPHA:.1%} ({most} within chance)",
        f"{found / len(outcomes):.1%} ({found})",
        found <= most,
    )


def coverage(outcomes: Sequence[Outcome], what: str) -> Audit:
    """The 95 % interval of one claim of each study holds no difference."""
    found = sum(not _direction(outcome.evidence[0], 0.95) for outcome in outcomes)
    least = int(binom.ppf(1 - SURE, len(outcomes), 0.95))
    return Audit(
        f"coverage of 95% intervals, {what}",
        f"at least 95.0% ({least} within chance)",
        f"{found / len(outcomes):.1%} ({found})",
        found >= least,
    )


def _direction(item: Evidence, level: float = LEVEL) -> int:
    interval = item.interval(level)
    return int(interval.low > 0) - int(interval.high < 0)
