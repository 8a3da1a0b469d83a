"""A study under SIGKILL ends as an undisturbed one; see chaos.py."""

import pathlib
import re
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).with_name("chaos.py")
NUM_KILLS = 12
"""With seed 0 half of them hit the driver and half a worker."""

SUMMARY = r"""ok      kills: {kills} of {kills} \({drivers} driver, {workers} worker\)
ok      trials lost: 0 of (\d+) \((\d+) networks, 0 without all epochs, 0 not expected\)
ok      trials trained more than once: (\d+), of which in flight when a kill struck: \3 \(\d+ attempts .*\)
ok      rows changed after they were stored: 0 of \d+ that were there when a kill struck
ok      rows duplicated: 0
ok      points equal to those of the undisturbed run: \1 of \1
ok      results equal to those of the undisturbed run: \2 of \2
ok      curves equal to those of the undisturbed run: \2 of \2
"""


def kill_a_study(kills, seed, directory):
    words = ["--kills", str(kills), "--seed", str(seed), "--output", str(directory)]
    return subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="chaos.py needs /proc")
def test_kills_lose_nothing_change_nothing_and_repeat_only_what_was_in_flight(tmp_path):
    done = kill_a_study(NUM_KILLS, 0, tmp_path / "chaos")
    assert done.returncode == 0, done.stdout + done.stderr
    expected = SUMMARY.format(kills=NUM_KILLS, drivers=NUM_KILLS // 2, workers=NUM_KILLS // 2)
    assert re.fullmatch(expected, done.stdout), done.stdout
    assert len(re.findall(r"kill \d+ of \d+: (?:driver|worker) \d+", done.stderr)) == NUM_KILLS
