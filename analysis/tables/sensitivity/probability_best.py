"""How much of a comparison is luck of the tuning run: the probability of being best at a budget, by resampling."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.ledger.load import Ledger
from analysis.tables.sensitivity.expected_best import shown_budgets, tuning_trials
from analysis.tables.sensitivity.points import MIN_POINTS, Missing, lacking


def probability_best(
    ledger: Ledger, optimizers: Sequence[str] | None = None, num_trials: int | None = None
) -> dict[str, float] | Missing:
    """Probability that each optimizer has the lowest error when tuned again: what one tuning run leaves to luck.

    Each optimizer's tuning trials are resampled with replacement, the lowest mean error of each resample is compared,
    and ties are shared. Computed exactly, not by drawing.

    Args:
        ledger: The rows.
        optimizers: Two or more names; all that have a whole tuning trial if None.
        num_trials: Budget n, the same for all; the smallest number of tuning trials among them if None.

    Returns:
        By optimizer, sums to 1.

    Raises:
        ValueError: The study holds no optimizer of that name, or the budget is below 1.
    """
    tried = tuning_trials(ledger)
    names = [name for name in ledger.study.optimizers if name in set(tried["optimizer"])]
    chosen = names if optimizers is None else list(optimizers)
    if unknown := [name for name in chosen if name not in ledger.study.optimizers]:
        raise ValueError(
            f"Unknown optimizer {unknown[0]!r}; this study holds {', '.join(ledger.study.optimizers)}. Choose of these."
        )
    samples = {name: tried.filter(optimizer=name)["validation_error"].to_numpy() for name in chosen}
    for name, values in samples.items():
        if len(values) < MIN_POINTS:
            return Missing(
                f"{name} has {len(values)} of the {MIN_POINTS} tuning trials that its probability of being best needs: "
                f"{lacking(len(values), MIN_POINTS)}."
            )
    if not samples:
        return Missing("No optimizer has a whole tuning trial, so none has a probability of being best.")
    budget = min(len(values) for values in samples.values()) if num_trials is None else num_trials
    return chances_of_best(samples, budget)


def chances_of_best(samples: Mapping[str, NDArray[np.float64]], num_trials: int) -> dict[str, float]:
    r"""Probability that the lowest of n values drawn with replacement is lowest of all sides, ties shared equally.

    With p(v) the probability that a side's lowest is v and G(v) that it is higher, side A is best with probability
    sum_v p_A(v) int_0^1 prod_{B != A} (G_B(v) + p_B(v) z) dz: integrating z^k gives the share 1 / (k + 1) to each of
    k + 1 that tie. Gauss-Legendre quadrature is exact for this polynomial.

    Args:
        samples: Errors of each side, shape (num_trials of that side,); at least one.
        num_trials: Budget n.

    Raises:
        ValueError: The budget is below 1 or a side is empty.
    """
    if num_trials < 1 or any(len(values) == 0 for values in samples.values()):
        raise ValueError(
            f"A budget of at least 1 trial and at least 1 value of each side are needed, got {num_trials} and "
            f"{[len(values) for values in samples.values()]}; leave out the sides without values."
        )
    levels = np.unique(np.concatenate(list(samples.values())))
    higher, equal = [], []
    for values in samples.values():
        ordered = np.sort(values)
        at_least = (1 - np.searchsorted(ordered, levels, side="left") / len(values)) ** num_trials
        above = (1 - np.searchsorted(ordered, levels, side="right") / len(values)) ** num_trials
        higher.append(above)
        equal.append(at_least - above)
    nodes, weights = np.polynomial.legendre.leggauss(len(samples))
    factors = np.stack(higher)[:, :, None] + np.stack(equal)[:, :, None] * ((nodes + 1) / 2)
    chances = {}
    for place, name in enumerate(samples):
        others = np.delete(factors, place, axis=0).prod(axis=0)
        chances[name] = float(equal[place] @ (others @ (weights / 2)))
    return chances


def probabilities_best(ledger: Ledger) -> pl.DataFrame:
    """`probability_best` among all optimizers with enough tuning trials, at the budgets that `shown_budgets` names.

    Returns:
        Columns `optimizer`, `num_trials`, `probability`; no row where there are fewer than two such optimizers.
    """
    tried = tuning_trials(ledger)
    every = {name: tried.filter(optimizer=name)["validation_error"].to_numpy() for name in ledger.study.optimizers}
    samples = {name: values for name, values in every.items() if len(values) >= MIN_POINTS}
    budgets = shown_budgets(min(map(len, samples.values()))) if len(samples) > 1 else []
    rows = []
    for num_trials in budgets:
        chances = chances_of_best(samples, num_trials)
        rows += [(name, num_trials, chances[name]) for name in samples]
    schema = {"optimizer": pl.String, "num_trials": pl.Int64, "probability": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")
