"""One study tuned several times: how much of a result is the luck of the tuning."""

from collections.abc import Sequence

import polars as pl

from analysis.report.text import summary
from analysis.tables.completeness import completeness
from analysis.tables.overview import Overview
from analysis.tables.results import results_table
from analysis.wording import count, listing, percent


def repeats_table(tunings: Sequence[Overview]) -> pl.DataFrame:
    """The results of every tuning: the column `repeat`, then those of `results_table`."""
    tables = [
        results_table(overview.ledger.study, overview.results).select(
            pl.lit(overview.ledger.study.repeat, pl.Int32).alias("repeat"), pl.all()
        )
        for overview in tunings
    ]
    return pl.concat(tables, how="diagonal_relaxed")


def repeats_text(tunings: Sequence[Overview]) -> list[str]:
    """What the repeats are, how far apart they lie and which are not whole, one sentence each."""
    numbers = [str(overview.ledger.study.repeat) for overview in tunings]
    own = any(overview.ledger.study.identity.get("own_seeds") for overview in tunings)
    seeds = "training and confirmation seeds of its own" if own else "the same training and confirmation seeds"
    text = [
        f"The study was tuned {count(len(tunings), 'time')}, each time with other sampler seeds and {seeds}: repeats "
        f"{listing(numbers)}. The other tables and all figures are those of repeat {numbers[0]}, the verdicts rest on "
        "all."
    ]
    if ranges := _ranges(tunings):
        text.append(f"Mean test accuracy of the tuned setting over the repeats: {listing(ranges)}.")
    for number, overview in zip(numbers, tunings, strict=True):
        found = completeness(overview)
        if found.missing:
            text.append(f"Repeat {number} is {summary.status(found)}.")
    return text


def _ranges(tunings: Sequence[Overview]) -> list[str]:
    means: dict[str, list[float]] = {}
    for overview in tunings:
        for result in overview.results:
            if result.tuned_accuracy:
                means.setdefault(result.optimizer, []).append(result.tuned_accuracy.mean)
    return [
        f"{name} {percent(min(values))} to {percent(max(values))}" for name, values in means.items() if len(values) > 1
    ]
