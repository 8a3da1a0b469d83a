import os
import subprocess
import sys

import pytest
from rich.console import Console

from study.display.announce import print_estimate
from study.job import Plan

SAY = (
    "from study.display.console import new_console; "
    "from study.display.announce import compile_convolutions as f; f(new_console())"
)


@pytest.mark.parametrize(
    ("compiler", "said"),
    [
        (
            "absent-compiler",
            "Note: there is no C compiler 'absent-compiler'; install one, or name it in CC; "
            "training by torch alone takes two to three times as long.\n",
        ),
        ("cc", ""),
    ],
)
def test_a_missing_compiler_is_told_before_hours_of_training(compiler, said):
    done = subprocess.run(
        [sys.executable, "-c", SAY], env={**os.environ, "CC": compiler}, capture_output=True, text=True, check=True
    )
    assert done.stdout == said


@pytest.mark.parametrize(
    ("networks", "times", "said"),
    [
        (0, False, "Nothing is left to train.\n"),
        (0, True, "Nothing is left to train. Timing steps at the end takes up to 30 seconds more.\n"),
        (
            1,
            False,
            "About 1 second on this machine: 1000 microseconds for each image of each network, just measured on ",
        ),
    ],
)
def test_an_estimate_is_of_what_is_left(networks, times, said):
    console = Console(record=True, width=200)
    plan = Plan(num_networks=networks, num_images=1000 * networks, num_evaluations=0)
    print_estimate(console, plan, 1e-3, 1, times=times)
    assert console.export_text().startswith(said)
