"""A run of another program, and what became of it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

from analysis.ingest.values import CHECKED, COUNTED, CURVES, ERRORS, LARGEST_WHOLE, NORMS, OUTCOMES, SourceError
from analysis.ledger.schema import PHASES, TESTED_PHASES
from analysis.ledger.values import RANGES

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class SourceRun:
    """One training run of a source.

    Args:
        origin: Where it stands, for messages.
        optimizer: Name of its optimizer.
        phase: Why it was run.
        hyperparameters: Its setting; may lack values only if the run failed.
        seed: Its seed; None if not known.
        epochs: What is known of each epoch, from the first on; none if the source keeps no curves.
        final: Columns of `trials` that the source gives; the others follow from `epochs`.
        failure: Why there is no outcome; None if there is one.
        reason: What the source says of a run that ended early.
        number: Number of its trial; given by `assemble` if None.
        replicate: Number of the run within its trial; given by `assemble` if None.

    Raises:
        SourceError: One of them is not what it should be.
    """

    origin: str
    optimizer: str
    phase: str
    hyperparameters: Mapping[str, float | None]
    seed: int | None = None
    epochs: Sequence[Mapping[str, Any]] = ()
    final: Mapping[str, Any] = field(default_factory=dict)
    failure: str | None = None
    reason: str | None = None
    number: int | None = None
    replicate: int | None = None

    def __post_init__(self) -> None:
        self._check("optimizer", self.optimizer, "a name", isinstance(self.optimizer, str))
        self._check("phase", self.phase, f"one of {', '.join(PHASES)}", self.phase in PHASES)
        for name in ("seed", "number", "replicate"):
            value = getattr(self, name)
            self._check(name, value, "a whole number of at most 63 bits, or none", value is None or _is_whole(value))
        self._check_numbers("hyperparameters", self.hyperparameters, self.hyperparameters)
        self._check_numbers("final", self.final, (*CURVES, *OUTCOMES))
        self._check("epochs", self.epochs, "a sequence of mappings", isinstance(self.epochs, Sequence))
        for place, epoch in enumerate(self.epochs, start=1):
            self._check_numbers(f"epoch {place}", epoch, CURVES)

    def _check_numbers(self, name: str, values: object, keys: Iterable[str]) -> None:
        is_mapping = isinstance(values, Mapping)
        self._check(name, values, "a mapping of names to numbers", is_mapping)
        assert isinstance(values, Mapping)
        for key in keys:
            value = values.get(key)
            self._check(f"{key} of {name}", value, "a number, or none", value is None or _is_number(value))

    def _check(self, name: str, given: object, allowed: str, is_so: bool) -> None:
        if not is_so:
            raise SourceError(f"{self.origin}: {name} must be {allowed}, got {given!r:.80}; mend the source.")


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its columns of `trials` from `status` on, and its epochs without key."""

    trial: Row
    epochs: list[Row]


def outcome(run: SourceRun, *, num_epochs: int, steps_per_epoch: int | None) -> Outcome:
    """What became of a run.

    - A loss, an error or a norm that is not finite means that it diverged there: error 1 and no loss from then on,
      whatever the source says of its end. `diverged_step` stays unknown unless the source gives it; the message
      names the epoch.
    - A run that failed, or has a curve shorter than `num_epochs`, has no outcome: it counts as failed.
    - Any other run is complete, with the numbers that the source gives for its end, or else those of the last epoch.

    Raises:
        SourceError: A complete run has no validation error, an error is no fraction, a count is negative, or
            the curve is longer than `num_epochs`.
    """
    _check(run, num_epochs)
    broken = next((place for place, epoch in enumerate(run.epochs) if _not_finite(epoch)), None)
    epochs = [_epoch(epoch, steps_per_epoch) for epoch in run.epochs[: broken if broken is not None else num_epochs]]
    given_status = run.final.get("status")
    if broken is not None:
        epochs.append(_diverged_epoch(run.epochs[broken], steps_per_epoch))
        status, message = "diverged", f"{_not_finite(run.epochs[broken])} not finite in epoch {broken + 1}"
    elif found := _not_finite(run.final):
        status, message = "diverged", f"{found} not finite at the end"
    elif given_status == "diverged":
        status, message = "diverged", None
    elif run.failure is not None:
        status, message = "failed", run.failure
    elif epochs and len(epochs) < num_epochs:
        reason = f": {run.reason}" if run.reason else ""
        status, message = "failed", f"ended after {len(epochs)} of {num_epochs} epochs{reason}"
    else:
        status, message = "complete", None
    if given_status is not None and given_status != status:
        raise SourceError(
            f"{run.origin}: status {given_status!r} contradicts its numbers, which say {status!r} "
            f"({message or 'all epochs are there and finite'}); mend either."
        )
    return Outcome(_trial(run, status, message, epochs), epochs)


def _check(run: SourceRun, num_epochs: int) -> None:
    if len(run.epochs) > num_epochs:
        raise SourceError(
            f"{run.origin}: a run has at most num_epochs = {num_epochs} epochs, this one has {len(run.epochs)}; "
            "correct num_epochs in the description."
        )
    for values in (*run.epochs, run.final):
        for name in [name for name in ERRORS if values.get(name) is not None]:
            if math.isfinite(values[name]) and not 0 <= values[name] <= 1:
                raise SourceError(
                    f"{run.origin}: {name} must be a fraction between 0 and 1, got {values[name]:g}; "
                    f"use --map {name}=KEY/100 for per cent and {name}=1-KEY for an accuracy."
                )
        for name in [name for name in ("seconds", *COUNTED) if values.get(name) is not None]:
            if not 0 <= values[name] < math.inf:
                raise SourceError(f"{run.origin}: {name} must be at least 0, got {values[name]:g}; mend the source.")
        for name in [name for name in values if name in RANGES and _is_number(values[name])]:
            given = values[name]
            if math.isfinite(given) and not RANGES[name].low <= given <= RANGES[name].high:
                raise SourceError(f"{run.origin}: {name} must be {RANGES[name]}, got {given:g}; mend the source.")
    for name in [name for name in ("seed", "number", "replicate") if (getattr(run, name) or 0) < 0]:
        raise SourceError(f"{run.origin}: {name} must be at least 0, got {getattr(run, name)}; mend the source.")


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and abs(int(value)) <= LARGEST_WHOLE


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _not_finite(values: Mapping[str, Any]) -> str | None:
    """Name of the first number that has to be finite and is not."""
    names = [name for name in (*CHECKED, *NORMS, *OUTCOMES) if isinstance(values.get(name), float)]
    return next((name for name in names if not math.isfinite(values[name])), None)


def _epoch(values: Mapping[str, Any], steps_per_epoch: int | None) -> Row:
    row = {**dict.fromkeys(CURVES), "step_losses": [], "attempt": 0, **values}
    if row["steps"] is None:
        row["steps"] = steps_per_epoch
    return {**row, **{name: None if row[name] is None else int(row[name]) for name in COUNTED}}


def _diverged_epoch(values: Mapping[str, Any], steps_per_epoch: int | None) -> Row:
    lost = dict.fromkeys((*CHECKED, *NORMS))
    return {**_epoch(values, steps_per_epoch), **lost, "train_error": 1.0, "validation_error": 1.0}


def _trial(run: SourceRun, status: str, message: str | None, epochs: Sequence[Row]) -> Row:
    end = dict.fromkeys(("validation_loss", "validation_error", *OUTCOMES))
    is_tested = run.phase in TESTED_PHASES
    if status == "complete":
        last = epochs[-1] if epochs else {}
        for name in ("validation_loss", "validation_error"):
            end[name] = run.final[name] if run.final.get(name) is not None else last.get(name)
        end |= {name: run.final.get(name) for name in OUTCOMES if is_tested}
        for name in ("validation_error", *(["test_error"] if is_tested else [])):
            if end[name] is None:
                raise SourceError(
                    f"{run.origin}: a complete {run.phase} run needs {name}, it has none; "
                    f"name it with --map {name}=KEY, or with 1-KEY an accuracy."
                )
    elif status == "diverged":
        end |= {"validation_error": 1.0, "test_error": 1.0 if is_tested else None}
    sums = {name: _sum(epochs, name) for name in ("seconds", *COUNTED)}
    best = {f"best_{name}": _lowest(epochs, name) for name in ("validation_loss", "validation_error")}
    given = {name: value for name, value in run.final.items() if value is not None and name not in end}
    return {"diverged_step": None, "message": message, **sums, **best, **given, **end, "status": status}


def _sum(epochs: Sequence[Row], name: str) -> float | None:
    values = [epoch[name] for epoch in epochs]
    return sum(values) if values and None not in values else None


def _lowest(epochs: Sequence[Row], name: str) -> float | None:
    return min((epoch[name] for epoch in epochs if epoch[name] is not None), default=None)
