"""What it costs to know a hyperparameter only roughly: the measure of sensitivity that claims are about."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.ledger.sweep_design import moved
from analysis.tables.sensitivity.one_at_a_time import Curves, OneAtATime
from analysis.tables.sensitivity.one_at_a_time_tables import ends
from analysis.tables.sensitivity.points import Missing, rounded

REACH = 0.5
"""Decades to either side within which a hyperparameter is known: a factor of 3.2."""

SPACING = 0.25
"""Decades between the values of which the mean over such a window is taken; a factor of 1.8."""

EVERY = "all"
"""Stands for all hyperparameters of an optimizer together."""


def imprecision_costs(
    curves: Mapping[str, OneAtATime | Missing], hyperparameter: str | None = None
) -> NDArray[np.float64] | Missing:
    r"""Cost of imprecision of an optimizer at each seed.

    Of one hyperparameter it is the mean error over the best decade of its curve, above the error at the best value of
    the curve: what somebody loses who aims well but may miss by a factor of up to 3.2 to either side. Decade and value
    are those of the lowest mean over seeds and then read at each seed; the curve is linear between its values, and the
    mean over a decade is the unweighted one of five points a quarter of a decade apart (`best_decade`).

    That the decade is sought, and is not the one around the winner, takes the luck of tuning out: of two equal
    optimizers one is often tuned nearer to the edge of stability, and would seem more sensitive for that alone.

    Of all hyperparameters it is the sum, not the mean: one that does nothing adds next to nothing, but would halve the
    mean of an optimizer that has two. Noise makes every part a little larger than it is, also one that is zero.

    Args:
        curves: Those of the optimizer, by hyperparameter.
        hyperparameter: The only one that counts; all of them if None.

    Returns:
        Shape (num_seeds,).
    """
    wanted = list(curves.values()) if hyperparameter is None else [curves[hyperparameter]]
    parts = []
    for curve in wanted:
        if isinstance(curve, Missing):
            return curve
        parts.append(_cost(curve))
    return np.asarray(np.sum(parts, axis=0))


def imprecision_table(curves: Curves) -> pl.DataFrame:
    """Costs of imprecision with Student's intervals over seeds.

    Returns:
        Columns `optimizer`, `hyperparameter` ("all" for their sum), `num_seeds`, `cost` with `cost_low`, `cost_high`,
        `best_value` (of the curve), `decade_from`, `decade_to` (ends of its best decade), and `reason` where there is
        no number.
    """
    rows: list[dict[str, object]] = []
    for name, own in curves.items():
        for hyperparameter in (*own, None):
            row: dict[str, object] = {"optimizer": name, "hyperparameter": hyperparameter or EVERY}
            found = imprecision_costs(own, hyperparameter)
            if isinstance(found, Missing):
                rows.append({**row, "reason": found.reason})
                continue
            row |= {"num_seeds": len(found), **ends("cost", found)}
            curve = own[hyperparameter] if hyperparameter else None
            rows.append({**row, **_places(curve)} if isinstance(curve, OneAtATime) else row)
    words = dict.fromkeys(("optimizer", "hyperparameter"), pl.String)
    names = ("cost", "cost_low", "cost_high", "best_value", "decade_from", "decade_to")
    numbers = dict.fromkeys(names, pl.Float64)
    return pl.DataFrame(rows, schema={**words, "num_seeds": pl.Int64, **numbers, "reason": pl.String})


def best_decade(curve: OneAtATime) -> tuple[float, NDArray[np.float64]]:
    """Middle of the decade with the lowest mean error, as a step from the winner, and its mean error at each seed.

    A decade begins at a whole number of quarter decades from the winner. A curve reaches at least a decade to one side
    of that, so that at least one fits. Of equal decades the nearest to the winner counts, then the lower one.
    """
    knots = np.arange(round(curve.steps[0] / SPACING), round(curve.steps[-1] / SPACING) + 1) * SPACING
    line = np.stack([np.interp(knots, curve.steps, errors) for errors in curve.errors.T], axis=1)
    width = round(2 * REACH / SPACING) + 1
    middles = knots[width // 2 : len(knots) - width // 2]
    means = np.stack([line[start : start + width].mean(axis=0) for start in range(len(middles))])
    order = np.argsort(np.abs(middles), kind="stable")
    place = order[np.argmin(rounded(means.mean(axis=1))[order])]
    return float(middles[place]), means[place]


def _cost(curve: OneAtATime) -> NDArray[np.float64]:
    _, decade = best_decade(curve)
    return np.asarray(decade - curve.errors[np.argmin(curve.means)])


def _places(curve: OneAtATime) -> dict[str, object]:
    middle, _ = best_decade(curve)
    winner = float(curve.values[curve.steps == 0][0])
    return {
        "best_value": float(curve.values[np.argmin(curve.means)]),
        "decade_from": moved(curve.axis, winner, middle - REACH),
        "decade_to": moved(curve.axis, winner, middle + REACH),
    }
