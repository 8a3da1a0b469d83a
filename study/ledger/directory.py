"""What lies in the directory of a study: its own files without its repeats, drafts to discard, names that are free."""

import pathlib
from collections.abc import Iterator

from analysis.ledger.schema import REPEATS


def discard_drafts(directory: pathlib.Path) -> None:
    """Delete what a killed writer has left half written; only the holder of the study's lock may."""
    for draft in [path for path in own_files(directory) if path.match(".*.draft")]:
        draft.unlink()


def own_files(directory: pathlib.Path) -> Iterator[pathlib.Path]:
    """All that lies in a study's directory, at any depth, but its repeats, which are studies with own locks."""
    for path in directory.glob("*"):
        if path.name != REPEATS:
            yield path
            yield from path.rglob("*")


def free_name(path: pathlib.Path) -> pathlib.Path:
    """The path, or the first of `name-2`, `name-3`, ... that is not in use."""
    number, found = 1, path
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    return found
