"""What a tuning budget buys: expected best of n trials, best so far by number, tunability."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from analysis.ledger.load import Ledger
from analysis.ledger.schema import TUNING_PHASES
from analysis.tables.sensitivity.points import MIN_POINTS, Cloud, clouds
from analysis.tables.sensitivity.resampling import draw_points, draw_seeds, drawn_means, student_interval
from analysis.tables.settings import settings

VALID_PART = 3
"""Intervals are given up to a budget of one third of the points: beyond, the few best points decide.

Up to there, 95 % intervals covered 92 to 96 % in simulations with 16 to 32 random points.
"""

NAME = "expected best"

ALL_BUDGETS = 100
"""Budgets up to which each one is computed; beyond, budgets grow by a twentieth: curves are smooth there."""

BLOCK = 256
"""Budgets whose weights are held at once."""


def plug_in_best(values: ArrayLike) -> NDArray[np.float64]:
    r"""Expected lowest of n values drawn *with* replacement, for n = 1 to N.

    With the values in increasing order, sum_i v_(i) [((N - i + 1) / N)^n - ((N - i) / N)^n]. Biased upwards for a
    search that tries fresh points: the lowest value is missed with probability (1 - 1/N)^n.

    Args:
        values: Errors, shape (..., N).

    Returns:
        Shape (..., N); the last axis is the budget n, from 1.

    Reference: Dodge et al. (2019), Show your work, https://arxiv.org/abs/1909.03004; theirs is the expected highest.
    """
    ordered = _ordered(values)
    return np.asarray(ordered @ _plug_in_weights(ordered.shape[-1], range(1, ordered.shape[-1] + 1)).T)


def unbiased_best(values: ArrayLike) -> NDArray[np.float64]:
    r"""Expected lowest of n values drawn *without* replacement, for n = 1 to N: the mean over all subsets.

    With the values in increasing order, sum_i v_(i) C(N - i, n - 1) / C(N, n). Unbiased for random search; for a
    space-filling (Sobol) search an approximation, since its points are spread more evenly than random ones.

    Args:
        values: Errors, shape (..., N).

    Returns:
        Shape (..., N); the last axis is the budget n, from 1.

    Reference: Tang et al. (2020), Showing your work doesn't always work, https://arxiv.org/abs/2004.13705; theirs is
    the expected highest.
    """
    ordered = _ordered(values)
    return np.asarray(ordered @ _unbiased_weights(ordered.shape[-1], range(1, ordered.shape[-1] + 1)).T)


def expected_best(ledger: Ledger) -> pl.DataFrame:
    """Error that tuning by n explore points is expected to reach, mean over the seeds of tuning.

    For every n up to 100 and some beyond, as `shown_budgets` names them.

    Returns:
        Columns `optimizer`, `num_trials` (n), `plug_in`, `unbiased`, and the interval `low`, `high` of the latter
        (null above a third of the points); an optimizer below 16 explore points has one row without numbers and the
        `reason`.
    """
    rows: list[tuple[str | int | float | None, ...]] = []
    for name, cloud in clouds(ledger).items():
        if missing := cloud.lacks(MIN_POINTS, NAME):
            rows.append((name, None, None, None, None, None, missing.reason))
            continue
        budgets = shown_budgets(cloud.num_points)
        valid = [budget for budget in budgets if budget <= cloud.num_points // VALID_PART]
        ordered = np.sort(cloud.means)
        plug_in = _plug_in_weights(cloud.num_points, budgets) @ ordered
        unbiased = _unbiased_weights(cloud.num_points, budgets) @ ordered
        draws = _drawn_in_order(cloud) @ _unbiased_weights(cloud.num_points, valid).T
        for place, budget in enumerate(budgets):
            interval = (
                student_interval(float(unbiased[place]), draws[:, place], cloud.num_points, (0, 1))
                if place < len(valid)
                else None
            )
            ends = (interval.low, interval.high) if interval else (None, None)
            rows.append((name, budget, float(plug_in[place]), float(unbiased[place]), *ends, None))
    columns = {"optimizer": pl.String, "num_trials": pl.Int64}
    numbers = dict.fromkeys(("plug_in", "unbiased", "low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema={**columns, **numbers, "reason": pl.String}, orient="row")


def best_so_far(ledger: Ledger) -> pl.DataFrame:
    """The lowest mean error up to each tuning trial, in the order in which trials were asked for.

    Returns:
        Columns `optimizer`, `number`, `phase`, `validation_error`, `best_so_far`; whole trials only.
    """
    tried = tuning_trials(ledger)
    return tried.with_columns(best_so_far=pl.col("validation_error").cum_min().over("optimizer"))


def tunability(ledger: Ledger) -> pl.DataFrame:
    r"""Weighted means of the expected best over budgets t = 1 to T: one number for tuning early, evenly or late.

    omega-tunability sum_t omega_t best_t with weights that sum to 1: CPE (cumulative performance, early) omega_t
    proportional to T - t, CPU (uniform) to 1, CPL (late) to t. best_t is the unbiased expected best. T is the same
    for all optimizers: the points of the one that has fewest, and a third of these, for which an interval is given.

    Returns:
        Columns `optimizer`, `scheme` ("CPE", "CPU", "CPL"), `budget` (T), `value` (error), `low`, `high` (null at the
        larger budget); an optimizer below 16 explore points has one row without numbers and the `reason`.

    Reference: Sivaprasad et al. (2020), Optimizer benchmarking needs to account for hyperparameter tuning,
    https://arxiv.org/abs/1910.11758.
    """
    found = clouds(ledger)
    rows: list[tuple[str | int | float | None, ...]] = []
    fewest = min((cloud.num_points for cloud in found.values() if not cloud.lacks(MIN_POINTS, NAME)), default=0)
    for name, cloud in found.items():
        if missing := cloud.lacks(MIN_POINTS, "tunability"):
            rows.append((name, None, None, None, None, None, missing.reason))
            continue
        ordered, draws = np.sort(cloud.means), _drawn_in_order(cloud)
        for budget in (fewest // VALID_PART, fewest):
            schemes = tunability_weights(budget)
            table = _weights_of_places(cloud.num_points, np.stack(list(schemes.values())))
            for scheme, places in zip(schemes, table, strict=True):
                value = float(ordered @ places)
                has_interval = budget < fewest
                interval = student_interval(value, draws @ places, cloud.num_points, (0, 1)) if has_interval else None
                ends = (interval.low, interval.high) if interval else (None, None)
                rows.append((name, scheme, budget, value, *ends, None))
    columns = {"optimizer": pl.String, "scheme": pl.String, "budget": pl.Int64}
    numbers = dict.fromkeys(("value", "low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema={**columns, **numbers, "reason": pl.String}, orient="row")


def tunability_weights(budget: int) -> dict[str, NDArray[np.float64]]:
    """Weights of the budgets 1 to T for each scheme, shape (T,).

    Raises:
        ValueError: `budget` is below 2, where "early" has no meaning.
    """
    if budget < 2:
        raise ValueError(f"budget must be at least 2 trials, got {budget}; one trial is not tuning.")
    trials = np.arange(1, budget + 1, dtype=np.float64)
    raw = {"CPE": budget - trials, "CPU": np.ones(budget), "CPL": trials}
    return {scheme: weights / weights.sum() for scheme, weights in raw.items()}


def tuning_trials(ledger: Ledger) -> pl.DataFrame:
    """Whole tuning trials: `optimizer`, `number`, `phase`, `validation_error`, in the order of study and number."""
    points = settings(ledger.study, ledger.trials)
    tried = points.filter(pl.col("is_whole"), pl.col("phase").is_in(TUNING_PHASES))
    order = pl.col("optimizer").replace_strict({name: place for place, name in enumerate(ledger.study.optimizers)})
    return tried.sort(order, "number").select("optimizer", "number", "phase", "validation_error")


def shown_budgets(largest: int) -> list[int]:
    """The budgets for which numbers are given: each one at first, then ever fewer, the largest in any case."""
    budgets = list(range(1, min(largest, ALL_BUDGETS) + 1))
    while budgets and budgets[-1] < largest:
        budgets.append(min(largest, budgets[-1] + budgets[-1] // 20))
    return budgets


def _drawn_in_order(cloud: Cloud) -> NDArray[np.float64]:
    """Mean errors in each resample of points and seeds, in increasing order, shape (num_draws, num_points)."""
    points = draw_points(cloud.optimizer, cloud.num_points)
    return np.sort(drawn_means(cloud.errors, draw_seeds(cloud.num_seeds), points), axis=1)


def _weights_of_places(count: int, budget_weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each place in the order of the errors adds to weighted means over the budgets 1 to T.

    Args:
        count: Number of points.
        budget_weights: Weights of the budgets, shape (num_schemes, T).

    Returns:
        Shape (num_schemes, count).
    """
    total = np.zeros((len(budget_weights), count))
    num_budgets = budget_weights.shape[1]
    for start in range(0, num_budgets, BLOCK):
        end = min(start + BLOCK, num_budgets)
        total += budget_weights[:, start:end] @ _unbiased_weights(count, range(start + 1, end + 1))
    return total


def _ordered(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.shape[-1] == 0 or not np.isfinite(array).all():
        raise ValueError(
            f"At least one error is needed and all must be finite, got shape {array.shape} with "
            f"{int((~np.isfinite(array)).sum())} that are not; a diverged trial has error 1."
        )
    return np.sort(array, axis=-1)


def _plug_in_weights(count: int, budgets: Sequence[int]) -> NDArray[np.float64]:
    """Probability that the i-th lowest is the lowest of n draws, shape (num_budgets, count)."""
    at_least = (np.arange(count, -1, -1) / count) ** np.array(budgets)[:, None]
    return np.asarray(at_least[:, :-1] - at_least[:, 1:])


def _unbiased_weights(count: int, budgets: Sequence[int]) -> NDArray[np.float64]:
    """C(N - i, n - 1) / C(N, n), shape (budgets n, places i), through logarithms of factorials."""
    budget, place = np.array(budgets, dtype=np.int64)[:, None], np.arange(1, count + 1)[None, :]
    left = count - place - budget + 1
    logarithm = (
        gammaln(count - place + 1) - gammaln(budget) - gammaln(np.maximum(left, 0) + 1)
        - gammaln(count + 1) + gammaln(budget + 1) + gammaln(count - budget + 1)
    )  # fmt: skip
    return np.asarray(np.where(left >= 0, np.exp(logarithm), 0.0))
