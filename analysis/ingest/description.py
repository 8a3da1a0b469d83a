"""What a source does not say of itself: data, length, search spaces, published settings. A TOML or JSON file."""

import json
import pathlib
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.ingest.values import LARGEST_WHOLE, SourceError
from analysis.ledger.schema import RESERVED
from analysis.ledger.study import NO_MODEL, Axis, Optimizer, check_axis
from analysis.lines import one_line

NOT_GIVEN = "not given"
WORDS = ("dataset", "model", "precision")
COUNTS = ("batch_size", "num_train_images", "num_validation_images", "num_evaluation_images", "num_test_images")
PLAN = ("num_epochs", "steps_per_epoch", "num_seeds", "num_sweep_seeds")
ENTRIES = {"equation", "reference", "space", "published", "reduces_to"}


@dataclass(frozen=True, kw_only=True)
class Description:
    """The study as its owner describes it.

    Args:
        facts: Of `WORDS` and `COUNTS` what is given; they name the data and the model in the report.
        num_epochs: Length of a run that does not diverge; the longest run of the source if None.
        steps_per_epoch: Optimizer steps of an epoch, for sources that do not count them; not known if None.
        num_seeds: Runs planned for each tuning setting; what most settings have if None.
        num_sweep_seeds: Runs of each trial of a sweep through every hyperparameter; None if a sweep is one of nine
            learning rates.
        optimizers: Those described; `published` is empty where no setting is published.
    """

    facts: Mapping[str, str | int] = field(default_factory=dict)
    num_epochs: int | None = None
    steps_per_epoch: int | None = None
    num_seeds: int | None = None
    num_sweep_seeds: int | None = None
    optimizers: Mapping[str, Optimizer] = field(default_factory=dict)


def read_description(path: pathlib.Path) -> Description:
    """Read a description.

    Raises:
        SourceError: The file is missing, is neither TOML nor JSON, or says something that has no meaning.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(
            f"--description must be a readable TOML file, or JSON named .json, {str(path)!r} is not "
            f"({one_line(str(error))}); docs/other_results.md has an example."
        ) from None
    try:
        return _description(content)
    except (TypeError, ValueError, AttributeError) as error:
        raise SourceError(f"{str(path)!r}: {one_line(str(error))}") from None


def _description(content: Any) -> Description:
    if not isinstance(content, dict):
        raise TypeError("a description is a table of entries; docs/other_results.md has an example.")
    _only("", content, {*WORDS, *COUNTS, *PLAN, "optimizers"})
    facts = {name: _text(name, content[name]) for name in WORDS if name in content}
    if content.get("model") == NO_MODEL:
        raise ValueError(f"model must name what was trained, got {NO_MODEL!r}; leave it out if it has no name.")
    for name in [name for name in (*COUNTS, *PLAN) if name in content]:
        if type(content[name]) is not int or not 1 <= content[name] <= LARGEST_WHOLE:
            raise TypeError(f"{name} must be a whole number from 1 on, got {content[name]!r}; mend it or leave it out.")
    optimizers = _table("optimizers", content.get("optimizers", {}))
    return Description(
        facts={**facts, **{name: content[name] for name in COUNTS if name in content}},
        **{name: content.get(name) for name in PLAN},
        optimizers={name: _optimizer(name, entry) for name, entry in optimizers.items()},
    )


def _optimizer(name: str, content: Any) -> Optimizer:
    place = f"optimizers.{name}"
    entry = _table(place, content)
    _only(place, entry, ENTRIES)
    axes = _table(f"{place}.space", entry.get("space", {}))
    space = {key: _axis(f"{place}.space.{key}", axis) for key, axis in axes.items()}
    if not space:
        raise ValueError(
            f"{place} needs the hyperparameters that were searched, got none; "
            f"for example [{place}.space] learning_rate = {{low = 1e-4, high = 1.0, scale = 'log'}}."
        )
    published = {
        key: _number(f"{place}.published.{key}", value)
        for key, value in _table(f"{place}.published", entry.get("published", {})).items()
    }
    if published and set(published) != set(space):
        raise ValueError(
            f"{place}.published must name {', '.join(sorted(space))}, got {', '.join(sorted(published))}; "
            "name exactly what was searched, or leave it out if no setting is published."
        )
    return Optimizer(
        name=name,
        equation=_text(f"{place}.equation", entry.get("equation", NOT_GIVEN)),
        space=space,
        published=published,
        reference=_text(f"{place}.reference", entry.get("reference", NOT_GIVEN)),
        reduces_to=_reductions(f"{place}.reduces_to", entry.get("reduces_to", {}), space),
    )


def _reductions(place: str, content: Any, space: Mapping[str, Axis]) -> dict[str, dict[str, float]]:
    found = {
        simpler: {key: _number(f"{place}.{simpler}.{key}", value) for key, value in _table(place, at).items()}
        for simpler, at in _table(place, content).items()
    }
    for simpler, at in found.items():
        if not at or not set(at) < set(space):
            raise ValueError(
                f"{place}.{simpler} must give the neutral value of some of {', '.join(space)} and leave at least one, "
                f"got {', '.join(at) or 'none'}; mend it."
            )
    return found


def _axis(place: str, content: Any) -> Axis:
    entry = _table(place, content)
    _only(place, entry, {"low", "high", "scale"})
    if missing := {"low", "high"} - set(entry):
        raise ValueError(f"{place} needs low and high, {' and '.join(sorted(missing))} is missing; add it.")
    if (name := place.rpartition(".")[2]) in RESERVED:
        raise ValueError(
            f"{place}: {name} is a column of the ledger; give the hyperparameter another name and --map it."
        )
    axis = Axis(
        low=_number(f"{place}.low", entry["low"]),
        high=_number(f"{place}.high", entry["high"]),
        scale=entry.get("scale", "linear"),
    )
    check_axis(place, axis)
    return axis


def _text(place: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{place} must be text, got {value!r}; put it in quotation marks.")
    return value


def _number(place: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
        raise TypeError(f"{place} must be a finite number, got {value!r}; mend it.")
    return float(value)


def _table(place: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{place} must be a table, got {value!r}; docs/other_results.md has an example.")
    return value


def _only(place: str, entry: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(entry) - known):
        where = f" in {place}" if place else ""
        raise ValueError(f"unknown entries{where}: {', '.join(unknown)}; known are {', '.join(sorted(known))}.")
