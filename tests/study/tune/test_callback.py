"""From Tune's error file to the message of a failed trial."""

import pytest

from study.tune.callback import LONGEST_MESSAGE, error_message

FRAMES = 'Failure # 1 (occurred at 2026-11-21)\nray::RayTrainable.train() (pid=7)\n  File "a.py", line 3\n    step()\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FRAMES + "RuntimeError: no\n", "RuntimeError: no"),
        (FRAMES + "RuntimeError: first\nRuntimeError: no\n" + FRAMES + "KeyError: 'x'\n", "KeyError: 'x'"),
        (FRAMES + "RuntimeError: two\nlines\n", "RuntimeError: two lines"),
        ("The actor died.\n\tpid: 7\nThe worker was killed.\n", "The worker was killed."),
        ("", "the worker ended without a message"),
        (FRAMES, "the worker ended without a message"),
    ],
)
def test_the_message_is_what_follows_the_last_traceback(text, message):
    assert error_message(text) == message


def test_a_message_has_an_end():
    assert len(error_message(FRAMES + "RuntimeError: " + "x" * 10_000)) == LONGEST_MESSAGE
