"""Compiles and loads `convolutions.c`. Without a C compiler there is no library, and torch does the work.

The library is compiled for the processor at hand when it is first needed, which takes two seconds, and kept in the
user's cache directory under a name that changes with the source, the compiler, its options and the instruction set.
It runs as its user, so that no other one may be able to write it, whatever the umask.
Options in CFLAGS are added to ours: `-mno-avx512f`, say, for the vectors of another processor.
"""

import ctypes
import hashlib
import os
import pathlib
import shlex
import shutil
import stat
import subprocess
import tempfile
from functools import cache

from platformdirs import user_cache_path

SOURCE = pathlib.Path(__file__).with_name("convolutions.c")

# None lets the compiler reorder sums or assume that there is no NaN.
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math")

COMPILE_SECONDS = 120


class NoLibraryError(Exception):
    """The library cannot be had on this machine; the message says why."""


@cache
def library() -> ctypes.CDLL:
    """The compiled library.

    Raises:
        NoLibraryError: There is no C compiler, or it failed.
    """
    compiler = _compiler()
    try:
        path = user_cache_path("optimizer-study") / f"convolutions-{_digest(compiler)}.so"
        if not _is_ours_alone(path):
            _compile(compiler, path)
        return ctypes.CDLL(str(path))
    except (OSError, RuntimeError) as error:  # the latter if the user has no home
        raise NoLibraryError(f"the compiled convolutions could not be kept or loaded: {error}") from None


def _is_ours_alone(path: pathlib.Path) -> bool:
    """Whether there is such a file that nobody but this user, and root, has written or may write."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return found.st_uid in {0, os.geteuid()} and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _compiler() -> list[str]:
    words = shlex.split(os.environ.get("CC", "cc"))
    found = shutil.which(words[0]) if words else None
    if found is None:
        raise NoLibraryError(f"there is no C compiler {' '.join(words)!r}; install one, or name it in CC")
    return [found, *words[1:]]


def _digest(compiler: list[str]) -> str:
    """Of all that determines the library: predefined macros name the compiler's version and the instruction set."""
    macros = _run([*compiler, *_options(), "-E", "-dM", "-x", "c", os.devnull])
    return hashlib.sha256(SOURCE.read_bytes() + shlex.join(_options()).encode() + macros).hexdigest()[:16]


def _options() -> list[str]:
    return [*FLAGS, *shlex.split(os.environ.get("CFLAGS", ""))]


def _compile(compiler: list[str], path: pathlib.Path) -> None:
    """Several processes may do this at once: each renames a whole file into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        draft = pathlib.Path(scratch, path.name)
        _run([*compiler, *_options(), "-Wno-psabi", "-shared", "-fPIC", str(SOURCE), "-o", str(draft)])
        draft.chmod(0o700)
        draft.replace(path)


def _run(command: list[str]) -> bytes:
    try:
        return subprocess.run(command, capture_output=True, check=True, timeout=COMPILE_SECONDS).stdout
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise NoLibraryError(f"{command[0]} failed: {lines[0]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoLibraryError(f"{command[0]} failed: {error}") from None
