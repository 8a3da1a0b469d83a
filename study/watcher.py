"""Somebody who is left to speak when this process ends without a word: killed, or ended by Ray's C++."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SHOW_CURSOR = "\x1b[?25h\n"
"""A live view hides the cursor, and stands where it was."""

PROGRAM = """
import sys
if not sys.stdin.read():
    print(sys.argv[1], file=sys.stderr)
"""
"""Its standard input ends with the process that holds the other end, however that ends."""


@contextmanager
def told_if_killed(message: str) -> Iterator[None]:
    """Within, a small process waits, and prints `message` to standard error if this one ends inside."""
    if sys.stderr is None:  # closed: nobody would hear it
        yield
        return
    cursor = SHOW_CURSOR if sys.stderr.isatty() else ""
    # In a session of its own, so that the Ctrl-C of a terminal does not end it before this process has answered.
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, cursor + message]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as watcher:
        try:
            yield
        finally:
            with suppress(BrokenPipeError):
                watcher.communicate(b"over")
