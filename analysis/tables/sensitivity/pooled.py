"""The trials of several tunings as if one had made them all: more points than any of them has."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from analysis.ledger.load import Ledger
from analysis.ledger.schema import TUNING_PHASES


def pooled(tunings: Sequence[Ledger]) -> Ledger:
    """The first tuning with the tuning trials of all, numbered on.

    The points of each tuning come from random streams of their own. Its seeds may be its own too; a bootstrap that
    draws replicates draws them for all tunings at once, as if they shared them, as it does for one tuning.

    Args:
        tunings: Of one study, the first one first.
    """
    first, parts, start = tunings[0], [], 0
    for ledger in tunings:
        tuning = ledger.trials.filter(pl.col("phase").is_in(TUNING_PHASES))
        parts.append(tuning.with_columns(pl.col("number") + start))
        start += int(ledger.trials["number"].max() or 0) + 1  # type: ignore[arg-type]  # whole numbers
    others = first.trials.filter(~pl.col("phase").is_in(TUNING_PHASES))
    return replace(first, trials=pl.concat([*parts, others], how="diagonal"))
