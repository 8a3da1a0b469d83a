"""A second signal ends the process at once, and says how to go on."""

import subprocess
import sys

import pytest

from study.signals import StopRequest

TWICE = """
import signal
from study.signals import StopRequest

stop = StopRequest("python -m study.run --search optuna")
with stop.installed():
    try:
        signal.raise_signal(signal.{name})
    except KeyboardInterrupt:
        signal.raise_signal(signal.{name})
print("not reached")
"""


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_second_signal_prints_the_way_on(name, status):
    done = subprocess.run([sys.executable, "-c", TWICE.format(name=name)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr == "\nStopped at once; go on with: python -m study.run --search optuna\n"


def test_the_first_signal_is_answered_with_the_way_on(capsys):
    assert StopRequest("the command").answer() == 130
    assert capsys.readouterr().err == "Stopped; go on with: the command\n"
