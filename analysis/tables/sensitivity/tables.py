"""Everything this package computes of a study, as the tables that are stored as CSV."""

import polars as pl
import polars.selectors as cs

from analysis.ledger.load import Ledger
from analysis.statistics.intervals import DIGITS
from analysis.tables.sensitivity.drift import drift
from analysis.tables.sensitivity.expected_best import best_so_far, expected_best, tunability
from analysis.tables.sensitivity.good_volume import EPSILON, good_volumes
from analysis.tables.sensitivity.importance import importances
from analysis.tables.sensitivity.learning_rate import responses
from analysis.tables.sensitivity.probability_best import probabilities_best


def sensitivity_tables(
    ledger: Ledger, *, eps: float = EPSILON, initial_error: float = 1.0, collapsed: pl.DataFrame | None = None
) -> dict[str, pl.DataFrame]:
    """All tables, by file name, rounded to 12 digits.

    `responses`, `drift`, `good_volumes`, `importances`, `expected_best`, `best_so_far`, `tunability` and
    `probabilities_best` say, in this order, which columns each has.

    Args:
        ledger: The rows.
        eps: Errors that differ by no more count as equally good, as a fraction.
        initial_error: Error of an untrained network.
        collapsed: Keys of replicates that count as lost in the headroom although they did not diverge.
    """
    tables = {
        "learning_rate_sensitivity": responses(ledger, eps, initial_error, collapsed),
        "learning_rate_drift": drift(ledger),
        "good_volume": good_volumes(ledger, eps),
        "importance": importances(ledger),
        "expected_best": expected_best(ledger),
        "best_so_far": best_so_far(ledger),
        "tunability": tunability(ledger),
        "probability_best": probabilities_best(ledger),
    }
    return {name: _rounded(table) for name, table in tables.items()}


def _rounded(table: pl.DataFrame) -> pl.DataFrame:
    """Twelve significant digits, and decimal places where numbers are no learning rates: equal on every machine."""
    rates = cs.by_name("best_rate", "common_from", "common_to", require_all=False)
    return table.with_columns((cs.float() - rates).round(DIGITS), rates).with_columns(cs.float().round_sig_figs(DIGITS))
