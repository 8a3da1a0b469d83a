"""How steadily a run trains: labels for what goes wrong, and how much losses and accuracy swing.

A diverged replicate scores the worst value of each metric; statements about how often runs go wrong compare rates.
"""

import math

import numpy as np
import polars as pl

from analysis.metrics import Run, Setup, metric, pair_metric
from analysis.metrics._swing import WINDOW, rolling_median, swings_at_equal_loss
from analysis.metrics.convergence import DIGITS, is_late

SPIKE = 6 * 1.4826
"""Median absolute deviations from the rolling median that make a spike: six standard deviations of normal noise."""

BLOWN_UP, BLOWN_UP_EVALUATIONS = 3.0, 3
COLLAPSED_EVALUATIONS = 2
LEARNED = 3.0
"""Margins above chance that an accuracy must have had for its loss to be a collapse."""

SWINGS_WHEN_DIVERGED = 10.0


def chance_margin(setup: Setup) -> float:
    """How far from chance an accuracy may be and still count as that of a guess, max(0.02, 2 SE).

    The standard error is that of a guess on the images of an evaluation; where their number is not known, 0.02.
    NaN if the accuracy of a guess is not known.
    """
    if setup.chance_accuracy is None:
        return math.nan
    if not setup.num_evaluation_images:
        return 0.02
    variance = setup.chance_accuracy * (1 - setup.chance_accuracy) / setup.num_evaluation_images
    return max(0.02, 2 * math.sqrt(variance))


def initial_loss(setup: Setup) -> pl.Expr:
    """Loss before the first step: that of a guess, -log(chance); where chance is not known that of the first step.

    For the epochs of one run or of each group of runs; null if neither is known.
    """
    if setup.chance_accuracy is not None:
        return pl.lit(-math.log(setup.chance_accuracy))
    return pl.col("step_losses").first().list.first().cast(pl.Float64)


def blown_up_at(setup: Setup) -> pl.Expr:
    """Step of the first of 3 successive evaluations with more than three times the initial training loss.

    The training loss is looked at since a rising validation loss may be overfitting. For the epochs of one run or of
    each group of runs, in order; null if there are no such evaluations or the initial loss is not known.
    """
    loss = pl.col("train_loss").fill_nan(None)
    return _step_of_successive(loss > BLOWN_UP * initial_loss(setup), BLOWN_UP_EVALUATIONS)


def collapsed_at(setup: Setup) -> pl.Expr:
    """Step of the first of 2 successive evaluations at which a validation accuracy once learned is back at chance.

    Back at chance: no more than `chance_margin` above it. Learned: before, it was three margins above. The epoch in
    which a replicate diverged has no accuracy. For the epochs of one run or of each group of runs, in order; null if
    there are no such evaluations or the accuracy of a guess is not known.
    """
    if setup.chance_accuracy is None:
        return pl.lit(None, dtype=pl.Int64)
    margin, error = chance_margin(setup), pl.col("validation_error").fill_nan(None)
    has_accuracy = pl.col("validation_loss").is_not_null() | (error < 1)
    above = pl.when(has_accuracy).then((1 - error - setup.chance_accuracy).round(DIGITS))
    has_learned = (above >= round(LEARNED * margin, DIGITS)).cum_sum() > 0
    return _step_of_successive(has_learned & (above <= margin), COLLAPSED_EVALUATIONS)


def can_tell_blow_up(setup: Setup) -> pl.Expr:
    """Whether `blown_up_at` can be told: training losses, steps and the initial loss are known, or it has diverged.

    For the epochs of one run or of each group of runs.
    """
    has_losses = (pl.col("train_loss").count() > 0) | (pl.col("validation_error") == 1).any()
    return has_losses & _has_steps() & initial_loss(setup).is_not_null()


def can_tell_collapse(setup: Setup) -> pl.Expr:
    """Whether `collapsed_at` can be told: steps and the accuracy of a guess are known.

    For the epochs of one run or of each group of runs.
    """
    return _has_steps() & pl.lit(setup.chance_accuracy is not None)


def _has_steps() -> pl.Expr:
    return pl.col("steps").null_count() == 0


def has_learned(run: Run) -> bool:
    """Whether training has led anywhere: the last step loss is below the first, the last accuracy is not a guess's.

    The accuracy is left out where that of a guess is not known.
    """
    losses, errors = run.step_losses(), run.curve("validation_error")
    if losses.size < 2 or not losses[-1] < losses[0] or not errors.size:
        return False
    chance = run.setup.chance_accuracy
    return chance is None or bool(1 - errors[-1] > chance + chance_margin(run.setup))


@metric(unit="fraction", better="lower", diverged=1.0)
def divergence(run: Run) -> float:
    """Whether a loss or parameter stopped being finite, 0 or 1; its mean is the divergence rate."""
    return float(run.has_diverged)


@metric(unit="fraction", better="lower", diverged=1.0)
def blown_up(run: Run) -> float:
    """Whether the training loss stayed above three times the initial one, 0 or 1; a diverged replicate scores 1.

    See `blown_up_at`; NaN if the initial loss, training losses or steps are not known.
    """
    if run.epochs.is_empty() or not run.epochs.select(can_tell_blow_up(run.setup)).item():
        return math.nan
    return float(run.epochs.select(blown_up_at(run.setup)).item() is not None)


@metric(unit="fraction", better="lower", diverged=1.0)
def collapsed(run: Run) -> float:
    """Whether an accuracy once learned fell back to that of a guess, 0 or 1; a diverged replicate scores 1.

    See `collapsed_at`; NaN if the accuracy of a guess or the steps are not known.
    """
    if run.epochs.is_empty() or not run.epochs.select(can_tell_collapse(run.setup)).item():
        return math.nan
    return float(run.epochs.select(collapsed_at(run.setup)).item() is not None)


@metric(unit="1", better="lower", diverged=SWINGS_WHEN_DIVERGED)
def oscillation(run: Run) -> float:
    """Root mean square of step loss minus rolling median over the last 20 % of steps, over the mean loss there.

    The median is over the 51 steps around each, of the whole run, fewer at its ends. A diverged replicate scores 10:
    losses that swing by ten times their mean. NaN where step losses are missing, are fewer than 51 or do not have a
    positive mean.
    """
    losses = run.step_losses()
    if losses.size < WINDOW:
        return math.nan
    end = is_late(np.arange(1.0, losses.size + 1))
    mean = float(losses[end].mean())
    swings = (losses - rolling_median(losses))[end]
    return math.sqrt(float((swings**2).mean())) / mean if mean > 0 else math.nan


@pair_metric(unit="nats", better="lower")
def matched_loss_swing(one: Run, other: Run) -> tuple[float, float] | None:
    r"""How far the step losses lie from their rolling median where both runs have the same training loss.

    S^2 = 1 / (h - l) * integral from l to h of V(x) dx. V(x) is the mean squared distance of the step losses from the
    median of the 51 around each, over the steps at which the training loss is x, on the way down or up, each crossing
    weighted by its steps per unit of loss. The training loss is linear in steps between evaluations, and step s lies
    from s - 1 to s. From the higher one of both least training losses, l, to the lower one of both highest, h, go those
    that both runs come through from their first evaluation on.
    So neither a lower training loss nor the haste to it counts, as both do in `oscillation`.

    Returns:
        S of each run, positive unless its step losses never leave their median; None if there is no such range, if one
        of the runs spends fewer than 51 steps in it, or if losses or steps are missing. A pair with a diverged
        replicate has none either: it is counted beside.
    """
    return swings_at_equal_loss(one, other)


@metric(unit="fraction", better="lower", diverged=1.0)
def spike_share(run: Run) -> float:
    """Share of steps whose loss is more than 6 robust standard deviations from the rolling median: Hampel's filter.

    The robust standard deviation is 1.4826 times the rolling median of 51 of these distances, so that it follows noise
    that changes in training. A diverged replicate scores 1. NaN where step losses are missing or fewer than 51.
    """
    losses = run.step_losses()
    if losses.size < WINDOW:
        return math.nan
    distances = np.abs(losses - rolling_median(losses))
    return float((distances > SPIKE * rolling_median(distances)).mean())


@metric(unit="1", better="lower", diverged=None)
def excess_total_variation(run: Run) -> float:
    """Way that the step losses go up and down beyond the way from first to last, sum |dL| / |L_0 - L_T| - 1.

    0 for losses that only fall. Undefined for a run that has learned nothing (`has_learned`), where the denominator
    means nothing: NaN, as where step losses are missing. A diverged replicate has no last loss: it is counted beside.
    """
    losses = run.step_losses()
    if not has_learned(run):
        return math.nan
    return float(np.abs(np.diff(losses)).sum() / (losses[0] - losses[-1])) - 1


@metric(unit="fraction", better="lower", diverged=1.0)
def upward_share(run: Run) -> float:
    """Share of steps whose loss is above that of the step before; batches alone make it about one half.

    A diverged replicate scores 1. NaN where step losses are missing or there is only one.
    """
    losses = run.step_losses()
    return float((np.diff(losses) > 0).mean()) if losses.size > 1 else math.nan


@metric(unit="fraction", better="lower", diverged=1.0)
def max_drawdown(run: Run) -> float:
    """Largest fall of the validation accuracy below its best so far; a diverged replicate scores 1."""
    accuracies = 1 - run.curve("validation_error")
    return float((np.maximum.accumulate(accuracies) - accuracies).max()) if accuracies.size else math.nan


def _step_of_successive(is_true: pl.Expr, length: int) -> pl.Expr:
    """Step of the first of `length` evaluations in a row for which something is true; null if there are none."""
    is_known = is_true.fill_null(False)
    in_a_row = [is_known.shift(-place, fill_value=False) for place in range(length)]
    return pl.col("steps").cum_sum().filter(pl.all_horizontal(in_a_row)).first()
