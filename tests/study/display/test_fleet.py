"""The nodes as the live view shows them."""

import pytest

from study.cluster.slots import REFRESH_SECONDS, Node
from study.display.fleet import Fleet

HEAD = Node(id="h", address="10.0.0.1", cpus=0.0, gpus=0.0)
ONE = Node(id="a", address="10.0.0.2", cpus=2.0, gpus=0.0)
TWO = Node(id="b", address="10.0.0.3", cpus=8.0, gpus=1.0)


class Clock:
    def __init__(self):
        self.time = 0.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


def rows(node, images, device="cpu"):
    """Two replicates of a trial."""
    return [{"node": node.address, "images": images, "device": device}] * 2


def test_nodes_that_come_and_go_are_named_once(clock):
    there = [HEAD, ONE]
    fleet = Fleet(lambda: there, clock)
    assert list(fleet.update()) == []
    there = [HEAD, TWO]
    assert list(fleet.update()) == [], "not asked again so soon"
    clock.time += REFRESH_SECONDS
    assert list(fleet.update()) == [
        "Node 10.0.0.3 has joined: 8 CPU, 1 GPU.",
        "Node 10.0.0.2 has left; what it was training starts again elsewhere.",
    ]
    clock.time += REFRESH_SECONDS
    assert list(fleet.update()) == []
    assert fleet.num_gone == 1


def test_a_node_that_comes_back_under_its_address_has_joined_anew(clock):
    there = [ONE]
    fleet = Fleet(lambda: there, clock)
    list(fleet.update())
    there = [Node(id="c", address=ONE.address, cpus=2.0, gpus=0.0)]
    clock.time += REFRESH_SECONDS
    joined, lost = fleet.update()
    assert (joined.split()[1], lost.split()[1]) == (ONE.address, ONE.address)


def test_trials_and_images_are_counted_by_node(clock):
    there = [HEAD, ONE, TWO]
    fleet = Fleet(lambda: there, clock)
    list(fleet.update())
    for node in (ONE, TWO, TWO):
        fleet.trial_finished(rows(node, images=100), "cpu")
    clock.time = 10.0
    there = [HEAD, TWO]
    list(fleet.update())
    assert fleet.table() == [("10.0.0.2", "gone", 1), ("10.0.0.3", "8 CPU, 1 GPU", 2)]
    fleet.num_retried = 3
    assert fleet.summary() == ("60 images/s; trials by node: 10.0.0.2 1, 10.0.0.3 2; nodes gone: 1; trials retried: 3")
    assert fleet.summary(by_node=False) == "60 images/s; nodes gone: 1; trials retried: 3"


def test_a_gpu_that_torch_cannot_use_is_named_once(clock):
    fleet = Fleet(lambda: [ONE, TWO], clock)
    trained = [(ONE, "cpu", "cpu"), (TWO, "cpu", "cpu"), (TWO, "NVIDIA", "gpu"), (TWO, "unknown", "gpu")]
    assert {fleet.trial_finished(rows(node, 1, device), kind) for node, device, kind in trained} == {""}
    notes = [fleet.trial_finished(rows(TWO, images=1), "gpu") for _ in range(2)]
    assert notes == ["Note: torch on 10.0.0.3 cannot use its GPU; what should train on that trains on the CPU.", ""]


def test_one_node_that_trains_nothing_needs_no_words(clock):
    fleet = Fleet(lambda: [ONE], clock)
    list(fleet.update())
    fleet.trial_finished(rows(ONE, images=0), "cpu")
    assert fleet.summary() == ""


def test_the_last_node_to_leave_leaves_the_study_waiting(clock):
    there = [HEAD, ONE]
    fleet = Fleet(lambda: there, clock)
    list(fleet.update())
    there = [HEAD]
    clock.time += REFRESH_SECONDS
    assert list(fleet.update())[-1] == "No node is left to train on; the study waits for one."
    clock.time += REFRESH_SECONDS
    assert list(fleet.update()) == []
