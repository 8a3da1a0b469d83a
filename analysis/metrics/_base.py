"""What a metric is, and how it is applied to the rows of a ledger."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal, TypeGuard

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.plugins import PluginError, blamed

RUN = ("optimizer", "phase", "number", "replicate")

Direction = Literal["higher", "lower"]
Clock = Literal["steps", "epochs", "seconds"]


@dataclass(frozen=True)
class Setup:
    """What the runs of a study have in common and a metric may need.

    Args:
        targets: Validation accuracies fixed before the study, in increasing order; empty if there are none.
        chance_accuracy: Accuracy of a guess; None if it is not known.
        num_steps: Optimizer steps of a run that does not diverge: the budget at which times are censored.
        num_evaluation_images: Images that each validation error is a share of; 0 if it is not known.
    """

    targets: tuple[float, ...] = ()
    chance_accuracy: float | None = None
    num_steps: int = 0
    num_evaluation_images: int = 0


@dataclass(frozen=True)
class Run:
    """One replicate: its row of `trials`, its rows of `epochs` in order, and what all runs of the study share."""

    trial: Mapping[str, Any]
    epochs: pl.DataFrame
    setup: Setup = field(default=Setup())

    @property
    def has_diverged(self) -> bool:
        """Whether its loss or a parameter stopped being finite."""
        return bool(self.trial["status"] == "diverged")

    def curve(self, column: str) -> NDArray[np.float64]:
        """A column of `epochs`, shape (num_epochs,); NaN where the run has none."""
        return self.epochs[column].cast(pl.Float64).to_numpy()

    def steps(self) -> NDArray[np.float64]:
        """Optimizer steps taken up to each evaluation, shape (num_epochs,)."""
        return np.cumsum(self.curve("steps"))

    def clock(self, name: Clock) -> NDArray[np.float64]:
        """When each evaluation took place, shape (num_epochs,); seconds leave the evaluations out."""
        return self.curve("epoch") if name == "epochs" else np.cumsum(self.curve(name))

    def step_losses(self) -> NDArray[np.float64]:
        """Training loss of every step, shape (num_steps,), in nats; empty unless the run is of `confirm`."""
        if "step_losses" not in self.epochs.columns:
            return np.empty(0)
        return self.epochs["step_losses"].explode().drop_nulls().cast(pl.Float64).to_numpy()


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number of a run, with its meaning.

    Args:
        name: Name of the function.
        function: Computes the metric of a run that did not diverge; NaN for a run that has no such number.
        unit: Unit of the number.
        better: Which direction is an improvement.
        diverged: What a diverged replicate scores, a number or a function of the run; None if it has no such number:
            it is counted beside the mean.

    Raises:
        ValueError: What is declared is not so.
    """

    name: str
    function: Callable[[Run], float]
    unit: str
    better: Direction
    diverged: float | Callable[[Run], float] | None

    def __post_init__(self) -> None:
        _check_declared(self.name, self.unit, self.better)
        score: object = self.diverged
        if score is not None and not callable(score) and not (_is_number(score) and math.isfinite(score)):
            raise ValueError(
                f"diverged of the metric {self.name!r} must be a finite number, a function of the run or None, got "
                f"{score!r:.80}; mend it."
            )

    def __call__(self, run: Run) -> float | None:
        """The metric of one run; None for a diverged run without a declared score.

        Raises:
            PluginError: Its function raises, or gives what is no number.
        """
        if run.has_diverged and not callable(self.diverged):
            return self.diverged
        measured = self.diverged if run.has_diverged and callable(self.diverged) else self.function
        where = self.function.__module__
        with blamed(f"The metric {self.name!r} must be a number of every run", where):
            found: object = measured(run)
        if found is not None and (not _is_number(found) or math.isinf(found)):
            raise PluginError(
                f"The metric {self.name!r} must be a finite number of every run, or NaN for one that has none, {where} "
                f"gives {found!r:.80}; mend it."
            )
        return None if found is None else float(found)


@dataclass(frozen=True, kw_only=True)
class PairMetric:
    """A number that two runs of one seed have only together, because what is compared depends on both.

    Args:
        name: Name of the function.
        function: Computes the numbers of both; None if they have nothing in common.
        unit: Unit of the numbers.
        better: Which direction is an improvement.

    Raises:
        ValueError: What is declared is not so.
    """

    name: str
    function: Callable[[Run, Run], tuple[float, float] | None]
    unit: str
    better: Direction

    def __post_init__(self) -> None:
        _check_declared(self.name, self.unit, self.better)

    def __call__(self, one: Run, other: Run) -> tuple[float, float] | None:
        """The numbers of both runs; None if one has diverged or they have nothing in common.

        Raises:
            PluginError: Its function raises, or gives something else.
        """
        if one.has_diverged or other.has_diverged:
            return None
        where = self.function.__module__
        with blamed(f"The metric {self.name!r} must be two numbers of every pair of runs", where):
            found: object = self.function(one, other)
        if found is None:
            return None
        if not isinstance(found, tuple) or len(found) != 2 or not all(map(_is_number, found)):
            raise PluginError(
                f"The metric {self.name!r} must be two numbers of every pair of runs, or None for one that has none, "
                f"{where} gives {found!r:.80}; mend it."
            )
        return float(found[0]), float(found[1])


def _check_declared(name: str, unit: object, better: object) -> None:
    if not isinstance(unit, str) or not unit.isprintable() or not unit.strip():
        raise ValueError(
            f"unit of the metric {name!r} must be a word, '1' for a pure number, got {unit!r:.80}; mend it."
        )
    if better not in ("higher", "lower"):
        raise ValueError(f"better of the metric {name!r} must be 'higher' or 'lower', got {better!r:.80}; mend it.")


def _is_number(value: object) -> TypeGuard[Real]:
    return isinstance(value, Real) and not isinstance(value, bool)


def metric(
    *, unit: str, better: Direction, diverged: float | Callable[[Run], float] | None
) -> Callable[[Callable[[Run], float]], Metric]:
    """Declare a function to be a metric."""

    def declare(function: Callable[[Run], float]) -> Metric:
        return Metric(name=function.__name__, function=function, unit=unit, better=better, diverged=diverged)

    return declare


def pair_metric(
    *, unit: str, better: Direction
) -> Callable[[Callable[[Run, Run], tuple[float, float] | None]], PairMetric]:
    """Declare a function to be a metric of two runs."""

    def declare(function: Callable[[Run, Run], tuple[float, float] | None]) -> PairMetric:
        return PairMetric(name=function.__name__, function=function, unit=unit, better=better)

    return declare


def runs_of(trials: pl.DataFrame, epochs: pl.DataFrame, setup: Setup | None = None) -> list[Run]:
    """The replicates that ended, in the order of `trials`.

    Args:
        trials: Rows of `trials`; failed replicates are passed over, they have no outcome.
        epochs: Rows of `epochs`, sorted by epoch.
        setup: What the runs share.
    """
    ended = trials.filter(pl.col("status") != "failed")
    curves = epochs.join(ended, on=RUN, how="semi").partition_by(RUN, as_dict=True, include_key=False)
    nothing = epochs.clear().drop(RUN)
    return [
        Run(row, curves.get(tuple(row[name] for name in RUN), nothing), setup or Setup()) for row in ended.to_dicts()
    ]


def measure(metric: Metric, trials: pl.DataFrame, epochs: pl.DataFrame, setup: Setup | None = None) -> pl.DataFrame:
    """A metric of every replicate that ended.

    Args:
        metric: What to measure.
        trials: Rows of `trials`; failed replicates are passed over, they have no outcome.
        epochs: Rows of `epochs`, sorted by epoch.
        setup: What the runs share.

    Returns:
        The key, `status` and `value` (null where the run has none), in the order of `trials`.
    """
    ended = trials.filter(pl.col("status") != "failed")
    values = [metric(run) for run in runs_of(ended, epochs, setup)]
    return ended.select(*RUN, "status").with_columns(value=pl.Series("value", values, dtype=pl.Float64).fill_nan(None))
