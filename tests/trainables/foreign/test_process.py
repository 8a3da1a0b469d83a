"""A process of its own: what comes back from it, and how it ends."""

import os
import threading
import time
from functools import partial

import pytest

from trainables.foreign.process import own_process


def refuse(text):
    raise ValueError(text)


def leave_a_thread():
    threading.Thread(target=time.sleep, args=(1000,)).start()
    return os.getpid()


class Sum:
    def __init__(self, start):
        self.total = start

    def __call__(self, number):
        self.total += number
        return self.total, os.getpid()


def test_calls_are_answered_by_one_other_process():
    with own_process(Sum, 10) as call:
        (first, one), (second, other) = call(1), call(2)
    assert (first, second) == (11, 13)
    assert one == other != os.getpid()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (partial(partial, refuse, "say a; give b."), ValueError, r"^say a; give b\.$"),
        (partial(refuse, "no"), ValueError, r"^no$"),
        (partial(partial, os._exit, 7), RuntimeError, r"^it has ended its process, with exit code 7$"),
        (partial(partial, os.abort), RuntimeError, r"^it has ended its process, with exit code -6$"),
        (partial(partial, exit, 3), RuntimeError, r"^it raises SystemExit\(3\)$"),
        (
            partial(partial, open, "nowhere"),
            RuntimeError,
            r"^it raises FileNotFoundError\(2, 'No such file or directory'",
        ),
    ],
)
def test_what_fails_there_is_raised_here(make, error, message):
    with own_process(make) as call, pytest.raises(error, match=message):
        call()


def test_a_thread_that_is_left_there_keeps_nobody_waiting():
    with own_process(partial, leave_a_thread) as call:
        pid = call()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
