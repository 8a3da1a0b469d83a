"""Times to targets over seeds, with those that never got there: rates, expected times, survival, profiles.

Nothing is dropped: a replicate that misses a target, or diverges, has spent the whole budget.
"""

import math
import warnings
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from analysis.metrics import Clock, Setup, runs_of
from analysis.metrics.convergence import budget, times_to_targets
from analysis.statistics.intervals import DIGITS, LEVEL, clopper_pearson_interval, summarise, with_wilson
from analysis.tables.settings import TRIAL

GROUP = ("optimizer", "setting", "target")
LARGEST_RATIO = 4.0

Step = tuple[float, int, int, float, float, float]
"""Row of a survival curve."""

CURVE = {
    "time": pl.Float64,
    "at_risk": pl.Int64,
    "events": pl.Int64,
    **dict.fromkeys(("share", "low", "high"), pl.Float64),
}
"""Columns of `kaplan_meier`."""


def target_times(
    trials: pl.DataFrame, epochs: pl.DataFrame, shown: pl.DataFrame, setup: Setup, clock: Clock = "steps"
) -> pl.DataFrame:
    """When each shown replicate reaches each target for good.

    Args:
        trials: Rows of `trials`; failed replicates are passed over, they have no outcome.
        epochs: Rows of `epochs`, sorted by epoch.
        shown: What `selection.shown_runs` returns.
        setup: With the targets; without any there are no rows.
        clock: What time is counted in.

    Returns:
        Columns `optimizer`, `setting`, `number`, `replicate`, `status`, `target`, `time` (the budget where the target
        is missed), `reached`, `budget`, in the order of `shown`. A replicate without evaluations has no row.
    """
    wanted = trials.join(shown, on=TRIAL, how="semi")
    rows: list[tuple[str, str, int, int, str, float, float, bool, float]] = []
    for run in runs_of(wanted, epochs, setup):
        key = tuple(run.trial[name] for name in (*TRIAL, "replicate", "status"))
        end = budget(run, clock)
        for target, time in zip(setup.targets, times_to_targets(run, clock), strict=True):
            if not math.isnan(time) and not math.isnan(end):
                rows.append((*key, target, min(float(time), end), bool(time <= end), end))
    keys: dict[str, Any] = {name: wanted.schema[name] for name in (*TRIAL, "replicate", "status")}
    types = {"target": pl.Float64, "time": pl.Float64, "reached": pl.Boolean, "budget": pl.Float64}
    times = pl.DataFrame(rows, schema=keys | types, orient="row")
    return shown.join(times, on=TRIAL, how="inner", maintain_order="left_right").select(
        "optimizer", "setting", "number", "replicate", "status", "target", "time", "reached", "budget"
    )


def times_to_target(times: pl.DataFrame) -> pl.DataFrame:
    """Success rate, expected running time and restricted mean.

    The expected running time is that of an optimizer started again and again until it reaches the target, each miss
    costing its whole budget: ERT = sum_i min(T_i, B) / number of successes. The restricted mean is that of min(T, B).

    Args:
        times: What `target_times` returns.

    Returns:
        One row per optimizer, setting and target: `replicates`, `successes`, `success_rate` with Wilson's interval
        `success_low`, `success_high`; `expected_time`, null without a success; `restricted_mean` with Student's
        interval `restricted_low`, `restricted_high`, null below 2 replicates.

    Reference: A. Auger & N. Hansen, Performance evaluation of an advanced local search evolutionary algorithm,
    CEC 2005.
    """
    counts = times.group_by(GROUP, maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("replicates"),
        pl.col("reached").sum().cast(pl.Int64).alias("successes"),
        pl.col("time").sum().alias("spent"),
    )
    rates = with_wilson(counts, "successes", "replicates", ["success_rate", "success_low", "success_high"])
    means = summarise(times, GROUP, "time").select(
        *GROUP, restricted_mean="mean", restricted_low="low", restricted_high="high"
    )
    expected = pl.when(pl.col("successes") > 0).then(_rounded(pl.col("spent") / pl.col("successes")))
    return (
        rates.with_columns(expected_time=expected)
        .drop("spent")
        .join(means, on=GROUP, how="left", maintain_order="left")
    )


def survival_curves(times: pl.DataFrame) -> pl.DataFrame:
    """Share of replicates that have not reached the target yet.

    A diverged replicate never reaches it and stays in the share up to the budget.

    Args:
        times: What `target_times` returns.

    Returns:
        Columns `optimizer`, `setting`, `target` and those of `kaplan_meier`, from time 0 with share 1 up to the budget;
        the share holds from each time to the next.
    """
    frames = [
        kaplan_meier(rows["time"].to_numpy(), rows["reached"].to_numpy(), end=float(rows["budget"].max())).select(  # type: ignore[arg-type]
            *[pl.lit(value).alias(name) for name, value in zip(GROUP, key, strict=True)], pl.all()
        )
        for key, rows in times.group_by(GROUP, maintain_order=True)
    ]
    keys: dict[str, Any] = {name: times.schema[name] for name in GROUP}
    return pl.concat([pl.DataFrame(schema=keys | CURVE), *frames])


def kaplan_meier(times: ArrayLike, reached: ArrayLike, end: float, level: float = LEVEL) -> pl.DataFrame:
    r"""Product-limit estimate of the share S(t) = prod_{t_i <= t} (1 - d_i / n_i) that has not got there by t.

    d_i of the n_i replicates still on their way get there at t_i; those censored at t_i count as on their way. The
    interval is Greenwood's on the scale of log(-log S), which keeps it within 0 and 1. It has no width where S is 1 or
    0; there the interval is Clopper and Pearson's. While none has got there it counts the replicates that are still on
    their way when the first one does, or at the end; when all have, those that were given up count as not there.

    Args:
        times: When each replicate got there or was given up, at least one, shape (num_replicates,).
        reached: Whether it got there, shape (num_replicates,).
        end: Last time of the curve, no less than any time.
        level: Probability of coverage of the interval at each time.

    Returns:
        Columns `time` (0, each time at which one gets there, `end`), `at_risk` (n_i), `events` (d_i), `share`, `low`,
        `high`.

    References: E. L. Kaplan & P. Meier, JASA 53 (1958) 457-481; J. D. Kalbfleisch & R. L. Prentice, The Statistical
    Analysis of Failure Time Data (1980), section 1.3.
    """
    when, got_there = np.asarray(times, dtype=np.float64), np.asarray(reached, dtype=np.bool_)
    first = when[got_there].min() if got_there.any() else end
    still = int((when >= first).sum())
    rows: list[Step] = [(0.0, when.size, 0, 1.0, clopper_pearson_interval(still, still, level).low, 1.0)]
    if got_there.any():
        rows += _steps(when, got_there, level)
    if rows[-1][0] < end:
        rows.append((end, int((when >= end).sum()), 0, *rows[-1][3:]))
    return pl.DataFrame(rows, schema=CURVE, orient="row")


def _steps(when: NDArray[np.float64], got_there: NDArray[np.bool_], level: float) -> list[Step]:
    """A row of `kaplan_meier` for each time at which one gets there."""
    from scipy import stats  # takes two seconds

    survival = stats.ecdf(stats.CensoredData(uncensored=when[got_there], right=when[~got_there])).sf
    with warnings.catch_warnings():
        # Of a share of 0, whose interval is another one.
        warnings.filterwarnings("ignore", "The confidence interval is undefined", RuntimeWarning)
        interval = survival.confidence_interval(level, method="log-log")
    times = np.unique(when[got_there])
    shares, lows, highs = (curve.evaluate(times).tolist() for curve in (survival, interval.low, interval.high))
    rows: list[Step] = []
    for time, share, low, high in zip(times.tolist(), shares, lows, highs, strict=True):
        at_risk, events = int((when >= time).sum()), int((got_there & (when == time)).sum())
        if events == at_risk:
            given_up = int((~got_there).sum())
            low, high = 0.0, clopper_pearson_interval(given_up, when.size, level).high
        rows.append((time, at_risk, events, share, low, high))
    return rows


def performance_ratios(cells: pl.DataFrame) -> pl.DataFrame:
    """Each optimizer's time over the best one's, in every cell of problem and target.

    Only cells that all optimizers of a setting have count, so that all are judged by the same ones. One that none of
    them reaches counts against all.

    Args:
        cells: What `times_to_target` returns; several studies stand below one another with a column `problem`.

    Returns:
        Columns `optimizer`, `setting`, `problem`, `target`, `ratio`: at least 1, null where the target was never
        reached.
    """
    if "problem" not in cells.columns:
        cells = cells.with_columns(problem=pl.lit(""))
    cell = ["setting", "problem", "target"]
    rivals = pl.col("optimizer").n_unique()
    return cells.filter(rivals.over(cell) == rivals.over("setting")).select(
        "optimizer", *cell, ratio=pl.col("expected_time") / pl.col("expected_time").min().over(cell)
    )


def performance_profiles(ratios: pl.DataFrame, largest: float = LARGEST_RATIO) -> pl.DataFrame:
    """Share rho(tau) of cells in which an optimizer needs at most tau times as long as the best one.

    Args:
        ratios: What `performance_ratios` returns.
        largest: Last tau.

    Returns:
        Columns `optimizer`, `setting`, `tau` (1, each ratio up to the largest, the largest), `share`, which holds from
        each tau to the next.

    Reference: E. D. Dolan & J. J. More, Mathematical Programming 91 (2002) 201-213.
    """
    types = {"optimizer": pl.String, "setting": pl.String, "tau": pl.Float64, "share": pl.Float64}
    rows: list[tuple[object, ...]] = []
    for key, own in ratios.group_by("optimizer", "setting", maintain_order=True):
        found = own["ratio"].fill_null(math.inf).to_numpy()
        taus = np.unique([1.0, *found[found <= largest], largest])
        rows += [(*key, float(tau), float((found <= tau).mean())) for tau in taus]
    return pl.DataFrame(rows, schema=types, orient="row")


def profile_scores(ratios: pl.DataFrame, largest: float = LARGEST_RATIO) -> pl.DataFrame:
    """Area under the performance profile, (1 / (r_max - 1)) * integral of rho from 1 to r_max: 1 is best everywhere.

    Args:
        ratios: What `performance_ratios` returns.
        largest: r_max, above 1.

    Returns:
        Columns `optimizer`, `setting`, `cells` (how many were counted), `score`.
    """
    missed = pl.col("ratio").fill_null(math.inf).clip(upper_bound=largest)
    return ratios.group_by("optimizer", "setting", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("cells"), _rounded(((largest - missed) / (largest - 1)).mean()).alias("score")
    )


def _rounded(values: pl.Expr) -> pl.Expr:
    """As `summarise` rounds means, for the same reason."""
    return values.round(DIGITS).round_sig_figs(DIGITS)
