"""From Tune's error file to the message of a failed trial."""

import pytest

from study.queue.tasks import TrialKey
from study.tune.callback import LONGEST_MESSAGE, MOST_TERMINATIONS, Losses, error_message

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


ONE, OTHER = ((TrialKey("sgd", "explore", number), (0, 1)) for number in (1, 2))
TERMINATED = "Worker exits with an exit code 1. The process receives a SIGTERM."


@pytest.mark.parametrize(
    ("text", "has_lost_node"),
    [
        ("The actor died because its node has died. Node Id: 1", True),
        ("The actor 7f is unavailable: The actor is temporarily unavailable", True),
        (TERMINATED, True),
        ("Worker exits unexpectedly. Worker exits with an exit code 1.", False),
        ("RuntimeError: no", False),
    ],
)
def test_the_loss_of_a_machine_is_told_from_a_failure(text, has_lost_node):
    assert Losses().has_lost_node(ONE, text) == has_lost_node


def test_a_trial_that_is_ended_again_and_again_fails_in_the_end():
    losses = Losses()
    told = [losses.has_lost_node(ONE, TERMINATED) for _ in range(MOST_TERMINATIONS + 2)]
    assert told == [True] * MOST_TERMINATIONS + [False] * 2
    assert losses.has_lost_node(OTHER, TERMINATED)
