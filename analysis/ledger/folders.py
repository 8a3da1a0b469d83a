"""Folders within a ledger that are its own, where nothing else may be written."""

import pathlib
from collections.abc import Iterable

from analysis.ledger.schema import REPEATS

OWN_FOLDERS = ("trials", "epochs", "timings", "log", "attempts", "damaged", "outdated")
"""Of a study's folder and of its repeats, where rows and what became of them are kept."""


def refuse_own_folders(output: pathlib.Path, ledgers: Iterable[pathlib.Path]) -> None:
    """Refuse to write among the files of a ledger, which are those of its study alone.

    Args:
        output: Where something is to be written.
        ledgers: Folders of studies.

    Raises:
        ValueError: It lies in a folder of rows.
    """
    for ledger in [ledger for ledger in ledgers if output.resolve().is_relative_to(ledger.resolve())]:
        parts = output.resolve().relative_to(ledger.resolve()).parts
        is_of_repeat = parts[:1] == (REPEATS,) and ledger.joinpath(*parts[:2], "study.json").exists()
        own = parts[2:] if is_of_repeat else parts
        if own and own[0] in (*OWN_FOLDERS, REPEATS):
            raise ValueError(
                f"--output must lie outside of the ledger's own folders ({', '.join(OWN_FOLDERS)}) and, in "
                f"{REPEATS}, in a repeat that has begun, got {str(output)!r}; choose another, as in --output "
                f"{ledger / 'report'}."
            )
