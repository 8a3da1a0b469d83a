"""Command lines of processes, and waiting for what they bring about."""

import subprocess
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

LISTS = ("--optimizers", "--optimizer-file", "--values")
"""Options that may be given again and again."""


def overriding(*words: str) -> list[str]:
    """Words of a command line in which an option takes the place of the same one before: tests share what they need."""
    options: list[list[str]] = []
    for word in words:
        if word.startswith("--"):
            options = [option for option in options if option[0] != word or word in LISTS] + [[word]]
        else:
            options[-1].append(word)
    return [word for option in options for word in option]


def wait_for(condition: Callable[[], Found], process: subprocess.Popen[str], seconds: float = 400) -> Found:
    """Wait until a condition holds and give what it gave; fail if the process ends before or the time is up."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found
