"""The repeats of a tuning: which belong to a study, and the lock on all of them."""

import pathlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from analysis.ledger.schema import repeat_directory, stored_repeats
from study.ledger.lock import locked


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
