"""How far step losses lie from their rolling median, and how far where two runs have the same training loss."""

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.metrics._base import Run

WINDOW = 51
"""Steps of a rolling median, and the fewest that a swing rests on."""


def rolling_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of the 51 values around each, of those that there are near the ends; shape as given."""
    return pl.Series(values, dtype=pl.Float64).rolling_median(WINDOW, min_samples=1, center=True).to_numpy()


def swings_at_equal_loss(one: Run, other: Run) -> tuple[float, float] | None:
    """What `stability.matched_loss_swing` returns."""
    if not (_has_losses(one) and _has_losses(other)):
        return None
    curves = [run.curve("train_loss") for run in (one, other)]
    low, high = max(float(train.min()) for train in curves), min(float(train.max()) for train in curves)
    if low >= high:
        return None
    ours, theirs = _swing_between(one, low, high), _swing_between(other, low, high)
    return None if math.isnan(ours + theirs) else (ours, theirs)


def _has_losses(run: Run) -> bool:
    """Whether the training loss is known at every evaluation, and the step loss at every step up to the last one."""
    train, ends = run.curve("train_loss"), run.steps()
    return bool(train.size and np.isfinite(train).all() and run.step_losses().size == ends[-1])


def _swing_between(run: Run, low: float, high: float) -> float:
    """Root of the mean over a range of training loss of the mean squared distance of the steps at each loss.

    Between two neighbouring levels of the training loss that is the sum of squares over the number of steps: pieces are
    weighted by their steps per unit of loss.

    Args:
        run: Training losses that cover the range after the first evaluation, and step losses.
        low: Lower end of the range, in nats.
        high: Its upper end, above `low`.

    Returns:
        In nats; NaN if fewer than 51 steps are in the range.
    """
    train, ends, losses = run.curve("train_loss"), run.steps(), run.step_losses()
    squares = np.append(0.0, np.cumsum((losses - rolling_median(losses)) ** 2))
    # A piece between evaluations of equal training loss has no length in the range.
    moves = np.flatnonzero(train[:-1] != train[1:])
    before, after, start, end = train[moves], train[moves + 1], ends[moves], ends[moves + 1]
    levels = np.unique(np.clip(np.append(train, (low, high)), low, high))
    # The step at which each piece is at each level, or nearest to it: shape (num_levels, num_pieces).
    places = start + (end - start) * np.clip((before - levels[:, None]) / (before - after), 0.0, 1.0)
    num_steps = np.abs(np.diff(places, axis=0)).sum(axis=1)
    if num_steps.sum() < WINDOW:
        return math.nan
    spent = np.abs(np.diff(np.interp(places, np.arange(squares.size), squares), axis=0)).sum(axis=1)
    mean_squares = np.divide(spent, num_steps, out=np.zeros_like(spent), where=num_steps > 0)
    return math.sqrt(float((mean_squares * np.diff(levels)).sum()) / (high - low))
