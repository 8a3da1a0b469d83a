"""Files of a study's folder, opened only if they are files: a pipe would keep a reader waiting, a device never ends."""

import os
import pathlib
import stat

LARGEST_DESCRIPTION = 64 * 2**20
"""Bytes of a `study.json`: the largest there are hold some hundred optimizer files and as many looks."""

LARGEST_TABLE_FILE = 4 * 2**30
"""Bytes of a file of rows, also once they are unpacked."""


def read_regular(path: pathlib.Path, most_bytes: int) -> bytes:
    """The bytes of a file.

    Raises:
        FileNotFoundError: There is none.
        OSError: It cannot be read.
        ValueError: It is no regular file, or has more bytes.
    """
    refuse_special(path)
    # Without waiting, should a pipe have taken its place meanwhile.
    with os.fdopen(
        os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb"
    ) as file:
        _check(os.fstat(file.fileno()), most_bytes)
        return file.read()


def refuse_special(path: pathlib.Path) -> None:
    """Refuse a pipe, a socket, a device or a folder in the place of a file.

    Raises:
        FileNotFoundError: There is nothing.
        ValueError: It is none.
    """
    _check(path.stat(), None)


def _check(found: os.stat_result, most_bytes: int | None) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it must be a regular file, and is a folder, pipe, socket or device")
    if most_bytes is not None and found.st_size > most_bytes:
        raise ValueError(f"it may have at most {most_bytes:,} bytes, and has {found.st_size:,}")
