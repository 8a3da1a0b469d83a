"""A function called in a process of its own: the memory that it takes is given back, and Ctrl-C does not reach it."""

import pathlib
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from study.raw_output import raw_output_apart

Found = TypeVar("Found")


def in_own_process(
    function: Callable[[pathlib.Path], Found], directory: pathlib.Path, *, work: str, remedy: str
) -> Found:
    """What a function makes of the rows in a folder, or raises.

    Args:
        function: Called in the process.
        directory: What it is called with.
        work: What the process does, in the past tense, to be said if it is ended from outside.
        remedy: What can be done then, a sentence.

    Raises:
        OSError: The process has ended before the function has.
    """
    # Ctrl-C reaches all processes of a terminal; it is for the driver to answer.
    context, ignore = get_context("spawn"), (signal.SIGINT, signal.SIG_IGN)
    try:
        with (
            raw_output_apart(),
            ProcessPoolExecutor(1, mp_context=context, initializer=signal.signal, initargs=ignore) as process,
        ):
            return process.submit(function, directory).result()
    except BrokenProcessPool:
        raise OSError(
            f"the process that {work} was ended from outside, perhaps for its memory; what is stored stays. {remedy}"
        ) from None
