"""One writer at a time: a lock on a study's directory that ends with the process that holds it."""

import pathlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from filelock import FileLock, Timeout

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
    lock_file = directory / NAME
    lock = FileLock(lock_file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(
            f"{directory} is in use by another run of the study; wait until it has ended, or take another directory."
        ) from None
    try:
        yield
    finally:
        # A process that waits for a file that is gone looks for the new one: `FileLock` sees to that.
        lock_file.unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):  # of the first folder that is in use
            for path in made:
                path.rmdir()
