"""What the rows of a study say about one claim, before it is judged."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from statistics import fmean
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis.claims import Question
from analysis.confirmed import ConfirmedRuns
from analysis.inference import Interval, fewest_pairs, percentile_interval, sign_flip_interval, sign_flip_p
from analysis.metrics import METRICS, PAIR_METRICS, Run
from analysis.overhead import step_cost_ratio
from analysis.sensitivity import Missing, good_volume_difference
from analysis.wording import count

FEWEST_BLOCKS = 16
"""Timing blocks of a verdict.

The bootstrap of a median of fewer is wrong too often: at 1 - 0.05 / 12 seven times as often as it says from 6 blocks
and up to nine times from 9, since its ends then are ratios near the middle.
"""

STEPS_TO_TARGET = "restricted_steps_to_target"

LEAST_ERROR = 1e-12
"""Of a level: less is left after some 30 looks, and no test has so many flips."""

NEEDED = {
    STEPS_TO_TARGET: ("steps", "validation_error"),
    "matched_loss_gap": ("train_loss", "validation_loss"),
    "oscillation": ("step_losses",),
}
"""Columns of `epochs` that a metric needs and that runs of other programs may lack."""


class NotTestableError(Exception):
    """The rows cannot answer the question; the message says why, in one sentence without a full stop."""


@dataclass(frozen=True, kw_only=True)
class Evidence(ABC):
    """An estimate of the improvement, with intervals at any level.

    Args:
        estimate: Improvement of a over b; positive speaks for the claim.
        value_a: The metric of a, mean over what was measured.
        value_b: The same for b.
        num_values: Pairs of seeds, timing blocks or points that the estimate rests on.
    """

    estimate: float
    value_a: float
    value_b: float
    num_values: int

    @abstractmethod
    def interval(self, level: float) -> Interval:
        """All improvements that the rows do not contradict at this level."""

    @abstractmethod
    def p_value(self) -> float | None:
        """Two-sided p-value of no improvement; None if there is only an interval."""


@dataclass(frozen=True, kw_only=True)
class PairedSeeds(Evidence):
    """Differences of runs that share their seed.

    Args:
        differences: Improvement at each seed, mean over repeats, shape (num_seeds,).
        by_repeat: Mean improvement in each repeat of the tuning.
        ours: The metric of a at each repeat and seed, flattened.
        theirs: The metric of b, in the same order.
    """

    differences: NDArray[np.float64]
    by_repeat: tuple[float, ...]
    ours: NDArray[np.float64]
    theirs: NDArray[np.float64]

    @classmethod
    def of(cls, improvement: NDArray[np.float64], ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> Self:
        """Evidence from arrays of shape (num_repeats, num_seeds)."""
        differences = improvement.mean(axis=0)
        return cls(
            estimate=float(differences.mean()),
            value_a=float(ours.mean()),
            value_b=float(theirs.mean()),
            num_values=len(differences),
            differences=differences,
            by_repeat=tuple(float(mean) for mean in improvement.mean(axis=1)),
            ours=ours.ravel(),
            theirs=theirs.ravel(),
        )

    def interval(self, level: float) -> Interval:
        """Inverted sign-flip test."""
        return sign_flip_interval(self.differences, level)

    def p_value(self) -> float:
        """Sign-flip test."""
        return sign_flip_p(self.differences)


@dataclass(frozen=True, kw_only=True)
class Draws(Evidence):
    """Bootstrap draws of the improvement, shape (num_draws,)."""

    draws: NDArray[np.float64]

    def interval(self, level: float) -> Interval:
        """Percentiles of the draws."""
        return percentile_interval(self.draws, level)

    def p_value(self) -> None:
        """A bootstrap tests nothing."""


def gather(question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns], level: float) -> Evidence:
    """The evidence for "a ... than b".

    Args:
        question: What is claimed.
        a: The optimizer that the claim praises.
        b: Its rival.
        repeats: The repeats of the tuning, the first one first.
        level: Level that the interval will have; too few seeds for it are refused, and too many looks.

    Raises:
        NotTestableError: The rows cannot answer.
    """
    if 1 - level < LEAST_ERROR:
        raise NotTestableError(f"{a} and {b} have been looked at so often that no number of seeds gives a verdict")
    if question.needs_learning:
        for confirmed in repeats:
            _refuse_untaught((a, b), confirmed)
    if question.metric in STUDY_EVIDENCE:
        return STUDY_EVIDENCE[question.metric](question, a, b, repeats)
    for confirmed in repeats:
        _refuse_if_both_untaught((a, b), confirmed)
    return _paired(question, a, b, repeats, level)


def _refuse_untaught(sides: Sequence[str], confirmed: ConfirmedRuns) -> None:
    """An optimizer that never learns is stable, fits nothing too well and minds no setting."""
    least = confirmed.landmarks.learned_accuracy
    if least is None:
        raise NotTestableError(f"the claims fix no learned_accuracy for the data set {confirmed.dataset}")
    for name in sides:
        accuracies = _confirmed(name, confirmed.test_accuracies(name))
        untaught = sum(accuracy < least for accuracy in accuracies)
        if 2 * untaught > len(accuracies):
            raise NotTestableError(
                f"{name} has learned nothing: {untaught} of {count(len(accuracies), 'seed')} "
                f"stay below {least:.1%} test accuracy"
            )


def _refuse_if_both_untaught(sides: Sequence[str], confirmed: ConfirmedRuns) -> None:
    """Two optimizers that guess would look equivalent."""
    least = confirmed.landmarks.learned_accuracy
    if least is None:
        return
    found = [_confirmed(name, confirmed.test_accuracies(name)) for name in sides]
    if all(2 * sum(accuracy < least for accuracy in accuracies) > len(accuracies) for accuracies in found):
        raise NotTestableError(
            f"neither {' nor '.join(sides)} has learned anything: most seeds stay below {least:.1%} test accuracy"
        )


Found = TypeVar("Found", bound=Sized)


def _confirmed(name: str, found: Found) -> Found:
    if not len(found):
        raise NotTestableError(f"the winner of {name} has not been confirmed on fresh seeds")
    return found


Pairs = dict[int, tuple[float, float]]


def _paired(question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns], level: float) -> PairedSeeds:
    measured = [_measured(question, a, b, confirmed) for confirmed in repeats]
    seeds = sorted(set.intersection(*(set(pairs) for pairs in measured)))
    if len(seeds) < fewest_pairs(level):
        raise NotTestableError(f"{count(len(seeds), 'common seed')}, and a verdict needs {fewest_pairs(level)}")
    # Shape (num_repeats, num_seeds, 2)
    values = np.array([[pairs[seed] for seed in seeds] for pairs in measured])
    ours, theirs = values[..., 0], values[..., 1]
    return PairedSeeds.of(_improvement(question, ours, theirs), ours, theirs)


def _measured(question: Question, a: str, b: str, confirmed: ConfirmedRuns) -> Pairs:
    """The metric of both sides by replicate: one seed made both runs of a pair."""
    ours, theirs = (_confirmed(name, confirmed.of(name)) for name in (a, b))
    for name in (a, b):
        if failed := confirmed.num_failed(name):
            raise NotTestableError(
                f"{count(failed, 'fresh seed')} of {name} failed, and which seeds fail may depend on the optimizer"
            )
    _refuse_unlike_devices(question, [*ours.values(), *theirs.values()])
    found: dict[int, tuple[float | None, float | None]] = {}
    for seed in sorted(set(ours) & set(theirs)):
        if metric := METRICS.get(question.metric):
            found[seed] = metric(ours[seed]), metric(theirs[seed])
        else:
            found[seed] = PAIR_METRICS[question.metric](ours[seed], theirs[seed]) or (None, None)
    pairs = {seed: (x, y) for seed, (x, y) in found.items() if x is not None and y is not None and _finite(x, y)}
    if len(pairs) < len(found):
        # A pair without a value may not be left out: which pairs lack one depends on the optimizers.
        raise NotTestableError(_why_lacking(question, {a: ours, b: theirs}, len(found) - len(pairs), len(found)))
    if question.metric == STEPS_TO_TARGET:
        _refuse_misses((a, b), pairs, confirmed.setup.num_steps)
    return pairs


def _refuse_unlike_devices(question: Question, runs: Sequence[Run]) -> None:
    metric = METRICS.get(question.metric)
    devices = sorted({str(run.trial["device"]) for run in runs})
    if metric is not None and metric.unit == "seconds" and len(devices) > 1:
        raise NotTestableError(f"the runs were trained on {' and '.join(devices)}, whose seconds cannot be compared")


def _finite(*values: float) -> bool:
    return all(math.isfinite(value) for value in values)


def _why_lacking(question: Question, sides: Mapping[str, Mapping[int, Run]], num_lacking: int, num_pairs: int) -> str:
    lost = [
        f"{diverged} of {count(len(runs), 'seed')} of {name} diverged"
        for name, runs in sides.items()
        if (diverged := sum(run.has_diverged for run in runs.values()))
    ]
    if lost:
        return f"{' and '.join(lost)}, and a diverged run has no value to compare"
    every = [run for runs in sides.values() for run in runs.values()]
    if question.metric == STEPS_TO_TARGET and not any(run.setup.targets for run in every):
        return "the claims fix no targets for this data set"
    if unknown := [name for name in NEEDED.get(question.metric, ()) if any(_lacks(run, name) for run in every)]:
        return f"{' and '.join(unknown)} of some runs are not known"
    if question.metric in PAIR_METRICS:
        return f"in {num_lacking} of {count(num_pairs, 'pair')} the two runs share no range of training loss"
    return f"{num_lacking} of {count(num_pairs, 'pair')} have no value of {question.metric}"


def _lacks(run: Run, column: str) -> bool:
    values = run.step_losses() if column == "step_losses" else run.curve(column)
    return not values.size or not np.isfinite(values).all()


def _refuse_misses(sides: tuple[str, str], pairs: Pairs, num_steps: int) -> None:
    """Two sides that both miss every target would look equivalent."""
    for place, name in enumerate(sides):
        reached = sum(values[place] < num_steps for values in pairs.values())
        if 2 * reached < len(pairs):
            raise NotTestableError(f"{reached} of {count(len(pairs), 'seed')} of {name} reach any target")


def _improvement(question: Question, ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much better a is at each repeat and seed, in the shape of both sides."""
    metric = METRICS.get(question.metric) or PAIR_METRICS[question.metric]
    sign = 1.0 if metric.better == "lower" else -1.0
    match question.improvement:
        case "difference":
            return sign * (theirs - ours)
        case "relative":
            # Over the mean of b and not pair by pair: (b - a) / b is not symmetric when a and b change places.
            scale = float(theirs.mean())
            if scale <= 0:
                raise NotTestableError(f"the rival's mean {question.metric} is {scale:g}: nothing is relative to it")
            return sign * (theirs - ours) / scale
        case "log_ratio":
            if (ours <= 0).any() or (theirs <= 0).any():
                raise NotTestableError(f"{question.metric} is not positive in every seed, so that it has no ratio")
            return np.asarray(sign * np.log(theirs / ours))
        case "within":
            raise NotTestableError("a bound on a ratio is for timings")


def _good_volume(question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns]) -> Draws:
    """Mean over the repeats, each of which has other points."""
    del question
    found = [good_volume_difference(confirmed.findings.ledger, a, b) for confirmed in repeats]
    if missing := next((volume for volume in found if isinstance(volume, Missing)), None):
        raise NotTestableError(missing.reason.rstrip("."))
    volumes = [volume for volume in found if not isinstance(volume, Missing)]
    return Draws(
        estimate=fmean(volume.estimate for volume in volumes),
        value_a=fmean(volume.volumes[0] for volume in volumes),
        value_b=fmean(volume.volumes[1] for volume in volumes),
        num_values=sum(volume.num_points for volume in volumes),
        draws=np.mean([volume.draws for volume in volumes], axis=0),
    )


def _seconds_per_step(question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns]) -> Draws:
    ledger = repeats[0].findings.ledger
    ratio = step_cost_ratio(ledger.timings, a, b, question.batch_size or 0)
    if isinstance(ratio, str):
        raise NotTestableError(ratio)
    if ratio.num_blocks < FEWEST_BLOCKS:
        raise NotTestableError(f"{ratio.num_blocks} timing blocks hold both, and a verdict needs {FEWEST_BLOCKS}")
    bound = question.bound or 0.0
    return Draws(
        estimate=bound - ratio.estimate,
        value_a=ratio.estimate,
        value_b=1.0,
        num_values=ratio.num_blocks,
        draws=bound - ratio.draws,
    )


STUDY_EVIDENCE: dict[str, Callable[[Question, str, str, Sequence[ConfirmedRuns]], Draws]] = {
    "good_volume": _good_volume,
    "seconds_per_step": _seconds_per_step,
}
