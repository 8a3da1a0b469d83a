"""Everything this package computes of a study, as the tables that are stored as CSV."""

import polars as pl

from analysis.load import Ledger
from analysis.sensitivity.budget import best_so_far, expected_best, tunability
from analysis.sensitivity.drift import drift
from analysis.sensitivity.importance import importances
from analysis.sensitivity.luck import probabilities_best
from analysis.sensitivity.responses import responses
from analysis.sensitivity.volume import EPSILON, good_volumes


def sensitivity_tables(
    ledger: Ledger, *, eps: float = EPSILON, initial_error: float = 1.0, collapsed: pl.DataFrame | None = None
) -> dict[str, pl.DataFrame]:
    """All tables, by file name; the functions they are named after say which columns each has.

    Args:
        ledger: The rows.
        eps: Errors that differ by no more count as equally good, as a fraction.
        initial_error: Error of an untrained network.
        collapsed: Keys of replicates that count as lost in the headroom although they did not diverge.
    """
    return {
        "learning_rate_sensitivity": responses(ledger, eps, initial_error, collapsed),
        "learning_rate_drift": drift(ledger),
        "good_volume": good_volumes(ledger, eps),
        "importance": importances(ledger),
        "expected_best": expected_best(ledger),
        "best_so_far": best_so_far(ledger),
        "tunability": tunability(ledger),
        "probability_best": probabilities_best(ledger),
    }
