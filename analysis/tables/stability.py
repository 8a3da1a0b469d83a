"""How often replicates go wrong, and how much seeds differ: tables over runs."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike
from scipy.special import chdtri

from analysis.ledger.schema import KEY
from analysis.metrics import Setup
from analysis.metrics.stability import blown_up_at, can_tell_blow_up, can_tell_collapse, collapsed_at
from analysis.statistics.intervals import LEVEL, Interval, with_wilson
from analysis.tables.overview import Overview
from analysis.tables.runs import setup_of
from analysis.tables.settings import TRIAL
from analysis.tables.study_tables import StudyTables

LABELS = ("diverged", "blown_up", "collapsed", "unstable")
"""What can go wrong with a replicate; unstable is diverged or collapsed."""

NUM_DRAWS = 2000
"""Bootstrap samples of an interval."""


def outcomes(trials: pl.DataFrame, epochs: pl.DataFrame, setup: Setup) -> pl.DataFrame:
    """What went wrong with each replicate that ended, and when.

    Args:
        trials: Rows of `trials`; failed replicates are passed over, they have no outcome.
        epochs: Rows of `epochs`, sorted by epoch.
        setup: What the runs share.

    Returns:
        The key, `status`, `diverged`, `blown_up`, `collapsed`, `unstable` (null where it cannot be told, see
        `metrics.stability`), and `diverged_step`, `blown_up_step`, `collapsed_step`, `unstable_step` (null where it
        did not happen), in the order of `trials`.
    """
    labels = {
        "blown_up_step": blown_up_at(setup),
        "collapsed_step": collapsed_at(setup),
        "can_blow_up": can_tell_blow_up(setup),
        "can_collapse": can_tell_collapse(setup),
    }
    ended = trials.filter(pl.col("status") != "failed").select(*KEY, "status", diverged_step=pl.col("diverged_step"))
    found = epochs.group_by(KEY, maintain_order=True).agg(**labels)
    return (
        ended.join(found, on=KEY, how="left", maintain_order="left")
        .with_columns(
            diverged=pl.col("status") == "diverged",
            blown_up=pl.when(pl.col("can_blow_up")).then(pl.col("blown_up_step").is_not_null()),
            collapsed=pl.when(pl.col("can_collapse")).then(pl.col("collapsed_step").is_not_null()),
        )
        .with_columns(
            unstable=pl.col("diverged") | pl.col("collapsed"),
            unstable_step=pl.min_horizontal("diverged_step", "collapsed_step"),
        )
        .select(*KEY, "status", *LABELS, pl.col([f"{label}_step" for label in LABELS]))
    )


def rates(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """How often each label occurs within groups.

    Grouped by two hyperparameters this is a stability map, by optimizer and setting a table.

    Args:
        rows: What `outcomes` returns, joined with whatever `by` names.
        by: Columns of the groups.

    Returns:
        Columns `by`, `label`, `replicates` (of which it can be told), `events`, `rate` with Wilson's interval `low`,
        `high`, and `median_step`, null without an event; sorted by `by`, labels in the order of `LABELS`. The rate is
        null where it can be told of no replicate.
    """
    tables = [
        rows.group_by(by)
        .agg(
            pl.lit(label).alias("label"),
            pl.col(label).count().cast(pl.Int64).alias("replicates"),
            pl.col(label).sum().cast(pl.Int64).alias("events"),
            pl.col(f"{label}_step").cast(pl.Float64).median().alias("median_step"),
        )
        .with_columns(place=pl.lit(place))
        for place, label in enumerate(LABELS)
    ]
    counts = pl.concat(tables).sort(*by, "place").drop("place")
    return with_wilson(counts, "events", "replicates", ["rate", "low", "high"]).select(
        *by, "label", "replicates", "events", "rate", "low", "high", "median_step"
    )


def seed_spread(values: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Standard deviation over the seeds that did not diverge, with two intervals.

    Few seeds say little about a spread: with 5 the 95 % interval of a normal one reaches from 0.60 to 2.87 times the
    estimate. The bootstrap promises too much there (it never sees a larger deviation than the sample's); the normal
    interval rests on normal values. A mixture of diverged and other seeds has no spread worth the name: the diverged
    are counted beside.

    Args:
        values: `status`, `value` (null where a replicate has none) and the columns of `by`, one row per replicate, as
            `metrics.measure` returns them.
        by: Columns of the groups.

    Returns:
        Columns `by`, `spread`, `low`, `high` (bootstrap), `normal_low`, `normal_high` (null below 2 values),
        `num_values`, `num_diverged`; sorted by `by`.
    """
    names = ("spread", "low", "high", "normal_low", "normal_high")
    keys: dict[str, Any] = {name: values.schema[name] for name in by}
    rows: list[tuple[object, ...]] = []
    for key, own in values.group_by(by):
        seeds = own.filter(pl.col("status") != "diverged")["value"].drop_nulls().to_numpy()
        diverged = int((own["status"] == "diverged").sum())
        found: tuple[float | None, ...] = (None,) * len(names)
        if seeds.size > 1:
            drawn, normal = bootstrap_spread(seeds), normal_spread(seeds)
            found = (float(seeds.std(ddof=1)), drawn.low, drawn.high, normal.low, normal.high)
        rows.append((*key, *found, int(seeds.size), diverged))
    schema = keys | dict.fromkeys(names, pl.Float64) | dict.fromkeys(("num_values", "num_diverged"), pl.Int64)
    return pl.DataFrame(rows, schema=schema, orient="row").sort(by)


def bootstrap_spread(values: ArrayLike, level: float = LEVEL, *, seed: int = 0) -> Interval:
    """Percentile interval of the standard deviation over 2,000 samples drawn with replacement.

    Args:
        values: Shape (num_values,), at least 2, finite.
        level: Probability of coverage, between 0 and 1; reached only with many values.
        seed: Seed of the draws.

    Raises:
        ValueError: There are fewer than 2 values, or one is not finite.
    """
    array = _checked(values)
    drawn = np.random.default_rng(seed).integers(0, array.size, size=(NUM_DRAWS, array.size))
    low, high = np.quantile(array[drawn].std(axis=1, ddof=1), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def normal_spread(values: ArrayLike, level: float = LEVEL) -> Interval:
    r"""Exact interval of the standard deviation of normal values, s sqrt((n - 1) / chi^2_{n-1}).

    Raises:
        ValueError: There are fewer than 2 values, or one is not finite.
    """
    array = _checked(values)
    spread, freedom = float(array.std(ddof=1)), array.size - 1
    # chdtri takes the probability of the upper tail.
    low, high = (
        spread * math.sqrt(freedom / float(chdtri(freedom, tail))) for tail in ((1 - level) / 2, (1 + level) / 2)
    )
    return Interval(low, high)


def _checked(values: ArrayLike) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    array = np.asarray(values, dtype=np.float64)
    if array.size < 2 or not np.isfinite(array).all():
        raise ValueError(
            f"a spread needs at least 2 values, all finite, got {array.size} with "
            f"{int((~np.isfinite(array)).sum())} that are not; run more seeds or leave diverged ones out."
        )
    return array


SEARCH_SPACE = "search space"
"""Group of the replicates of the explore points, beside the groups "tuned" and "published" of fresh seeds."""


def divergence_rates(overview: Overview, went_wrong: pl.DataFrame) -> pl.DataFrame:
    """How often replicates go wrong.

    Args:
        overview: The numbers of the report.
        went_wrong: What `stability.outcomes` returns for the shown runs.

    Returns:
        Columns `optimizer`, `setting` ("tuned", "published": fresh seeds; "search space": all replicates of explore
        points, of which only divergence is told), and those of `stability.rates`.
    """
    ours = rates(overview.shown.join(went_wrong, on=TRIAL), ["optimizer", "setting"])
    explored = overview.points.filter(phase="explore").group_by("optimizer", maintain_order=True)
    counts = explored.agg(
        pl.lit(SEARCH_SPACE).alias("setting"),
        pl.lit("diverged").alias("label"),
        replicates=pl.col("complete").sum() + pl.col("diverged").sum(),
        events=pl.col("diverged").sum(),
    )
    searched = with_wilson(counts, "events", "replicates", ["rate", "low", "high"])
    table = pl.concat([ours, searched], how="diagonal_relaxed")
    place = pl.col("optimizer").replace_strict(
        {name: place for place, name in enumerate(overview.ledger.study.optimizers)}, return_dtype=pl.Int32
    )
    return table.sort(place, maintain_order=True)


def shown_outcomes(tables: StudyTables) -> pl.DataFrame:
    """What went wrong in the shown runs and the sweeps: `outcomes` of them."""
    overview, ledger = tables.overview, tables.overview.ledger
    wanted = pl.concat(
        [
            ledger.trials.join(overview.shown, on=TRIAL, how="semi"),
            ledger.trials.filter(phase="sweep").join(overview.shown, on=TRIAL, how="anti"),
        ]
    )
    return outcomes(wanted, ledger.epochs.join(wanted, on=KEY, how="semi"), tables.once(setup_of))
