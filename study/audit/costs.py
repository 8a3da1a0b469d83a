"""Audits of the cost of a step: rows of `timings` with the luck of a busy machine, judged as a report judges them.

Whatever slows a block slows all turns of it; within it turns differ at random, one in twenty is held up, and the
machine slows down a little from turn to turn, so that the order of turns counts, which every other block reverses.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl
from scipy.stats import binom

from analysis.ledger.schema import timings_schema
from analysis.tables.cost import cost_table
from analysis.verdicts.judge import judge
from study.audit.curves import RATE_ALONE, Formula
from study.audit.ledgers import Plan, claims_on, simulated, with_timings
from study.audit.seeds import ALPHA, BOUND, FAMILY, SURE, Audit
from study.audit.tuning import PRAISED, RIVALS

NUM_BLOCKS = 24
OF_BLOCKS, OF_TURNS = 0.2, 0.03
"""Standard deviations of the logarithm of a time."""

HELD_UP, BY = 0.05, 0.5
"""Share of turns that are held up, and mean of the logarithm of how much longer they take."""

DRIFT = 0.01
"""Part by which each turn takes longer than the one before."""

BATCH_SIZE = 100


def audits(num_studies: int) -> Iterator[Audit]:
    """Every audit of this kind in turn.

    Args:
        num_studies: Simulated studies behind each share.
    """
    at_bound = {name: BOUND if name in PRAISED else 1.0 for name in (*PRAISED, *RIVALS)}
    alike = dict.fromkeys(at_bound, 1.0)
    yield false_directions(np.random.default_rng([4, 0]), at_bound, num_studies)
    yield words_on_identical(np.random.default_rng([4, 1]), alike, num_studies)
    yield coverage(np.random.default_rng([4, 2]), alike, num_studies)


def timed(random: np.random.Generator, costs: Mapping[str, float]) -> pl.DataFrame:
    """Rows of `timings` of optimizers whose steps take so long, on a busy machine."""
    rows = []
    for block in range(NUM_BLOCKS):
        slow = OF_BLOCKS * random.normal()
        for turn, name in enumerate(list(costs)[:: -1 if block % 2 else 1]):
            held_up = random.exponential(BY) if random.random() < HELD_UP else 0.0
            time = costs[name] * np.exp(slow + OF_TURNS * random.normal() + held_up + DRIFT * turn)
            rows.append({"optimizer": name, "block": block, "seconds": float(time)})
    types = pl.DataFrame(pl.from_arrow(timings_schema().empty_table())).schema
    fixed = {"batch_size": BATCH_SIZE, "replicates": 1, "steps": 1, "device": "cpu", "node": "audit"}
    return (
        pl.DataFrame(rows)
        .with_columns(pl.lit(value).alias(key) for key, value in fixed.items())
        .select(pl.col(name).cast(kind) for name, kind in types.items())
    )


def words(random: np.random.Generator, costs: Mapping[str, float], num_studies: int) -> Iterator[set[str]]:
    """The words of "costs little more" in each of many studies."""
    plan = Plan(optimizers=dict.fromkeys(costs, Formula(space=RATE_ALONE)), has_curves=False)
    overview, claims = simulated(random, plan), claims_on(PRAISED, RIVALS, ("seconds_per_step",))
    for _ in range(num_studies):
        verdicts, _ = judge([with_timings(overview, timed(random, costs))], claims)
        yield {verdict.word for verdict in verdicts}


def false_directions(random: np.random.Generator, costs: Mapping[str, float], num_studies: int) -> Audit:
    """Steps that cost exactly what the bound allows: any verdict for or against it is false."""
    found = sum(bool(own & {"SUPPORTED", "REFUTED"}) for own in words(random, costs, num_studies))
    most = int(binom.ppf(SURE, num_studies, ALPHA))
    return Audit(
        f"step cost at the bound on a busy machine: SUPPORTED or REFUTED in {FAMILY} claims",
        f"at most {ALPHA:.1%} ({most} within chance)",
        f"{found / num_studies:.1%} ({found})",
        found <= most,
    )


def words_on_identical(random: np.random.Generator, costs: Mapping[str, float], num_studies: int) -> Audit:
    """Steps that cost the same are within the bound: REFUTED is false, and SUPPORTED is what should be found."""
    every = list(words(random, costs, num_studies))
    refuted, supported = (sum(word in own for own in every) for word in ("REFUTED", "SUPPORTED"))
    most = int(binom.ppf(SURE, num_studies, ALPHA))
    return Audit(
        f"A/A, step cost on a busy machine: REFUTED in {FAMILY} claims",
        f"at most {ALPHA:.1%} ({most} within chance)",
        f"{refuted / num_studies:.1%} ({refuted}); any SUPPORTED in {supported / num_studies:.0%}",
        refuted <= most,
    )


def coverage(random: np.random.Generator, costs: Mapping[str, float], num_studies: int) -> Audit:
    """The 95 % interval of the table of costs holds the ratio of identical optimizers."""
    baseline, name = RIVALS[0], PRAISED[0]
    found = 0
    for _ in range(num_studies):
        row = cost_table(timed(random, costs), [baseline, name]).row(
            by_predicate=pl.col("optimizer") == name, named=True
        )
        found += row["low"] <= 1.0 <= row["high"]
    least = int(binom.ppf(1 - SURE, num_studies, 0.95))
    return Audit(
        "coverage of 95% intervals, ratio of step costs on a busy machine",
        f"at least 95.0% ({least} within chance)",
        f"{found / num_studies:.1%} ({found})",
        found >= least,
    )
