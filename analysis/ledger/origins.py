"""Which code and libraries made the rows of a ledger, and how two runs differ in them."""

from collections.abc import Iterable, Mapping
from typing import Any

from analysis.lines import one_line

LIBRARIES = ("optimizer-study", "torch", "numpy", "scipy", "optuna")
"""Packages that decide which rows there are or what they say: what they are stored and sent with changes no number."""

MOST_NAMED = 4
LONGEST_NAME = 40


def differences(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> list[str]:
    """What another run computes with that one run did not, one "torch was 2.3.1 and is 2.4.0" each.

    Processors are not compared: they round differently, and compute the same.

    Args:
        one: An entry of `runs` in `study.json`; None for a run of which it says nothing.
        other: A later one.
    """
    return [*_differing_versions(_versions(one), _versions(other)), *_differing_code(_code(one), _code(other))]


def differing_plugins(earlier: Iterable[Mapping[str, Any] | None], run: Mapping[str, Any]) -> list[str]:
    """Plug-ins that earlier runs have used, but none with the code of a later run, one "the code of ..." each.

    Args:
        earlier: Entries of `runs`; None for runs of which nothing is known.
        run: A later one.
    """
    held: dict[str, list[str]] = {}
    for other in earlier:
        for name, digest in (_code(other) or {}).items():
            held.setdefault(name, []).append(digest)
    return [
        f"the code of {name} was {held[name][-1]} and is {digest}"
        for name, digest in (_code(run) or {}).items()
        if name in held and digest not in held[name]
    ]


def _differing_versions(mine: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    if not mine or not theirs:
        return ["the versions were not stored"] if mine or theirs else []
    return [
        f"{name} was {mine.get(name, 'not there')} and is {theirs.get(name, 'not there')}"
        for name in {**mine, **theirs}
        if mine.get(name) != theirs.get(name)
    ]


def _differing_code(mine: Mapping[str, str] | None, theirs: Mapping[str, str] | None) -> list[str]:
    if mine is None or theirs is None:
        return [] if mine is theirs else ["digests of the code were not stored"]
    # A plug-in that only one of them has used made no rows of the other.
    return [
        f"the code of {name} was {mine[name]} and is {theirs[name]}"
        for name in theirs
        if name in mine and mine[name] != theirs[name]
    ]


def named(found: list[str]) -> str:
    """Differences in one line, not more than anyone reads."""
    more = [f"{len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
    return "; ".join([*found[:MOST_NAMED], *more])


def _versions(run: Mapping[str, Any] | None) -> dict[str, str]:
    """Versions that matter; of Python the release without its patches, which change no number."""
    stored = (run or {}).get("versions")
    if not isinstance(stored, Mapping):
        return {}
    python = ".".join(str(stored.get("python")).split(".")[:2])
    known = {name: _word(stored[name]) for name in LIBRARIES if stored.get(name) is not None}
    return {"python": _word(python), **known}


def _code(run: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Digests by folder or plug-in; None for a run of a release that did not store them."""
    stored = (run or {}).get("code")
    return {_word(name): _word(digest) for name, digest in stored.items()} if isinstance(stored, Mapping) else None


def _word(value: object) -> str:
    return one_line(str(value))[:LONGEST_NAME]
