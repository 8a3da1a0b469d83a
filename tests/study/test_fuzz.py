"""Bad words, files and ledgers are refused in one line, and nothing is written; see fuzz.py."""

import pathlib
import subprocess
import sys

import pytest

from tests.study import fuzz

NUM_CASES = 100


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="fuzz.py forks")
def test_bad_input_is_refused_in_one_line_and_leaves_everything_as_it_was():
    # In a process of its own: those that it forks would hang if this one had threads.
    command = [sys.executable, "-m", "tests.study.fuzz", "--cases", str(NUM_CASES), "--seed", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=pathlib.Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr[-3000:]
    printed = done.stdout
    assert f"\n{NUM_CASES} cases, longest " in printed
    refused = sum(int(line.split("|")[2]) for line in printed.splitlines() if line.startswith(("| damaged", "| words")))
    assert refused > 0.8 * NUM_CASES


@pytest.mark.parametrize(
    ("ending", "fault"),
    [
        (fuzz.Ending(0, "", 0.1, []), None),
        (fuzz.Ending(0, "Traceback (most recent call last):\n", 0.1, []), "a traceback"),
        (fuzz.Ending(2, "error: no\n", 0.1, []), None),
        (fuzz.Ending(2, "error: no\nand more\n", 0.1, []), "2 lines"),
        (fuzz.Ending(2, "", 0.1, []), "0 lines"),
        (fuzz.Ending(2, "error: no\n", 0.1, ["new"]), "wrote ['new']"),
        (fuzz.Ending(1, "", 0.1, [], 3), None),
        (fuzz.Ending(1, "", 0.1, ["new"], 3), "wrote ['new']"),
        (fuzz.Ending(-9, "", 60.0, []), "status -9"),
        (fuzz.Ending(1, "Traceback (most recent call last):\n  ...\nKeyError\n", 0.1, []), "a traceback"),
    ],
)
def test_what_a_refusal_must_not_be(ending, fault):
    assert ending.fault == fault
