"""Waiting for what a process brings about."""

import subprocess
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_for(condition: Callable[[], Found], process: subprocess.Popen[str], seconds: float = 400) -> Found:
    """Wait until a condition holds and give what it gave; fail if the process ends before or the time is up."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found
