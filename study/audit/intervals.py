"""Audits of the intervals that stand beside shares, curves and means of runs: how often they hold what they are of."""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
from scipy.stats import binom

from analysis.statistics.intervals import Interval, clopper_pearson_interval, summarise, wilson_interval
from analysis.tables.targets import kaplan_meier
from study.audit.seeds import NUM_SEEDS, SURE, Audit

PROBABILITIES = np.linspace(0.02, 0.98, 961)
"""At which the coverage of shares of twelve runs is computed: beyond, all or none of them is the rule."""

LEAST = {"Wilson": 0.89, "Clopper and Pearson": 0.95, "Kaplan and Meier": 0.90}
"""What intervals of 95 % hold at the worst of these: shares of twelve cannot be hit at their level."""


def audits(num_studies: int) -> Iterator[Audit]:
    """Every audit of this kind in turn.

    Args:
        num_studies: Simulated studies behind each share.
    """
    yield share("Wilson", wilson_interval)
    yield share("Clopper and Pearson", clopper_pearson_interval)
    yield share("Kaplan and Meier", band)
    yield mean(np.random.default_rng(6), num_studies)


def band(successes: int, trials: int, level: float) -> Interval:
    """Ends of the band of a Kaplan-Meier curve, of the share that has not got there, while so many have not."""
    num_there = trials - successes
    times = np.append(np.linspace(0.1, 0.5, num_there), np.ones(successes))
    row = kaplan_meier(times, times < 1, 1.0, level).filter(pl.col("time") < 1).row(-1, named=True)
    return Interval(row["low"], row["high"])


def share(name: str, interval: Callable[[int, int, float], Interval]) -> Audit:
    """Coverage of the interval of a probability from twelve runs, by the binomial law, on average and at the worst."""
    ends = [interval(successes, NUM_SEEDS, 0.95) for successes in range(NUM_SEEDS + 1)]
    holds = np.array([[own.low <= p <= own.high for own in ends] for p in PROBABILITIES])
    found = (holds * binom.pmf(np.arange(NUM_SEEDS + 1), NUM_SEEDS, PROBABILITIES[:, None])).sum(axis=1)
    return Audit(
        f"coverage of 95% intervals of a share of {NUM_SEEDS} runs, {name}",
        f"at least 95% on average, nowhere below {LEAST[name]:.0%}",
        f"{found.mean():.1%} on average, {found.min():.1%} at the worst",
        bool(found.mean() >= 0.95 and found.min() >= LEAST[name]),
    )


def mean(random: np.random.Generator, num_studies: int) -> Audit:
    """Student's interval of the mean of twelve runs, as tables and curves have it."""
    rows = pl.DataFrame({"study": np.repeat(range(num_studies), NUM_SEEDS)})
    rows = rows.with_columns(value=random.normal(size=rows.height))
    found = summarise(rows, ["study"], "value").filter(pl.col("low") <= 0, pl.col("high") >= 0).height
    low, high = binom.interval(SURE, num_studies, 0.95)
    return Audit(
        f"coverage of 95% intervals of a mean of {NUM_SEEDS} runs",
        "95.0%",
        f"{found / num_studies:.1%} ({found})",
        bool(low <= found <= high),
    )
