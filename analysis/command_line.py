"""What the command lines of this package share."""

import argparse
import os
import pathlib
import signal
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn, TypeVar

from analysis.lines import one_line

Main = TypeVar("Main", bound=Callable[..., int])

LONGEST_NAME = 255
"""Bytes of a file's name on the usual file systems."""

LONGEST_GIVEN = 200
"""Characters of what was given in a message."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, also of an option that is given twice: one of both would be dropped unsaid."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.given: set[str] = set()
        for name in (None, "store"):
            self.register("action", name, _StoreOnce)

    def error(self, message: str) -> NoReturn:
        """Print the message without the usage and exit with 2."""
        self.exit(2, f"{self.prog}: error: {one_line(message)}\n")

    def parse_known_args(self, *args: Any, **kwargs: Any) -> Any:
        """As of `argparse`, for words of which none has been given before."""
        self.given.clear()
        return super().parse_known_args(*args, **kwargs)


class _StoreOnce(argparse.Action):
    """Keeps the value of an option."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        given = parser.given if isinstance(parser, Parser) else set()
        if option is not None and self.dest in given:
            before = getattr(namespace, self.dest)
            raise argparse.ArgumentError(
                self, f"must be given once, got {shortened(before)!r} and {shortened(values)!r}; leave one out"
            )
        given.add(self.dest)
        setattr(namespace, self.dest, values)


def print_refusal(program: str, message: object) -> None:
    """Say on standard error what a command refuses, in one line whatever names of others stand in it."""
    print(f"{program}: error: {one_line(str(message))}", file=sys.stderr)


def shortened(given: object) -> str:
    """What was given, as far as a message of one line may repeat it."""
    text = str(given)
    return text if len(text) <= LONGEST_GIVEN else f"{text[: LONGEST_GIVEN - 3]}..."


def stoppable(program: str) -> Callable[[Main], Main]:
    """Have Ctrl-C end a command line with one line.

    Args:
        program: What the command is called.
    """

    def wrap(main: Main) -> Main:
        @wraps(main)
        def run(*args: Any) -> int:
            try:
                return main(*args)
            except KeyboardInterrupt:
                print(f"{program}: stopped.", file=sys.stderr)
                return 128 + signal.SIGINT

        return run  # type: ignore[return-value]  # of the same signature, as `wraps` says

    return wrap


def path(word: str) -> pathlib.Path:
    """The path that an option names, of which `refused_path` has nothing to say."""
    if fault := refused_path(word):
        raise argparse.ArgumentTypeError(fault)
    return pathlib.Path(word)


def refused_path(word: str) -> str | None:
    """Why a word cannot be the path of anything, old or new, in a form that follows its option; None if it can."""
    if not word.strip():  # an empty word would be the working directory
        return f"must be a path, got {word!r}; name one or leave the option out"
    if "\0" in word or any(len(os.fsencode(name)) > LONGEST_NAME for name in pathlib.Path(word).parts):
        return f"must be made of names of at most {LONGEST_NAME} bytes, got {shortened(word)!r}; choose another"
    try:
        pathlib.Path(word).stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"must be a path that can be reached, got {shortened(word)!r} ({error.strerror}); choose another"
    return None
