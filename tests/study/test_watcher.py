"""Runs whose standard error is closed go on without anyone to speak there."""

import subprocess
import sys

PROGRAM = """
import sys
from study.raw_output import raw_output_apart
from study.watcher import told_if_killed
with told_if_killed("never"), raw_output_apart():
    pass
print(sys.stderr)
"""


def test_a_closed_standard_error_is_no_fault():
    shell = f"exec {sys.executable} -c '{PROGRAM}' 2>&-"
    done = subprocess.run(["sh", "-c", shell], stdout=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "None\n")
