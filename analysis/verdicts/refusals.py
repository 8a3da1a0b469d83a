"""Why the rows cannot answer a question: a side without runs, that has learned nothing, or whose runs have no value."""

from collections.abc import Mapping, Sequence, Sized
from typing import TypeVar

import numpy as np

from analysis.claims.questions import Question
from analysis.metrics import METRICS, PAIR_METRICS, Run
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.evidence import NotTestableError
from analysis.verdicts.study_metrics import STUDY_METRICS
from analysis.wording import count, listing

STEPS_TO_TARGET = "restricted_steps_to_target"

LEAST_ERROR = 1e-12
"""Of a level: less is left after some 30 looks, and no test has so many flips."""

NEEDED = {
    STEPS_TO_TARGET: ("steps", "validation_error"),
    "matched_loss_gap": ("train_loss", "validation_loss"),
    "matched_loss_swing": ("steps", "train_loss", "step_losses"),
    "oscillation": ("step_losses",),
}
"""Columns of `epochs` that a metric needs and that runs of other programs may lack."""


def refuse_sides(question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns], level: float) -> None:
    """Refuse what no measurement could answer: too many looks, a side that has learned nothing.

    Raises:
        NotTestableError: The rows cannot answer.
    """
    if 1 - level < LEAST_ERROR:
        raise NotTestableError(f"{a} and {b} have been looked at so often that no number of seeds gives a verdict")
    for confirmed in repeats:
        if question.needs_learning:
            _refuse_untaught((a, b), confirmed)
        elif question.metric not in STUDY_METRICS:
            _refuse_if_both_untaught((a, b), confirmed)


def _refuse_untaught(sides: Sequence[str], confirmed: ConfirmedRuns) -> None:
    """An optimizer that never learns is stable, fits nothing too well and minds no setting."""
    least = confirmed.landmarks.learned_accuracy
    if least is None:
        raise NotTestableError(f"the claims fix no learned_accuracy for the data set {confirmed.dataset}")
    for name in sides:
        accuracies = require_runs(name, confirmed.test_accuracies(name))
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
    found = [require_runs(name, confirmed.test_accuracies(name)) for name in sides]
    if all(2 * sum(accuracy < least for accuracy in accuracies) > len(accuracies) for accuracies in found):
        raise NotTestableError(
            f"neither {' nor '.join(sides)} has learned anything: most seeds stay below {least:.1%} test accuracy"
        )


Pairs = dict[int, tuple[float, float]]
"""A metric of both sides by replicate."""

Found = TypeVar("Found", bound=Sized)


def require_runs(name: str, found: Found) -> Found:
    """What there is of a winner's runs on fresh seeds.

    Raises:
        NotTestableError: Nothing.
    """
    if not len(found):
        raise NotTestableError(f"the winner of {name} has not been confirmed on fresh seeds")
    return found


def refuse_unlike_devices(question: Question, runs: Sequence[Run]) -> None:
    """Refuse to compare seconds that passed on different devices.

    Raises:
        NotTestableError: The runs were trained on several.
    """
    metric = METRICS.get(question.metric)
    devices = sorted({str(run.trial["device"]) for run in runs})
    if metric is not None and metric.unit == "seconds" and len(devices) > 1:
        raise NotTestableError(f"the runs were trained on {' and '.join(devices)}, whose seconds cannot be compared")


def why_lacking(question: Question, sides: Mapping[str, Mapping[int, Run]], num_lacking: int, num_pairs: int) -> str:
    """Why some pairs of runs have no value.

    Args:
        question: Says what is measured.
        sides: The runs of both optimizers, by name and replicate.
        num_lacking: Pairs without a value.
        num_pairs: All pairs.
    """
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
        return f"{listing(unknown)} of some runs are not known"
    if question.metric in PAIR_METRICS:
        pairs = f"{num_lacking} of {count(num_pairs, 'pair')}"
        return f"in {pairs} the two runs share no range of training loss, or too short a one"
    return f"{num_lacking} of {count(num_pairs, 'pair')} have no value of {question.metric}"


def _lacks(run: Run, column: str) -> bool:
    values = run.step_losses() if column == "step_losses" else run.curve(column)
    return not values.size or not np.isfinite(values).all()


def refuse_misses(sides: tuple[str, str], pairs: Pairs, num_steps: int) -> None:
    """Refuse steps to targets that most seeds of a side miss: two sides that miss every target would look equivalent.

    Args:
        sides: Names of both optimizers.
        pairs: Their steps, at most `num_steps`.
        num_steps: Of a whole run, which a run has that reaches none.

    Raises:
        NotTestableError: Fewer than half of the seeds of a side reach any.
    """
    for place, name in enumerate(sides):
        reached = sum(values[place] < num_steps for values in pairs.values())
        if 2 * reached < len(pairs):
            raise NotTestableError(f"{reached} of {count(len(pairs), 'seed')} of {name} reach any target")
