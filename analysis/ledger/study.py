"""What `study.json` says, with types: the comparison that the rows of a ledger belong to."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from analysis.ledger.sweep_design import EveryHyperparameter, SweepDesign, sweep_design

FORMAT_VERSION = 1
NO_MODEL = "none"
"""Model of a study that trains nothing."""
SCALES = ("linear", "log", "log_complement")
Scale = Literal["linear", "log", "log_complement"]


LARGEST_NUMBER = 1e60
"""Of losses, norms and hyperparameters: any number of float32 is smaller, and sums of squares of such stay finite."""

LONGEST_WORD = 200
"""Characters of a name of an optimizer, a hyperparameter or a machine."""

MOST_PLANNED = 10**6
"""Trials, seeds and epochs of a plan: what is made of a study takes at least a moment for each of them."""


class LedgerError(ValueError):
    """The folder holds no ledger that can be reported on; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Range of a hyperparameter; "log_complement" is even in log(1 - value)."""

    low: float
    high: float
    scale: Scale
    unit: str = "unknown"


def check_axis(place: str, axis: Axis) -> None:
    """Refuse a range that has no meaning.

    Raises:
        ValueError: It is empty, or its scale cannot hold it.
    """
    if axis.scale not in SCALES:
        raise ValueError(f"{place}.scale must be one of {', '.join(SCALES)}, got {axis.scale!r}; choose one.")
    if not axis.low < axis.high:
        raise ValueError(
            f"{place} needs low < high, got {axis.low:g} and {axis.high:g}; leave out what was not searched."
        )
    if max(abs(axis.low), abs(axis.high)) > LARGEST_NUMBER:
        raise ValueError(f"{place} must lie within {LARGEST_NUMBER:g}, got {axis.low:g} and {axis.high:g}; narrow it.")
    if axis.scale == "log" and axis.low <= 0:
        raise ValueError(f"{place}: scale 'log' needs low > 0, got {axis.low:g}; raise it or use scale 'linear'.")
    if axis.scale == "log_complement" and axis.high >= 1:
        raise ValueError(f"{place}: scale 'log_complement' needs high < 1, got {axis.high:g}; lower it.")


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What an author says of an optimizer.

    Args:
        equation: The update in one line.
        space: Range of each hyperparameter.
        published: The setting that its authors print; empty if no setting is published.
        reference: Where it comes from.
        source: Text of the user's own file; None for an optimizer of the package.
        values: For a grid, the values of each hyperparameter.
        reduces_to: The neutral values at which it becomes a simpler optimizer, by the name of that.
    """

    equation: str
    space: Mapping[str, Axis]
    published: Mapping[str, float]
    reference: str
    source: str | None = None
    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    reduces_to: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Optimizer(Definition):
    """One side of the comparison.

    Args:
        name: Its name.
    """

    name: str


@dataclass(frozen=True, kw_only=True)
class FixedClaims:
    """The claims as they were when the study began.

    Args:
        text: The claims file.
        known: Every optimizer that the release knew then.
        hash: Name of the text.
    """

    text: str
    known: tuple[str, ...]
    hash: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class ErrorPlan:
    """How the error that a family of claims may make is shared out; fixed when the study began.

    Args:
        counts_every_claim: Whether claims of the file whose sides the study does not hold have their share too, so that
            optimizers may come one by one. False for studies of before this was so.
        most_confirm_seeds: Confirmation seeds at the last look that there may be, over which looks then spend the error
            by the root of their share of the seeds; None if look k gets 2^-k of it.
    """

    counts_every_claim: bool = False
    most_confirm_seeds: int | None = None


@dataclass(frozen=True, kw_only=True)
class Study:
    """One comparison: optimizers x search space x budget x dataset x seeds.

    Args:
        study_hash: Name of `identity`: equal hashes mean comparable rows.
        identity: What makes rows comparable: dataset, model, batch size, epochs, seed, search.
        optimizers: In the order of the study, which fixes their colours.
        num_trials: Tuning trials planned for each optimizer.
        num_seeds: Replicates of each tuning trial.
        num_confirm_seeds: Replicates planned for each confirmed setting and each ablation.
        has_sweep: Whether a sweep through each winner is planned.
        runs: Each start of the command: when, how, with which commit, versions and hardware.
        claims: The claims fixed when the study began; None if there were none yet.
        looks: Each time its results were looked at, and how many confirmation runs each optimizer had by then.
        error_plan: How the error of its verdicts is shared out.
        source: Where the rows were imported from; None if this project trained the runs.
        notes: What a reader has to know about that source.
        num_sweep_seeds: Fresh seeds of a sweep through every hyperparameter; None if it is one of nine learning rates.
    """

    study_hash: str
    identity: Mapping[str, Any]
    optimizers: Mapping[str, Optimizer]
    num_trials: int
    num_seeds: int
    num_confirm_seeds: int
    has_sweep: bool
    runs: tuple[Mapping[str, Any], ...]
    claims: FixedClaims | None = None
    looks: tuple[Mapping[str, Any], ...] = ()
    error_plan: ErrorPlan = ErrorPlan()
    source: str | None = None
    notes: tuple[str, ...] = ()
    num_sweep_seeds: int | None = None

    @property
    def num_epochs(self) -> int:
        """Length of every trial that does not diverge."""
        return int(self.identity["num_epochs"])

    @property
    def repeat(self) -> int:
        """Which of several tunings this is; studies of old releases have one."""
        return int(self.identity.get("repeat", 0))

    @property
    def sweep(self) -> SweepDesign | None:
        """What the sweep through a winner consists of; None without one."""
        return sweep_design(
            has_sweep=self.has_sweep, num_sweep_seeds=self.num_sweep_seeds, num_tuning_seeds=self.num_seeds
        )

    @property
    def sweeps_every_hyperparameter(self) -> bool:
        """Whether a sweep is planned, and it is none of nine learning rates."""
        return isinstance(self.sweep, EveryHyperparameter)

    @property
    def hyperparameters(self) -> list[str]:
        """Names of all hyperparameters of all optimizers, sorted: the ledger's columns."""
        return sorted({name for optimizer in self.optimizers.values() for name in optimizer.space})


def description_crc32(content: Mapping[str, Any]) -> str:
    """Checksum of what `study.json` says, as it stands there under `crc32`: eight hexadecimal digits."""
    rest = {key: value for key, value in content.items() if key != "crc32"}
    return f"{zlib.crc32(json.dumps(rest, sort_keys=True).encode()):08x}"
