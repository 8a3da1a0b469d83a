"""How fast a run gets good: times to targets, areas under the curve, errors at the end. All on validation data."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from analysis.metrics import Clock, Run, metric

DIGITS = 12
"""Decimal places of an accuracy: 1 - 0.8, in floats less than 0.2, must reach a target of 0.2."""

TAIL = 0.2
"""Share of a run that counts as its end."""


def sustained_times(
    positions: NDArray[np.float64], values: NDArray[np.float64], targets: Sequence[float]
) -> NDArray[np.float64]:
    """Where a curve reaches each target for good: it never falls below it again.

    The curve is linear between its points. First hits would flatter noise: a noisy curve touches a target early.

    Args:
        positions: Shape (num_points,), increasing.
        values: The curve there, shape (num_points,).
        targets: Shape (num_targets,).

    Returns:
        Shape (num_targets,); infinite where the curve ends below the target, its first position where it never is
        below, NaN if the curve has no point or a value is NaN.
    """
    if not values.size or np.isnan(values).any():
        return np.full(len(targets), math.nan)
    times = np.full(len(targets), math.inf)
    for place, target in enumerate(targets):
        below = np.flatnonzero(values < target)
        if not below.size:
            times[place] = positions[0]
        elif (last := int(below[-1])) < len(values) - 1:
            share = (target - values[last]) / (values[last + 1] - values[last])
            times[place] = positions[last] + share * (positions[last + 1] - positions[last])
    return times


def mean_height(positions: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Area under a curve by the trapezoid rule over its length; NaN if it has none."""
    length = positions[-1] - positions[0] if positions.size else 0.0
    return float(np.trapezoid(values, positions) / length) if length > 0 else math.nan


def budget(run: Run, clock: Clock) -> float:
    """Where times are censored: `num_steps` of the setup, at the run's own epochs or seconds per step.

    NaN if the setup has no steps, or the run none to tell its pace by.
    """
    if run.setup.num_steps < 1:
        return math.nan
    if clock == "steps":
        return float(run.setup.num_steps)
    steps, ends = run.steps(), run.clock(clock)
    return float(ends[-1] * (run.setup.num_steps / steps[-1])) if steps.size and steps[-1] > 0 else math.nan


def times_to_targets(run: Run, clock: Clock) -> NDArray[np.float64]:
    """When validation accuracy reaches each target of the setup for good, shape (num_targets,).

    Between evaluations the accuracy is linear, and so it is before the first one, from that of a guess at 0; where that
    is not known, a target held from the first evaluation on counts as reached there.

    Returns:
        In units of the clock; infinite where the run misses the target or diverges.
    """
    if run.has_diverged:
        return np.full(len(run.setup.targets), math.inf)
    return sustained_times(*_accuracy_curve(run, run.clock(clock)), run.setup.targets)


def restricted_time(run: Run, clock: Clock) -> float:
    """Mean of min(T, B) over the targets, T the time to the target and B the budget.

    A target missed counts as the whole budget, so that nothing is dropped. NaN without targets, steps or evaluations.
    """
    if not run.setup.targets:
        return math.nan
    return float(np.minimum(times_to_targets(run, clock), budget(run, clock)).mean())


@metric(unit="steps", better="lower", diverged=partial(restricted_time, clock="steps"))
def restricted_steps_to_target(run: Run) -> float:
    """Steps until validation accuracy stays above a target, mean over the targets, cut off at the budget.

    A target that is not reached counts as the budget, which a diverged replicate scores; in a claim the targets are
    those that at least half of the runs of both sides reach. See `restricted_time` and `times_to_targets`.
    """
    return restricted_time(run, "steps")


@metric(unit="epochs", better="lower", diverged=partial(restricted_time, clock="epochs"))
def restricted_epochs_to_target(run: Run) -> float:
    """Epochs until validation accuracy stays above a target, mean over the targets, cut off at the budget.

    A diverged replicate scores the budget.
    """
    return restricted_time(run, "epochs")


@metric(unit="seconds", better="lower", diverged=partial(restricted_time, clock="seconds"))
def restricted_seconds_to_target(run: Run) -> float:
    """Seconds until validation accuracy stays above a target, mean over the targets, cut off at the budget.

    Wall time of the fused group that the replicate belongs to, evaluations excluded; other processes shared the
    cores. A diverged replicate scores the budget at its own pace.
    """
    return restricted_time(run, "seconds")


@metric(unit="fraction", better="higher", diverged=0.0)
def area_over_steps(run: Run) -> float:
    """Mean validation accuracy over the steps of the run: the area under its curve over its length.

    The curve begins at step 0 with the accuracy of a guess; NaN if that is not known. A diverged replicate scores 0.
    """
    return _area(run, start=0.0, scale=np.asarray)


@metric(unit="fraction", better="higher", diverged=0.0)
def area_over_log_steps(run: Run) -> float:
    """Mean validation accuracy over the logarithm of the steps: each tenfold stretch of the run weighs the same.

    The curve begins at step 1 with the accuracy of a guess and is linear in the logarithm between evaluations; NaN if
    the accuracy of a guess is not known. A diverged replicate scores 0.
    """
    return _area(run, start=1.0, scale=np.log)


@metric(unit="fraction", better="lower", diverged=1.0)
def best_validation_error(run: Run) -> float:
    """Least validation error of all epochs: lower than that of a run to stop at, since it also picks the best luck.

    A diverged replicate scores 1, whatever it had reached before. Beside it stand `validation_error`, which is that of
    the last epoch, and `tail_validation_error`.
    """
    errors = run.curve("validation_error")
    return float(errors.min()) if errors.size else math.nan


@metric(unit="fraction", better="lower", diverged=1.0)
def tail_validation_error(run: Run) -> float:
    """Mean validation error of the evaluations in the last 20 % of the epochs, the last one always among them.

    A diverged replicate scores 1.
    """
    epochs, errors = run.curve("epoch"), run.curve("validation_error")
    return float(errors[is_late(epochs)].mean()) if errors.size else math.nan


def is_late(positions: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which positions lie in the last 20 % of the way from 0 to the last one, shape as given."""
    # Without the slack 0.8 * 5 > 4 would depend on rounding.
    return np.asarray(positions > (1 - TAIL + 1e-9) * positions[-1])


def _accuracy_curve(run: Run, positions: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions and validation accuracies, from that of a guess at 0 where it is known and there is an evaluation."""
    accuracies = np.round(1 - run.curve("validation_error"), DIGITS)
    if run.setup.chance_accuracy is None or not accuracies.size:
        return positions, accuracies
    return np.append(0.0, positions), np.append(run.setup.chance_accuracy, accuracies)


def _area(run: Run, start: float, scale: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> float:
    if run.setup.chance_accuracy is None:
        return math.nan
    positions, accuracies = _accuracy_curve(run, run.steps())
    is_after = positions[1:] > start
    if not is_after.any():
        return math.nan
    return mean_height(
        scale(np.append(start, positions[1:][is_after])), np.append(accuracies[:1], accuracies[1:][is_after])
    )
