"""What compiled code and libraries write to a terminal that is not theirs: Ray's C++, V8, crash stacks."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout


@contextmanager
def raw_output_apart() -> Iterator[None]:
    """Within, standard error and all that is printed to `sys.stdout` or `sys.stderr` goes to a file that nobody reads.

    A console that holds the stream it prints to, as `new_console` makes it, goes on printing there.
    """
    if sys.stderr is None:  # closed, and its number may be that of another file
        yield
        return
    with tempfile.TemporaryFile("w", encoding="utf-8", errors="backslashreplace") as raw:
        sys.stderr.flush()
        before = os.dup(2)
        os.dup2(raw.fileno(), 2)
        try:
            with redirect_stdout(raw), redirect_stderr(raw):
                yield
        finally:
            os.dup2(before, 2)
            os.close(before)
