"""How far training runs ahead of validation."""

import math

import numpy as np
from numpy.typing import NDArray

from analysis.metrics import Run, metric, pair_metric


@metric(unit="nats", better="lower", diverged=None)
def generalization_gap(run: Run) -> float:
    """Validation loss minus training loss after the last epoch, both on fixed subsets; positive means overfitting.

    Noise that slows training makes this gap smaller by itself: `matched_loss_gap` compares at equal training loss.
    """
    gap = run.curve("validation_loss") - run.curve("train_loss")
    return float(gap[-1]) if gap.size else math.nan


@pair_metric(unit="nats", better="lower")
def matched_loss_gap(one: Run, other: Run) -> tuple[float, float] | None:
    r"""Validation loss minus training loss where both runs have the same training loss, mean over the common range.

    G*(l) = L_v(t_l) - l with t_l the first time that the training loss is at l or below, both losses linear between
    evaluations. The mean over l is the exact integral over the losses that both runs come through between their first
    evaluation and their least training loss, divided by its length.

    Returns:
        The mean of each run; None if there is no such range or a loss is missing. A pair with a diverged replicate
        has none either: it is counted beside.
    """
    curves = [(run.curve("train_loss"), run.curve("validation_loss")) for run in (one, other)]
    if not all(train.size and np.isfinite(train).all() and np.isfinite(held_out).all() for train, held_out in curves):
        return None
    low = max(float(train.min()) for train, _ in curves)
    high = min(float(train[0]) for train, _ in curves)
    if low >= high:
        return None
    ours, theirs = (_mean_gap(train, held_out, low, high) for train, held_out in curves)
    return ours, theirs


@metric(unit="nats", better="lower", diverged=None)
def overfit_excess(run: Run) -> float:
    """Validation loss at the end minus its least value over the epochs: what training too long has cost.

    A diverged replicate has no last loss: it is counted beside.
    """
    losses = run.curve("validation_loss")
    return float(losses[-1] - losses.min()) if losses.size else math.nan


@metric(unit="epochs", better="higher", diverged=None)
def epoch_of_least_loss(run: Run) -> float:
    """Epoch with the least validation loss, the first of several; the later, the later overfitting sets in.

    That of a short run is its last one whatever the optimizer. A diverged replicate has none.
    """
    place = _least_loss(run)
    return math.nan if place is None else float(run.curve("epoch")[place])


@metric(unit="fraction", better="lower", diverged=1.0)
def early_stopping_error(run: Run) -> float:
    """Validation error at the epoch of the least validation loss: early stopping, read off the curve.

    Epoch and error come from the same images, so that it flatters a little. A diverged replicate scores 1.
    """
    place = _least_loss(run)
    return math.nan if place is None else float(run.curve("validation_error")[place])


def _least_loss(run: Run) -> int | None:
    """Place of the least validation loss; None where a loss is missing or there is no evaluation."""
    losses = run.curve("validation_loss")
    return int(losses.argmin()) if losses.size and np.isfinite(losses).all() else None


def _mean_gap(train: NDArray[np.float64], held_out: NDArray[np.float64], low: float, high: float) -> float:
    """Mean of L_v(t_l) - l over low <= l <= high, which the training loss comes through after its first value.

    Between two evaluations at which the training loss falls below its least value so far, L_v(t_l) is linear in l:
    each such piece is a trapezoid.

    Args:
        train: Training loss at the evaluations, shape (num_epochs,).
        held_out: Validation loss there, shape (num_epochs,).
        low: At least the least training loss.
        high: Above `low`, at most the first training loss.
    """
    before, after = train[:-1], train[1:]
    least_before = np.minimum.accumulate(before)
    top, bottom = np.minimum(least_before, high), np.maximum(after, low)
    falls = top > bottom
    top, bottom, before, after = top[falls], bottom[falls], before[falls], after[falls]
    slope = (held_out[1:] - held_out[:-1])[falls] / (after - before)
    middle = (top + bottom) / 2
    gaps = held_out[:-1][falls] + slope * (middle - before) - middle
    return float(((top - bottom) * gaps).sum() / (high - low))
