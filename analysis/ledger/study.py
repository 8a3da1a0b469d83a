"""What `study.json` says, with types: the comparison that the rows of a ledger belong to."""

import json
import pathlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from analysis.lines import one_line

FORMAT_VERSION = 1
NO_MODEL = "none"
"""Model of a study that trains nothing."""
SCALES = ("linear", "log", "log_complement")
Scale = Literal["linear", "log", "log_complement"]


class LedgerError(ValueError):
    """The folder holds no ledger that can be reported on; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Range of a hyperparameter; "log_complement" is even in log(1 - value)."""

    low: float
    high: float
    scale: Scale


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """One side of the comparison, as its author describes it.

    Args:
        name: Its name.
        equation: The update in one line.
        space: Range of each hyperparameter.
        published: The setting that its authors print; empty if no setting is published.
        reference: Where it comes from.
        source: Text of the user's own file; None for an optimizer of the package.
        values: For a grid, the values of each hyperparameter.
    """

    name: str
    equation: str
    space: Mapping[str, Axis]
    published: Mapping[str, float]
    reference: str
    source: str | None = None
    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FixedClaims:
    """The claims as they were when the study began.

    Args:
        text: The claims file.
        known: Every optimizer that the release knew then.
    """

    text: str
    known: tuple[str, ...]


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
        num_confirm_seeds: Replicates planned for each confirmed setting.
        has_sweep: Whether a learning-rate sweep through each winner is planned.
        runs: Each start of the command: when, how, with which commit, versions and hardware.
        claims: The claims fixed when the study began; None if there were none yet.
        looks: Each time its results were looked at, and how many confirmation runs each optimizer had by then.
        error_plan: How the error of its verdicts is shared out.
        source: Where the rows were imported from; None if this project trained the runs.
        notes: What a reader has to know about that source.
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

    @property
    def num_epochs(self) -> int:
        """Length of every trial that does not diverge."""
        return int(self.identity["num_epochs"])

    @property
    def repeat(self) -> int:
        """Which of several tunings this is; studies of old releases have one."""
        return int(self.identity.get("repeat", 0))

    @property
    def hyperparameters(self) -> list[str]:
        """Names of all hyperparameters of all optimizers, sorted: the ledger's columns."""
        return sorted({name for optimizer in self.optimizers.values() for name in optimizer.space})


def read_study(path: pathlib.Path) -> Study:
    """Read `study.json`.

    Raises:
        LedgerError: The file is missing, is not JSON, or lacks an entry.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LedgerError(
            f"a study folder holds study.json, trials/ and epochs/; {str(path.parent)!r} has no study.json; "
            "give the folder that `python -m study.run` printed."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise LedgerError(
            f"study.json must be readable JSON, {str(path)!r} is not ({one_line(str(error))}); "
            "restore it from a copy or run the study again."
        ) from None
    try:
        return _study(content)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise LedgerError(
            f"study.json must follow format {FORMAT_VERSION}, {str(path)!r} does not "
            f"({type(error).__name__}: {one_line(str(error))}); write it with `python -m study.run`."
        ) from None


def description_crc32(content: Mapping[str, Any]) -> str:
    """Checksum of what `study.json` says, as it stands there under `crc32`: eight hexadecimal digits."""
    rest = {key: value for key, value in content.items() if key != "crc32"}
    return f"{zlib.crc32(json.dumps(rest, sort_keys=True).encode()):08x}"


def _study(content: Mapping[str, Any]) -> Study:
    if content["format_version"] != FORMAT_VERSION:
        raise ValueError(f"format_version is {content['format_version']}")
    if content.get("crc32", description_crc32(content)) != description_crc32(content):
        raise ValueError("something in it has changed since it was written")
    identity, extent, described = content["identity"], content["extent"], content["optimizers"]
    # An optimizer left out of the latest extent keeps its rows, so it stays in the report, after the others.
    names = list(dict.fromkeys([*extent["optimizers"], *described]))
    int(identity["num_epochs"]), int(identity.get("repeat", 0))
    if int(identity.get("num_evaluation_images") or 0) < 0:
        raise ValueError(f"num_evaluation_images is {identity['num_evaluation_images']}")
    imported = content.get("imported")
    return Study(
        study_hash=str(content["study_hash"]),
        identity=identity,
        optimizers={name: _optimizer(name, described[name], imported is not None) for name in names},
        num_trials=int(extent["num_trials"]),
        num_seeds=int(identity["num_seeds"]),
        num_confirm_seeds=int(extent["num_confirm_seeds"]),
        has_sweep=bool(extent["sweep"]),
        runs=_mappings("runs", content["runs"]),
        claims=_claims(content.get("claims")),
        looks=_looks(content.get("looks", ())),
        error_plan=_error_plan(content.get("error_plan")),
        source=None if imported is None else str(imported["source"]),
        notes=() if imported is None else tuple(map(str, imported["notes"])),
    )


def _mappings(name: str, entries: Sequence[Any]) -> tuple[Mapping[str, Any], ...]:
    if not all(isinstance(entry, Mapping) for entry in entries):
        raise ValueError(f"an entry of {name} is no object")
    return tuple(entries)


def _looks(entries: Sequence[Any]) -> tuple[Mapping[str, Any], ...]:
    looks = _mappings("looks", entries)
    for counts in _mappings("looks", [look.get(name, {}) for look in looks for name in ("confirmed", "explored")]):
        if not all(isinstance(number, int) for number in counts.values()):
            raise ValueError("an entry of looks counts no whole number of runs")
    for name, counts in [item for look in looks for item in look.get("confirmed_seeds", {}).items()]:
        if not all(number.isdecimal() and isinstance(seeds, int) for number, seeds in counts.items()):
            raise ValueError(f"an entry of looks counts no whole number of seeds of {name!r}")
    return looks


def _error_plan(entry: Mapping[str, Any] | None) -> ErrorPlan:
    if entry is None:
        return ErrorPlan()
    most = entry["most_confirm_seeds"]
    if most is not None and int(most) < 1:
        raise ValueError(f"most_confirm_seeds is {most}")
    return ErrorPlan(
        counts_every_claim=bool(entry["counts_every_claim"]), most_confirm_seeds=None if most is None else int(most)
    )


def _claims(entry: Mapping[str, Any] | None) -> FixedClaims | None:
    return None if entry is None else FixedClaims(text=str(entry["text"]), known=tuple(map(str, entry["known"])))


def _optimizer(name: str, entry: Mapping[str, Any], imported: bool) -> Optimizer:
    space = {key: _axis(axis) for key, axis in entry["space"].items()}
    published = {key: float(value) for key, value in entry["published"].items()}
    if set(published) != set(space) and (published or not imported):
        raise ValueError(f"published of {name!r} names {sorted(published)}, its space {sorted(space)}")
    return Optimizer(
        name=name,
        equation=str(entry["equation"]),
        space=space,
        published=published,
        reference=str(entry["reference"]),
        source=entry.get("source"),
        values={key: tuple(map(float, values)) for key, values in entry.get("values", {}).items()},
    )


def _axis(entry: Mapping[str, Any]) -> Axis:
    if entry["scale"] not in SCALES:
        raise ValueError(f"scale must be one of {', '.join(SCALES)}, got {entry['scale']!r}")
    return Axis(low=float(entry["low"]), high=float(entry["high"]), scale=cast(Scale, entry["scale"]))
