"""What a step costs: seconds beside a rival's within timing blocks, and the wall time of training steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.ledger.load import Ledger
from analysis.ledger.schema import KEY
from analysis.metrics import METRICS, measure
from analysis.statistics.intervals import LEVEL
from analysis.statistics.median import median_interval
from analysis.tables.settings import TRIAL

FEWEST_BLOCKS = 6
"""The median of fewer blocks has no 95 % interval."""

BASELINE = "sgd"
"""What the others are compared with, if the study has it."""

COLUMNS = {
    "batch_size": pl.Int64,
    "optimizer": pl.String,
    "baseline": pl.String,
    **dict.fromkeys(("seconds_per_step", "ratio", "low", "high"), pl.Float64),
    "num_blocks": pl.Int64,
}
"""Of `cost_table`."""


@dataclass(frozen=True)
class StepCostRatio:
    """Seconds per step of one optimizer over those of another at one batch size; above 1 it costs more.

    Args:
        by_block: Ratio of each block that holds both, shape (num_blocks,).
    """

    by_block: NDArray[np.float64]

    @property
    def estimate(self) -> float:
        """Median of the ratios of the blocks."""
        return float(np.median(self.by_block))


def step_cost_ratio(timings: pl.DataFrame, a: str, b: str, batch_size: int) -> StepCostRatio | str:
    """Seconds per step of `a` over those of `b`.

    Both took their turns within the same short block, so what slows the machine for longer than that cancels.

    Args:
        timings: Rows of `timings`.
        a: Optimizer whose cost is asked for.
        b: Optimizer that it is compared with.
        batch_size: Images per step.

    Returns:
        The ratio, or in a few words why there is none.
    """
    if timings.is_empty():
        return "no steps were timed"
    chosen = timings.filter(pl.col("batch_size") == batch_size, pl.col("optimizer").is_in([a, b]))
    if missing := sorted({a, b} - set(chosen["optimizer"])):
        return f"no steps of {' and '.join(missing)} were timed at batch {batch_size}"
    if len(devices := sorted(set(chosen["device"]))) > 1:
        return f"steps were timed on {' and '.join(devices)}, which cannot be compared"
    ratios = _ratios(chosen, a, b)
    if not len(ratios):
        return f"no timing block holds both {a} and {b}"
    return StepCostRatio(ratios)


def cost_table(timings: pl.DataFrame, optimizers: Sequence[str]) -> pl.DataFrame:
    """Cost of a step of every optimizer beside the baseline: `sgd`, or the first one without it.

    Args:
        timings: Rows of `timings`.
        optimizers: Names in the order of the study; those that were not timed are left out.

    Returns:
        Columns `batch_size`, `optimizer`, `baseline`, `seconds_per_step` (median over blocks), `ratio`, `low`, `high`
        (95 % interval of the median, exact) and `num_blocks`, sorted by batch size, then in the order given. The
        baseline itself has ratio 1; a ratio that `step_cost_ratio` refuses, or of fewer blocks than an interval needs,
        is null.
    """
    timed = [name for name in optimizers if name in set(timings["optimizer"])]
    baseline = BASELINE if BASELINE in timed else next(iter(timed), None)
    rows = []
    for batch_size in sorted(set(timings["batch_size"])):
        for name in timed:
            own = timings.filter(optimizer=name, batch_size=batch_size)
            if own.is_empty():
                continue
            found = step_cost_ratio(timings, name, str(baseline), batch_size)
            seconds = (own["seconds"] / own["steps"]).median()
            ratio: tuple[float | None, ...] = (None, None, None)
            if not isinstance(found, str) and len(found.by_block) >= FEWEST_BLOCKS:
                ends = median_interval(found.by_block, LEVEL)
                ratio = (found.estimate, ends.low, ends.high)
            rows.append((batch_size, name, baseline, seconds, *ratio, own.height))
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def _ratios(timings: pl.DataFrame, a: str, b: str) -> NDArray[np.float64]:
    """Ratio of each block that holds both, in the order of the blocks."""
    per_step = timings.with_columns(cost=pl.col("seconds") / pl.col("steps"))
    ours, theirs = (per_step.filter(optimizer=name).select("block", "cost") for name in (a, b))
    both = ours.join(theirs, on="block", suffix="_b").sort("block")
    return (both["cost"] / both["cost_b"]).to_numpy()


def step_times(ledger: Ledger) -> pl.DataFrame:
    """Wall time of a step of a fused group, over the groups that ran to the end.

    Returns:
        Columns `optimizer`, `group_size`, `device`, `groups`, and `low`, `lower`, `median`, `upper`, `high` (the 5, 25,
        50, 75 and 95 % quantiles over groups) in seconds.
    """
    # The replicates of a group share its wall time to the last bit, so one of them stands for the group.
    group = [*TRIAL, "group_size", "seconds"]
    runs = ledger.trials.filter(status="complete").unique(group, keep="first", maintain_order=True)
    values = measure(METRICS["seconds_per_step"], runs, ledger.epochs).drop_nulls("value")
    quantiles = {"low": 0.05, "lower": 0.25, "median": 0.5, "upper": 0.75, "high": 0.95}
    order = pl.col("optimizer").replace_strict({name: place for place, name in enumerate(ledger.study.optimizers)})
    return (
        values.join(runs.select(*KEY, "group_size", "device"), on=KEY)
        .group_by("optimizer", "group_size", "device")
        .agg(
            pl.len().cast(pl.Int64).alias("groups"),
            *[pl.col("value").quantile(share, "linear").alias(name) for name, share in quantiles.items()],
        )
        .sort("group_size", "device", order)
    )
