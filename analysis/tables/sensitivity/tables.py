"""Everything this package computes of a study, as the tables that are stored as CSV."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
import polars.selectors as cs

from analysis.ledger.load import Ledger
from analysis.statistics.intervals import DIGITS
from analysis.tables.sensitivity.drift import drift
from analysis.tables.sensitivity.expected_best import best_so_far, expected_best, tunability
from analysis.tables.sensitivity.good_volume import EPSILON, good_volumes
from analysis.tables.sensitivity.importance import importances
from analysis.tables.sensitivity.imprecision import imprecision_table
from analysis.tables.sensitivity.joint_map import joint_maps, joint_slopes
from analysis.tables.sensitivity.learning_rate import responses
from analysis.tables.sensitivity.one_at_a_time import one_at_a_time
from analysis.tables.sensitivity.one_at_a_time_tables import curve_means, curve_runs
from analysis.tables.sensitivity.probability_best import probabilities_best


@dataclass(frozen=True, kw_only=True)
class _Known:
    ledger: Ledger
    explored: Ledger
    eps: float
    initial_error: float
    collapsed: pl.DataFrame | None


_MAKERS: dict[str, Callable[[_Known], pl.DataFrame]] = {
    "learning_rate_sensitivity": lambda known: responses(known.ledger, known.eps, known.initial_error, known.collapsed),
    "learning_rate_drift": lambda known: drift(known.explored),
    "one_at_a_time": lambda known: curve_means(one_at_a_time(known.ledger)),
    "one_at_a_time_runs": lambda known: curve_runs(one_at_a_time(known.ledger)),
    "imprecision_cost": lambda known: imprecision_table(one_at_a_time(known.ledger)),
    "joint_map": lambda known: joint_maps(known.ledger, known.explored),
    "joint_slope": lambda known: joint_slopes(known.ledger, known.explored),
    "good_volume": lambda known: good_volumes(known.ledger, known.eps),
    "importance": lambda known: importances(known.explored),
    "expected_best": lambda known: expected_best(known.explored),
    "best_so_far": lambda known: best_so_far(known.ledger),
    "tunability": lambda known: tunability(known.explored),
    "probability_best": lambda known: probabilities_best(known.ledger),
}

HYPERPARAMETERS = (
    "best_rate",
    "common_from",
    "common_to",
    "value",
    "best_value",
    "decade_from",
    "decade_to",
    "rate_low",
    "rate_high",
    "value_low",
    "value_high",
)
"""Columns that hold values of hyperparameters, which may be very small."""

SENSITIVITY_TABLES = tuple(_MAKERS)
"""Names of the tables about the search space."""


def sensitivity_tables(
    ledger: Ledger,
    *,
    explored: Ledger | None = None,
    eps: float = EPSILON,
    initial_error: float = 1.0,
    collapsed: pl.DataFrame | None = None,
) -> dict[str, pl.DataFrame]:
    """All tables about the search space, by file name, rounded to 12 digits.

    `responses`, `drift`, `curve_means`, `curve_runs`, `imprecision_table`, `joint_maps`, `joint_slopes`,
    `good_volumes`, `importances`, `expected_best`, `best_so_far`, `tunability` and `probabilities_best` say, in this
    order, which columns each has.

    Args:
        ledger: The rows.
        explored: Those whose points speak of the search space, as `pooled` over all tunings; `ledger` if None.
        eps: Errors that differ by no more count as equally good, as a fraction.
        initial_error: Error of an untrained network.
        collapsed: Keys of replicates that count as lost in the headroom although they did not diverge.
    """
    known = _Known(
        ledger=ledger, explored=explored or ledger, eps=eps, initial_error=initial_error, collapsed=collapsed
    )
    return {name: _rounded(make(known)) for name, make in _MAKERS.items()}


def _rounded(table: pl.DataFrame) -> pl.DataFrame:
    """Twelve significant digits, and decimal places where numbers are no hyperparameters: equal on every machine."""
    rates = cs.by_name(*HYPERPARAMETERS, require_all=False)
    return table.with_columns((cs.float() - rates).round(DIGITS), rates).with_columns(cs.float().round_sig_figs(DIGITS))
