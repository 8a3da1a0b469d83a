"""Which files of a folder are out of date, because another machine has gone on with the study at its URI."""

import pathlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from analysis.ledger.durable import make_folder
from analysis.ledger.parts import DamagedFileError, read_part
from analysis.ledger.schema import KEY
from study.ledger.directory import free_name

OUTDATED = "outdated"
"""Folder of the files that another machine's stand for."""

Held = tuple[object, ...]


@dataclass(frozen=True)
class _File:
    """What a file is about: replicates, or the timings as a whole, and the files that it stands for."""

    name: str
    held: frozenset[Held]
    replaces: frozenset[str]


def outdated(directory: pathlib.Path, mine: Iterable[str], theirs: Iterable[str]) -> list[str]:
    """Files that only this folder had, and that hold replicates of which the URI has files of another run.

    What counts at the URI stays as it is: rows of both would stand twice. A file of this folder that merely replaces
    some at the URI, by a merge that was cut short, is not out of date.

    Args:
        directory: The folder, which holds all of them.
        mine: Names of the files that the URI lacks.
        theirs: Names of the files that the folder lacked.

    Returns:
        Names out of `mine`.
    """
    ours = list(_files(directory, mine))
    merged = frozenset[str]().union(*(file.replaces for file in ours))
    held = [file.held for file in _files(directory, theirs) if file.name not in merged]
    taken = frozenset[Held]().union(*held)
    return [file.name for file in ours if file.held & taken]


def set_aside(directory: pathlib.Path, names: Iterable[str]) -> None:
    """Move files to the folder of those out of date."""
    for name in names:
        target = directory / OUTDATED / name
        make_folder(target.parent)
        (directory / name).replace(free_name(target))


def _files(directory: pathlib.Path, names: Iterable[str]) -> Iterator[_File]:
    """The tables' files that can be read; recovery looks after the others."""
    for name in names:
        table = name.partition("/")[0]
        if table not in ("trials", "epochs", "timings"):
            continue
        try:
            part = read_part(directory / name)
        except DamagedFileError:
            continue
        if table == "timings":
            held: frozenset[Held] = frozenset([(table,)])
        elif set(KEY) <= set(part.rows.column_names):
            held = frozenset(zip(*(part.rows[column].to_pylist() for column in KEY), strict=True))
        else:
            continue
        yield _File(name, held, frozenset(f"{table}/{replaced}" for replaced in part.replaces))
