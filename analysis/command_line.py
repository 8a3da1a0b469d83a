"""What the command lines of this package share."""

import argparse
import errno
import pathlib
from collections.abc import Iterable
from typing import NoReturn

from analysis.lines import one_line


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message without the usage and exit with 2."""
        self.exit(2, f"{self.prog}: error: {one_line(message)}\n")


def path(word: str) -> pathlib.Path:
    """The path that an option names, which an empty word would have be the working directory."""
    if not word.strip():
        raise argparse.ArgumentTypeError(f"must be a path, got {word!r}; name one or leave the option out")
    return pathlib.Path(word)


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
        own = parts[2:] if parts[:1] == ("repeats",) else parts
        if own and own[0] in OWN_FOLDERS:
            raise ValueError(
                f"--output must lie outside of the ledger's own folders ({', '.join(OWN_FOLDERS)}), got "
                f"{str(output)!r}; choose another, as in --output {ledger / 'report'}."
            )


OWN_FOLDERS = ("trials", "epochs", "timings", "log", "attempts", "damaged", "outdated")
"""Of a study's folder and of its repeats, where rows and what became of them are kept."""

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""What is wrong with a disk and not with the command: it is full or may not be written."""
