"""A process of its own for foreign code: whatever it changes there ends with it."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

SECONDS = 60.0
"""For one import, building or step of foreign code: many times what any takes that is of use."""


class _Stage:
    """Whose turn it is in the process, in words; empty if it is not that of foreign code."""


_channel: Connection | None = None
"""In such a process: where its stages are told."""


@contextmanager
def stage(words: str) -> Iterator[None]:
    """Within, foreign code runs that has to end in time; in no such process it may take as long as it likes.

    Args:
        words: What runs, a noun.
    """
    _tell(words)
    try:
        yield
    finally:
        _tell("")


def _tell(words: str) -> None:
    if _channel is not None:
        _channel.send((_Stage, words))


@contextmanager
def own_process(
    make: Callable[..., Callable[..., Any]], *arguments: object, seconds: float | None = None
) -> Iterator[Callable[..., Any]]:
    """A function that is made and called in a new process, which ends with the block.

    Args:
        make: Called there once; returns the function. Like all that goes back and forth it must be known by name there.
        arguments: What it is called with.
        seconds: Limit of each `stage`; None for none.

    Yields:
        Calls the function there. It raises a ValueError with the message of one that the function, or `make`, has
        raised, and a RuntimeError for anything else, if the process has ended or if a stage does not end in time.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, make, arguments), daemon=True)
    process.start()
    theirs.close()

    def call(*words: object) -> Any:
        try:
            ours.send(words)
            kind, found = _answer(ours, seconds)
        except (EOFError, OSError):
            process.join()
            raise RuntimeError(f"it has ended its process, with exit code {process.exitcode}") from None
        if kind is not None:
            raise kind(found)
        return found

    try:
        yield call
    finally:
        # Threads that foreign code has left there would keep it alive.
        process.kill()
        process.join()
        ours.close()


def _answer(channel: Connection, seconds: float | None) -> tuple[Any, Any]:
    """What comes after all stages.

    Raises:
        RuntimeError: A stage does not end in time.
    """
    kind, found = _Stage, ""
    while kind is _Stage:
        if found and not channel.poll(seconds):
            raise RuntimeError(f"{found} has not ended within {seconds:g} seconds")
        kind, found = channel.recv()
    return kind, found


def _serve(channel: Connection, make: Callable[..., Callable[..., Any]], arguments: tuple[object, ...]) -> None:
    """Answer calls until nobody asks any more, or one has failed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; it is for the parent
    global _channel
    _channel = channel
    try:
        words = channel.recv()
        try:
            function = make(*arguments)
            while True:
                channel.send((None, function(*words)))
                words = channel.recv()
        except EOFError:
            raise
        except ValueError as error:
            channel.send((ValueError, str(error)))
        except (Exception, SystemExit) as error:
            channel.send((RuntimeError, f"it raises {error!r:.300}"))
    except (EOFError, OSError):
        pass
    finally:
        os._exit(0)
