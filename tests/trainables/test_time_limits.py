"""Foreign code that does not end, or ends its process, is told apart before a study starts."""

import pytest

from tests.user_optimizers import SGD
from trainables.contract.foreign import declared
from trainables.foreign.process import stage

ENDLESS = "while True: pass"
LATER = SGD.replace("    return torch", "    optimizer = torch").replace(
    "lr=learning_rate)", "lr=learning_rate)\n    optimizer.step = endless\n    return optimizer"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "what"),
    [
        (f"import threading\nthreading.Event().wait()\n{SGD}", "the import of its code"),
        (SGD.replace("    return torch", f"    {ENDLESS}\n    return torch"), "building it"),
        (f"def endless():\n    {ENDLESS}\n\n{LATER}", "a step of it"),
    ],
)
def test_what_does_not_end_is_named_with_its_limit(source, what):
    message = (
        f"^Optimizer 'mine' must let itself be tried out, but {what} has not ended within 6 seconds; mend its code"
    )
    with pytest.raises(ValueError, match=message):
        declared("mine", {"mine": source}, seconds=6.0)


def test_code_that_ends_the_process_is_told_in_one_line():
    message = "^Optimizer 'mine' must let itself be tried out, but it has ended its process, with exit code 0; mend its"
    with pytest.raises(ValueError, match=message):
        declared("mine", {"mine": "import os\nos._exit(0)\n"})


@pytest.mark.slow
def test_all_of_it_may_take_longer_than_a_part():
    """A limit counts anew for each import, building and step, and not while the process starts."""
    slow = SGD.replace("    return torch", "    time.sleep(1)\n    return torch")
    assert declared("mine", {"mine": f"import time\n{slow}"}, seconds=6.0).equation == "θ ← θ − η g"


def test_where_nobody_waits_a_stage_says_nothing():
    with stage("a step of it"):
        pass
