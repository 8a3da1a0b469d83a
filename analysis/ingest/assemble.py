"""From runs to the keys of a ledger: which of them are replicates of one trial, and what the trials are numbered."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.ingest.description import Description
from analysis.ingest.runs import Row, SourceRun, outcome
from analysis.ingest.values import SourceError, listed
from analysis.ledger.schema import TESTED_PHASES, TUNING_PHASES
from analysis.ledger.study import Optimizer

UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """The rows of a ledger and what follows from them for its plan.

    Args:
        optimizers: Those that have runs, in the order of the description.
        trials: Rows of `trials`.
        epochs: Rows of `epochs`.
        num_epochs: Length of a run that does not diverge.
        num_trials: Most tuning trials of any optimizer.
        num_seeds: Replicates of a tuning trial.
        num_confirm_seeds: Replicates of a confirmation; 0 if there is none.
        has_sweep: Whether there are runs of a sweep.
    """

    optimizers: Mapping[str, Optimizer]
    trials: list[Row]
    epochs: list[Row]
    num_epochs: int
    num_trials: int
    num_seeds: int
    num_confirm_seeds: int
    has_sweep: bool


def assemble(runs: Sequence[SourceRun], description: Description) -> Assembled:
    """Give every run its key and its outcome.

    Runs of one optimizer and phase with equal hyperparameters are the replicates of one trial. Equal seeds have equal
    replicate numbers in all trials, so that differences are paired by seed; without seeds replicates are numbered in
    their order. A tuning trial at the published setting is of the phase `published` and has number 0, as in the ledger
    of a study; the others count from 1.

    Raises:
        SourceError: There is no run, its optimizer or a hyperparameter is not described, two runs have one key, some
            have a seed and some have none, a seed served both tuning and confirmation, or `outcome` refuses a run.
    """
    if not runs:
        raise SourceError("a ledger needs at least one run, the source holds none; check its path.")
    described = description.optimizers
    for run in runs:
        check_setting(run, described)
    keyed = _with_keys([_published(run, described[run.optimizer]) for run in runs], described)
    num_epochs = description.num_epochs or max(len(run.epochs) for run in runs)
    if not num_epochs:
        raise SourceError("without curves the length of a run is not known; give num_epochs in the description.")
    trials, epochs = [], []
    for run in keyed:
        found = outcome(run, num_epochs=num_epochs, steps_per_epoch=description.steps_per_epoch)
        key = {"optimizer": run.optimizer, "phase": run.phase, "number": run.number, "replicate": run.replicate}
        published = {"sampler": "published"} if run.phase == "published" else {}
        trials.append({**DEFAULTS, **published, **found.trial, **run.hyperparameters, **key, "seed": run.seed})
        epochs += [{**epoch, **key, "epoch": place} for place, epoch in enumerate(found.epochs, start=1)]
    sizes = Counter((run.optimizer, run.phase, run.number) for run in keyed)
    tuning = {key: size for key, size in sizes.items() if key[1] in TUNING_PHASES}
    present = {run.optimizer for run in runs}
    return Assembled(
        optimizers={name: optimizer for name, optimizer in described.items() if name in present},
        trials=trials,
        epochs=epochs,
        num_epochs=num_epochs,
        num_trials=max(Counter(name for name, _, _ in tuning).values(), default=0),
        num_seeds=description.num_seeds or _usual(tuning.values()) or 1,
        num_confirm_seeds=_usual(size for (_, phase, _), size in sizes.items() if phase == "confirm"),
        has_sweep=any(phase == "sweep" for _, phase, _ in sizes),
    )


DEFAULTS: Row = {
    "attempt": 0, "sampler": UNKNOWN, "group_size": 1, "device": UNKNOWN, "node": UNKNOWN, "run": 0,
}  # fmt: skip
"""Columns that have a meaning where a source says nothing."""


def check_setting(run: SourceRun, described: Mapping[str, Optimizer]) -> None:
    """Refuse a run whose setting is not described.

    Raises:
        SourceError: Its optimizer is not described, or a hyperparameter is missing.
    """
    if run.optimizer not in described:
        raise SourceError(
            f"{run.origin}: the optimizer must be one of the description, {listed(described) or 'which has none'}, got "
            f"{run.optimizer!r}; add [optimizers.{run.optimizer}] with its space."
        )
    space = described[run.optimizer].space
    missing = [name for name in space if run.hyperparameters.get(name) is None]
    if missing and run.failure is None:
        raise SourceError(
            f"{run.origin}: a run of {run.optimizer} needs {listed(space)}, {listed(missing)} is missing; name it with "
            f"--map {missing[0]}=KEY or correct the description."
        )


def _published(run: SourceRun, optimizer: Optimizer) -> SourceRun:
    """The run, under the phase `published` if it is a tuning run at the published setting."""
    is_published = bool(optimizer.published) and dict(run.hyperparameters) == dict(optimizer.published)
    if run.number is not None or run.phase not in TUNING_PHASES or not is_published:
        return run
    return replace(run, phase="published")


def _with_keys(runs: Sequence[SourceRun], described: Mapping[str, Optimizer]) -> list[SourceRun]:
    _check_seeds(runs)
    if all(run.number is not None and run.replicate is not None for run in runs):
        _check_points(runs)
        return list(runs)
    for run in runs:
        if run.phase == "sweep" or (run.phase == "published" and not described[run.optimizer].published):
            raise SourceError(
                f"{run.origin}: runs of the phase {run.phase} need number and replicate, as their places have a "
                "meaning (docs/ledger.md); add both to all rows, or choose another phase."
            )
    places = _seed_places(runs)
    numbers: dict[tuple[str, str], dict[tuple[float | None, ...], int]] = defaultdict(dict)
    used: dict[tuple[str, str, int, int], SourceRun] = {}
    counted: Counter[tuple[str, str, int]] = Counter()
    keyed = []
    for run in runs:
        optimizer = described[run.optimizer]
        point = tuple(run.hyperparameters.get(name) for name in optimizer.space)
        known = numbers[run.optimizer, _sequence(run.phase)]
        if bool(optimizer.published) and point == tuple(optimizer.published[name] for name in optimizer.space):
            number = 0
        else:
            number = known.setdefault(point, len(known) + 1)
        group = (run.optimizer, run.phase, number)
        replicate = counted[group] if run.seed is None else places[_seeds(run.phase)][run.seed]
        counted[group] += 1
        if (other := used.setdefault((*group, replicate), run)) is not run:
            raise SourceError(
                f"{run.origin} and {other.origin} have one setting of {run.optimizer} and one seed, {run.seed}; "
                "remove one of them."
            )
        keyed.append(replace(run, number=number, replicate=replicate))
    return keyed


def _check_points(runs: Sequence[SourceRun]) -> None:
    points: dict[tuple[str, str, int | None], SourceRun] = {}
    for run in runs:
        first = points.setdefault((run.optimizer, run.phase, run.number), run)
        if first.hyperparameters != run.hyperparameters:
            raise SourceError(
                f"{first.origin} and {run.origin} are replicates of one trial and must have equal hyperparameters; "
                "correct number."
            )


def _check_seeds(runs: Sequence[SourceRun]) -> None:
    without = [run for run in runs if run.seed is None]
    if without and len(without) < len(runs):
        raise SourceError(
            f"all runs must have a seed or none, {len(without)} of {len(runs)} have none, the first is "
            f"{without[0].origin}; add the seeds or leave them all out."
        )
    both = {run.seed for run in runs if run.phase in TUNING_PHASES and run.seed is not None} & {
        run.seed for run in runs if run.phase in TESTED_PHASES
    }
    if both:
        raise SourceError(
            f"confirmation needs seeds that took no part in the choice of the settings, {listed(both)} served both; "
            "run the confirmation on other seeds."
        )


def _seed_places(runs: Iterable[SourceRun]) -> dict[str, dict[int, int]]:
    """Replicate number of each seed, for the phases that share their seeds."""
    seeds: dict[str, set[int]] = defaultdict(set)
    for run in runs:
        if run.seed is not None:
            seeds[_seeds(run.phase)].add(run.seed)
    return {name: {seed: place for place, seed in enumerate(sorted(found))} for name, found in seeds.items()}


def _sequence(phase: str) -> str:
    """The tuning phases share their numbers."""
    return "tuning" if phase in TUNING_PHASES else phase


def _seeds(phase: str) -> str:
    """And their seeds, as confirmation and ablations share theirs."""
    return "confirm" if phase in TESTED_PHASES else _sequence(phase)


def _usual(sizes: Iterable[int]) -> int:
    """The number that most have, the larger of two; 0 for none."""
    counted = Counter(sizes)
    return max(counted, key=lambda size: (counted[size], size), default=0)
