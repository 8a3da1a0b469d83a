"""Numbers of the response to the learning rate: sensitivity, width of the basin, headroom to divergence."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.ledger.load import Ledger
from analysis.tables.sensitivity.basin import basin, common_range, depth, headroom, mean_weights, own_weights
from analysis.tables.sensitivity.good_volume import EPSILON
from analysis.tables.sensitivity.points import Missing, rounded
from analysis.tables.sensitivity.resampling import draw_seeds, student_interval
from analysis.tables.sensitivity.sweep import Sweep, sweeps

NUM_DRAWS = 1_000
"""Resamples of the seeds; their standard deviation is all that is used."""

Row = dict[str, object]


@dataclass(frozen=True)
class Reference:
    """What the numbers of a sweep are measured from.

    Args:
        best: Lowest mean error of all optimizers' sweeps.
        drawn_best: The same in each resample of the seeds, shape (num_draws,).
        epsilon: Depth of a basin.
        initial_error: Error above which errors are cut off.
    """

    best: float
    drawn_best: NDArray[np.float64]
    epsilon: float
    initial_error: float


def responses(
    ledger: Ledger, eps: float = EPSILON, initial_error: float = 1.0, collapsed: pl.DataFrame | None = None
) -> pl.DataFrame:
    """One row per optimizer with all numbers of its sweep.

    Intervals are Student's over seeds, drawn jointly for all optimizers: the rates of a sweep are fixed, not sampled.

    Args:
        ledger: The rows.
        eps: Depth of the basin, as a fraction; deepened to twice the pooled seed standard deviation if that is more.
        initial_error: Error of an untrained network (0.9 for ten classes), above which errors are cut off.
        collapsed: Keys of replicates that count as lost although they did not diverge.

    Returns:
        Columns `optimizer`, `num_rates`, `num_seeds`, `best_rate`, `best_error` (of its own curve), `initial_error`,
        `epsilon` (depth of the basins); in errors `sensitivity_common` over the rates from `common_from` to
        `common_to`, which all sweeps cover, and `sensitivity_own` within 1.5 decades of the best rate, of which the
        sweep covers `own_decades`; in decades `width`, measured from the best of all optimizers, and `width_own`,
        measured from the own best, with `..._is_censored_below` and `..._is_censored_above`; `headroom` in decades
        with `headroom_is_censored`. Estimates have an interval `..._low`, `..._high`; a censored one is a lower bound
        and has no `..._high`. `reason` says why there is no number.
    """
    found = sweeps(ledger, collapsed)
    held = {name: sweep for name, sweep in found.items() if isinstance(sweep, Sweep)}
    drawn = {
        name: rounded(draw_seeds(sweep.errors.shape[1], NUM_DRAWS) @ sweep.errors.T) for name, sweep in held.items()
    }
    best = min((float(sweep.means.min()) for sweep in held.values()), default=1.0)
    drawn_best = np.min([means.min(axis=1) for means in drawn.values()], axis=0) if held else np.empty(0)
    reference = Reference(best, drawn_best, depth(list(held.values()), eps), initial_error)
    common = common_range(list(held.values()))
    rows = [
        {"optimizer": name, "reason": sweep.reason}
        if isinstance(sweep, Missing)
        else _row(sweep, drawn[name], reference, common)
        for name, sweep in found.items()
    ]
    return pl.DataFrame(rows, schema=_SCHEMA)


def _row(sweep: Sweep, drawn: NDArray[np.float64], reference: Reference, common: tuple[float, float] | None) -> Row:
    """Row of `responses`; `drawn` holds the means in each resample, shape (num_draws, num_rates)."""
    place = int(np.argmin(sweep.means))
    return {
        "optimizer": sweep.optimizer,
        "num_rates": len(sweep.rates),
        "num_seeds": sweep.errors.shape[1],
        "best_rate": float(sweep.rates[place]),
        "best_error": float(sweep.means[place]),
        "initial_error": reference.initial_error,
        "epsilon": reference.epsilon,
        **_sensitivities(sweep, drawn, reference, common),
        **_basin("width", sweep, drawn, reference.epsilon, reference.best, reference.drawn_best),
        **_basin("width_own", sweep, drawn, reference.epsilon, float(sweep.means[place]), drawn.min(axis=1)),
        **_headroom(sweep, drawn),
    }


def _sensitivities(
    sweep: Sweep, drawn: NDArray[np.float64], reference: Reference, common: tuple[float, float] | None
) -> Row:
    """E over log eta of min(error(eta), error_0) - best (Wortsman et al., 2023, https://arxiv.org/abs/2309.14322)."""
    row: Row = {}
    cut, drawn_cut = np.minimum(sweep.means, reference.initial_error), np.minimum(drawn, reference.initial_error)
    if common:
        weights = mean_weights(sweep.decades, *common)
        draws = drawn_cut @ weights - reference.drawn_best
        row |= _with_ends("sensitivity_common", float(cut @ weights) - reference.best, draws, sweep, 1.0)
        row |= {"common_from": 10 ** common[0], "common_to": 10 ** common[1]}
    own = [own_weights(sweep.decades, place) for place in range(len(sweep.rates))]
    table = np.stack([weights for weights, _ in own])
    place = int(np.argmin(sweep.means))
    draws = (drawn_cut * table[np.argmin(drawn, axis=1)]).sum(axis=1) - reference.drawn_best
    row |= _with_ends("sensitivity_own", float(cut @ table[place]) - reference.best, draws, sweep, 1.0)
    return {**row, "own_decades": own[place][1]}


def _basin(
    name: str,
    sweep: Sweep,
    drawn: NDArray[np.float64],
    epsilon: float,
    best: float,
    drawn_best: NDArray[np.float64],
) -> Row:
    found = basin(sweep.decades, sweep.means, best + epsilon)
    draws = np.array(
        [basin(sweep.decades, means, low + epsilon).width for means, low in zip(drawn, drawn_best, strict=True)]
    )
    is_censored = found.is_censored_below or found.is_censored_above
    return {
        **_with_ends(name, found.width, draws, sweep, _span(sweep), is_censored),
        f"{name}_is_censored_below": found.is_censored_below,
        f"{name}_is_censored_above": found.is_censored_above,
    }


def _headroom(sweep: Sweep, drawn: NDArray[np.float64]) -> Row:
    found = headroom(sweep.decades, int(np.argmin(sweep.means)), sweep.lost.mean(axis=1))
    shares = draw_seeds(sweep.errors.shape[1], NUM_DRAWS) @ sweep.lost.T
    places = np.argmin(drawn, axis=1)
    draws = np.array(
        [headroom(sweep.decades, int(place), share).decades for place, share in zip(places, shares, strict=True)]
    )
    row = _with_ends("headroom", found.decades, draws, sweep, _span(sweep), found.is_censored)
    return {**row, "headroom_is_censored": found.is_censored}


def _span(sweep: Sweep) -> float:
    return float(sweep.decades[-1] - sweep.decades[0])


def _with_ends(
    name: str, estimate: float, draws: NDArray[np.float64], sweep: Sweep, largest: float, is_censored: bool = False
) -> Row:
    """An estimate with its interval, from 0 to `largest`; a censored one has no upper end."""
    interval = student_interval(estimate, draws, sweep.errors.shape[1], (0, largest))
    return {
        name: estimate,
        f"{name}_low": interval.low if interval else None,
        f"{name}_high": interval.high if interval and not is_censored else None,
    }


def _schema() -> dict[str, pl.DataType | type[pl.DataType]]:
    def with_ends(name: str) -> list[str]:
        return [name, f"{name}_low", f"{name}_high"]

    numbers = ["best_rate", "best_error", "initial_error", *with_ends("sensitivity_common"), "common_from", "common_to"]
    numbers += [*with_ends("sensitivity_own"), "own_decades", "epsilon"]
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "optimizer": pl.String, "num_rates": pl.Int64, "num_seeds": pl.Int64, **dict.fromkeys(numbers, pl.Float64)
    }  # fmt: skip
    for name in ("width", "width_own"):
        schema |= dict.fromkeys(with_ends(name), pl.Float64)
        schema |= {f"{name}_is_censored_below": pl.Boolean, f"{name}_is_censored_above": pl.Boolean}
    schema |= dict.fromkeys(with_ends("headroom"), pl.Float64)
    return {**schema, "headroom_is_censored": pl.Boolean, "reason": pl.String}


_SCHEMA = _schema()
