"""Studies under faults end as undisturbed ones; see chaos.py."""

import pathlib
import re
import subprocess
import sys

import pytest

from tests.cluster.hosts import reason_against
from tests.study.chaos_tools import reason_against_tools

SCRIPT = pathlib.Path(__file__).with_name("chaos.py")
NUM_DRIVERS = 3
"""Killed; twice as many workers are."""

SUMMARY = r"""study: {name}, \d+ s
ok      faults: {faults} of {faults} \({kinds}\)
ok      trials lost: 0 of (\d+) \((\d+) networks, 0 without all epochs, 0 not expected\)
ok      trials trained more than once: (\d+), of which in flight when a fault struck: \3 \(\d+ attempts .*\)
ok      rows changed after they were stored: 0 of \d+ that were there when a fault struck
ok      rows duplicated: 0
ok      points equal to those of the undisturbed run: \1 of \1
ok      results equal to those of the undisturbed run: \2 of \2
ok      curves equal to those of the undisturbed run: \2 of \2
"""


def strike_studies(faults, seed, directory, *words):
    words = ["--faults", str(faults), "--seed", str(seed), "--output", str(directory), *words]
    return subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def tools():
    """Skips where the tools of most faults are not to be had."""
    if reason := reason_against_tools():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def hosts():
    """Skips where there can be no hosts."""
    if reason := reason_against():
        pytest.skip(reason)


def expected(name, **kinds):
    shown = ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in sorted(kinds.items()))
    return SUMMARY.format(name=name, faults=sum(kinds.values()), kinds=shown)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="chaos.py needs /proc")
def test_kills_lose_nothing_change_nothing_and_repeat_only_what_was_in_flight(tmp_path):
    words = "--studies", "folder", "--kinds", "driver,worker"
    done = strike_studies(3 * NUM_DRIVERS, 0, tmp_path / "chaos", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(expected("folder", driver=NUM_DRIVERS, worker=2 * NUM_DRIVERS), done.stdout), done.stdout
    struck = re.findall(r"fault \d+ of \d+: (?:driver|worker) \((?:driver|worker) \d+\)", done.stderr)
    assert len(struck) == 3 * NUM_DRIVERS


@pytest.mark.slow
@pytest.mark.usefixtures("tools")
def test_full_and_slow_disks_wrong_clocks_and_a_dead_uri_do_no_more(tmp_path):
    kinds = "object store of the URI,full driver disk,full node disk,clock,slow disk,memory,pause"
    done = strike_studies(12, 0, tmp_path / "chaos", "--studies", "uri", "--kinds", kinds)
    assert done.returncode == 0, done.stdout + done.stderr
    twice = dict.fromkeys(("full_node_disk", "clock", "slow_disk", "memory", "pause"), 2)
    once = dict.fromkeys(("object_store_of_the_URI", "full_driver_disk"), 1)
    assert re.match(expected("uri", **once, **twice), done.stdout), done.stdout
    assert re.search(r"^ok {6}files at the URI equal to those of the folder: \d+$", done.stdout, re.MULTILINE)
    assert re.search(r"^said after full driver disk: .*the disk.* is full; .* go on with: ", done.stderr, re.MULTILINE)
    assert re.search(r"^said after object store of the URI: .* go on with: ", done.stderr, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.usefixtures("tools", "hosts")
def test_partitions_and_lost_nodes_do_no_more(tmp_path):
    kinds = "partition,object store of Ray,pause"
    done = strike_studies(5, 0, tmp_path / "chaos", "--studies", "hosts", "--kinds", kinds)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(expected("hosts", object_store_of_Ray=1, partition=2, pause=2), done.stdout), done.stdout
