"""`study.json` as it stands on the disk: what it may hold, and the `Study` that it describes."""

import json
import pathlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analysis.ledger.regular import LARGEST_DESCRIPTION, read_regular
from analysis.ledger.study import (
    FORMAT_VERSION,
    LARGEST_NUMBER,
    LONGEST_WORD,
    MOST_PLANNED,
    Definition,
    ErrorPlan,
    FixedClaims,
    LedgerError,
    Optimizer,
    Study,
    check_axis,
    description_crc32,
)
from analysis.lines import one_line

LONGEST_VALUE = 60
"""Characters of a value in a message."""

Count = Annotated[int, Field(ge=0, lt=2**63)]
Planned = Annotated[int, Field(ge=0, le=MOST_PLANNED)]
AtLeastOne = Annotated[int, Field(ge=1, le=MOST_PLANNED)]

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What ends a text or hides it. All else in a name is shown as it is: pages, Markdown and CSV see to that."""


class Record(BaseModel):
    """An object that holds its fields and nothing else; "3" is no number, NaN is none either."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Identity(Record, extra="ignore"):
    """What is computed with; the whole identity is shown and compared as it stands."""

    num_epochs: AtLeastOne
    num_seeds: AtLeastOne
    num_evaluation_images: Count | None = None
    repeat: Count = 0


class Extent(Record):
    """How far the study goes."""

    optimizers: tuple[str, ...]
    num_trials: Planned
    num_confirm_seeds: Planned
    sweep: bool
    num_sweep_seeds: Planned | None = None


class Look(Record, extra="ignore"):
    """Runs of each optimizer when the results were looked at."""

    confirmed: Mapping[str, Count] = {}
    ablated: Mapping[str, Count] = {}
    explored: Mapping[str, Count] = {}
    confirmed_seeds: Mapping[str, Mapping[Annotated[str, Field(pattern=r"^[0-9]+$")], Count]] = {}
    swept: Mapping[str, Count] = {}


class StoredErrorPlan(Record):
    """How the error of verdicts is shared out; absent in studies of before that was stored."""

    counts_every_claim: bool
    most_confirm_seeds: Annotated[int, Field(ge=1, lt=2**31)] | None


class Imported(Record):
    """Where the rows of another program come from."""

    source: str
    notes: tuple[str, ...]


class StudyFile(Record):
    """All of the file."""

    format_version: Literal[1]
    study_hash: str
    identity: Identity
    extent: Extent
    optimizers: Mapping[str, Definition]
    runs: tuple[Mapping[str, Any], ...]
    looks: tuple[Look, ...] = ()
    claims: FixedClaims | None = None
    error_plan: StoredErrorPlan | None = None
    imported: Imported | None = None
    crc32: str | None = None


def read_study(path: pathlib.Path) -> Study:
    """Read `study.json`.

    Raises:
        LedgerError: The file is missing, is not JSON, or does not hold what `StudyFile` declares.
    """
    try:
        text = read_regular(path, LARGEST_DESCRIPTION).decode("utf-8")
        content = json.loads(text)
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
        return parse_study_file(text, content)
    except ValueError as error:
        raise LedgerError(
            f"study.json must follow format {FORMAT_VERSION}, {str(path)!r} does not ({error}); "
            "write it with `python -m study.run`."
        ) from None


def parse_study_file(text: str, content: Mapping[str, Any]) -> Study:
    """What the text of a `study.json` describes.

    Args:
        text: The text.
        content: The same as JSON gives it.

    Raises:
        ValueError: It does not hold what `StudyFile` declares; the message names the first entry.
    """
    try:
        return _study(StudyFile.model_validate_json(text), content)
    except ValueError as error:
        raise ValueError(_reason(error)) from None


def _reason(error: ValueError) -> str:
    """The first entry that is not as declared, what it must be and what it is; or what else is wrong."""
    if not isinstance(error, ValidationError):
        return one_line(str(error))
    first = error.errors(include_url=False)[0]
    place, given = ".".join(map(str, first["loc"])) or "it", one_line(repr(first["input"]))
    given = given if len(given) <= LONGEST_VALUE else f"{given[: LONGEST_VALUE - 3]}..."
    return f"{place}: {first['msg']}, got {given}".replace(": Input should", " must", 1)


def _check_numbers(name: str, optimizer: Definition) -> None:
    """Refuse names that are none, ranges that hold nothing and numbers beyond any that is searched."""
    words = (name, *optimizer.space)
    if wrong := [word for word in words if not 0 < len(word) <= LONGEST_WORD or CONTROL.search(word)]:
        raise ValueError(
            f"names must have 1 to {LONGEST_WORD} characters and none of control, got {wrong[0][:LONGEST_VALUE]!r}"
        )
    for key, axis in optimizer.space.items():
        check_axis(f"optimizers.{name}.space.{key}", axis)
    for place, values in {"published": optimizer.published, **optimizer.reduces_to}.items():
        if large := [key for key, value in values.items() if abs(value) > LARGEST_NUMBER]:
            raise ValueError(
                f"{large[0]} of {place} of {name!r} must lie within {LARGEST_NUMBER:g}, got {values[large[0]]:g}"
            )


def _study(stored: StudyFile, content: Mapping[str, Any]) -> Study:
    if stored.crc32 not in (None, description_crc32(content)):
        raise ValueError("something in it has changed since it was written")
    extent, imported = stored.extent, stored.imported
    # An optimizer left out of the latest extent keeps its rows, so it stays in the report, after the others.
    names = list(dict.fromkeys([*extent.optimizers, *stored.optimizers]))
    if unknown := [name for name in names if name not in stored.optimizers]:
        raise ValueError(f"extent.optimizers names {', '.join(unknown)}, which optimizers does not describe")
    for name, optimizer in stored.optimizers.items():
        _check_numbers(name, optimizer)
        published, space = sorted(optimizer.published), sorted(optimizer.space)
        if published != space and (published or not imported):
            raise ValueError(f"published of {name!r} names {published}, its space {space}")
        if unclear := [at for at in optimizer.reduces_to.values() if not at or not set(at) < set(space)]:
            raise ValueError(f"reduces_to of {name!r} must fix some of {space} and leave others, got {unclear[0]}")
    return Study(
        study_hash=stored.study_hash,
        identity=content["identity"],
        optimizers={name: Optimizer(name=name, **vars(stored.optimizers[name])) for name in names},
        num_trials=extent.num_trials,
        num_seeds=stored.identity.num_seeds,
        num_confirm_seeds=extent.num_confirm_seeds,
        has_sweep=extent.sweep,
        num_sweep_seeds=extent.num_sweep_seeds,
        runs=stored.runs,
        claims=stored.claims,
        looks=tuple(content.get("looks", ())),
        error_plan=ErrorPlan(**vars(stored.error_plan)) if stored.error_plan else ErrorPlan(),
        source=imported.source if imported else None,
        notes=imported.notes if imported else (),
    )
