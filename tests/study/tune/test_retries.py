"""Which early ends of a trial have it trained once more."""

import pytest

from study.queue.tasks import TrialKey
from study.tune.retries import MOST_TERMINATIONS, Retries, Retry

ONE, OTHER = ((TrialKey("sgd", "explore", number), (0, 1)) for number in (1, 2))
TERMINATED = "Worker exits with an exit code 1. The process receives a SIGTERM."
LOST = "The actor died because its node has died. Node Id: 1"
FAILED = "RuntimeError: no"


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
    assert Retries(max_failures=1).after(ONE, text) == Retry(has_lost_node)
    assert Retries(max_failures=0).after(ONE, text) == (Retry(has_lost_node) if has_lost_node else None)


def test_a_trial_that_is_ended_again_and_again_fails_in_the_end():
    retries = Retries(max_failures=0)
    told = [retries.after(ONE, TERMINATED) for _ in range(MOST_TERMINATIONS + 2)]
    assert told == [Retry(has_lost_node=True)] * MOST_TERMINATIONS + [None] * 2
    assert retries.after(OTHER, TERMINATED) == Retry(has_lost_node=True)


def test_failures_are_counted_by_group_and_the_loss_of_a_machine_is_none():
    retries = Retries(max_failures=2)
    ends = [FAILED, LOST, FAILED, LOST, FAILED]
    assert [retries.after(ONE, text) for text in ends] == [Retry(text == LOST) for text in ends[:4]] + [None]
    assert retries.after(OTHER, FAILED) == Retry(has_lost_node=False)
