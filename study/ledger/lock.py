"""One writer at a time: a lock on a study and its repeats that ends with the process that holds it."""

import pathlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from filelock import FileLock, Timeout

from analysis.command_line import shortened
from analysis.drafts import DISK
from analysis.ledger.schema import repeat_directory, stored_repeats

NAME = ".lock"


@contextmanager
def locked(directory: pathlib.Path) -> Iterator[None]:
    """Keep other runs out of a directory, which is made for it; one that is left empty is removed.

    The operating system lets go of the lock when the process ends, however it ends.

    Raises:
        ValueError: Another run is at work there.
        OSError: The directory can't be made.
    """
    made = [path for path in (directory, *directory.parents) if not path.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ValueError(f"--output must be a directory, {directory} is a file; choose another.") from None
    except OSError as error:
        raise _unwritable(directory, error) from None
    lock_file = directory / NAME
    lock = FileLock(lock_file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(
            f"{directory} is in use by another run of the study; wait until it has ended, or take another directory."
        ) from None
    except OSError as error:
        raise _unwritable(directory, error) from None
    try:
        yield
    finally:
        # A process that waits for a file that is gone looks for the new one: `FileLock` sees to that.
        lock_file.unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):  # of the first folder that is in use
            for path in made:
                path.rmdir()


def _unwritable(directory: pathlib.Path, error: OSError) -> Exception:
    """A bad request, or a disk that takes nothing more."""
    message = f"--output must be a folder that can be made and written, got {shortened(directory)!r} ({error.strerror})"
    return (OSError if error.errno in DISK else ValueError)(f"{message}; choose another.")


def repeats(directory: pathlib.Path, num_repeats: int) -> list[int]:
    """Numbers of the repeats that a run completes: those asked for and those that lie there, 0 first.

    A run that asks for fewer than lie there extends them all: repeats of unequal budget could not be compared.
    """
    return sorted({*range(num_repeats), *stored_repeats(directory)})


@contextmanager
def all_locked(directory: pathlib.Path, num_repeats: int, others: Iterable[int] = ()) -> Iterator[None]:
    """Keep other runs out of a study and its repeats from the start, not only once a repeat's turn has come.

    Args:
        directory: The study's directory.
        num_repeats: How many are asked for.
        others: Numbers of repeats that will come to lie there.

    Raises:
        ValueError: Another run is at work in one of them.
        OSError: A directory can't be made.
    """
    with ExitStack() as locks:
        locks.enter_context(locked(directory))
        for repeat in sorted({*repeats(directory, num_repeats), *others} - {0}):
            locks.enter_context(locked(repeat_directory(directory, repeat)))
        yield
