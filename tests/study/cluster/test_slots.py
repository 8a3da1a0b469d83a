"""What trials run on: how many fit on nodes, which kind comes next, and what is refused."""

from collections import Counter

import pytest

from study.cluster.slots import FEWEST_WAITING, LOSS_SECONDS, REFRESH_SECONDS, Node, Share, Slots, kinds_of


def node(cpus, gpus=0.0, name="a"):
    return Node(id=name, address=name, cpus=cpus, gpus=gpus)


@pytest.mark.parametrize(
    ("share", "nodes", "kinds", "room"),
    [
        (Share(cpus=1, gpus=1), [node(2), node(3)], ("cpu",), {"cpu": 5}),
        (Share(cpus=2, gpus=1), [node(3), node(3)], ("cpu",), {"cpu": 2}),
        (Share(cpus=0.1, gpus=1), [node(0.3)], ("cpu",), {"cpu": 3}),
        (Share(cpus=1, gpus=1), [node(0), node(0, 1)], ("gpu", "cpu"), {"gpu": 0, "cpu": 0}),
        (Share(cpus=1, gpus=1), [node(8, 2)], ("gpu",), {"gpu": 2}),
        (Share(cpus=1, gpus=0.25), [node(8, 2)], ("gpu",), {"gpu": 8}),
        (Share(cpus=1, gpus=0.4), [node(8, 2)], ("gpu",), {"gpu": 4}),
        (Share(cpus=1, gpus=0.25), [node(8, 1), node(2)], ("gpu", "cpu"), {"gpu": 4, "cpu": 6}),
        (Share(cpus=1, gpus=0.25), [node(3, 1)], ("gpu", "cpu"), {"gpu": 3, "cpu": 0}),
        (Share(cpus=1, gpus=1), [node(4, 1)], ("cpu",), {"cpu": 4}),
    ],
)
def test_a_trial_takes_its_share_of_one_node(share, nodes, kinds, room):
    assert share.room(nodes, kinds) == room


@pytest.mark.parametrize(
    ("choice", "nodes", "kinds"),
    [
        ("auto", [node(2)], ("cpu",)),
        ("auto", [node(2), node(2, 1)], ("gpu",)),
        ("auto", [node(2), node(0, 1)], ("cpu",)),  # a GPU without a core for its trial
        ("cpu", [node(2, 1)], ("cpu",)),
        ("gpu", [node(2, 1)], ("gpu",)),
        ("mixed", [node(2, 1)], ("gpu", "cpu")),
        ("mixed", [node(2)], ("gpu", "cpu")),
    ],
)
def test_a_choice_of_device_stands_for_kinds(choice, nodes, kinds):
    assert kinds_of(choice, Share(cpus=1, gpus=1), nodes) == kinds


@pytest.mark.parametrize(
    ("choice", "share", "nodes", "wanted", "there"),
    [
        ("auto", Share(cpus=4, gpus=1), [node(2), node(2)], "4 CPU", "2 nodes of 2 CPU and 0 GPU"),
        ("gpu", Share(cpus=1, gpus=1), [node(2)], "1 CPU and 1 GPU", "1 node of 2 CPU and 0 GPU"),
        ("mixed", Share(cpus=8, gpus=0.5), [node(2, 1)], "8 CPU and 0.5 GPU or 8 CPU", "1 node of 2 CPU and 1 GPU"),
        ("cpu", Share(cpus=1, gpus=1), [], "1 CPU", "no nodes"),
    ],
)
def test_a_trial_that_fits_nowhere_is_refused_unless_nodes_may_come(choice, share, nodes, wanted, there):
    shown = rf"^One trial needs {wanted} on one node, but the cluster has {there}; .*--autoscaling\.$"
    with pytest.raises(ValueError, match=shown):
        kinds_of(choice, share, nodes)
    if choice == "auto":
        with pytest.raises(ValueError, match=r"^--device auto cannot know .*; say cpu, gpu or mixed\.$"):
            kinds_of(choice, share, nodes, may_grow=True)
    else:
        kinds_of(choice, share, nodes, may_grow=True)


class Cluster:
    """Room that changes, on a clock that is set by hand."""

    def __init__(self, **room):
        self.room, self.time, self.times_asked = room, 0.0, 0

    def ask(self):
        self.times_asked += 1
        return Counter(self.room)

    def slots(self, *kinds, **options):
        return Slots(kinds, Share(cpus=1, gpus=1), self.ask, clock=lambda: self.time, **options)


def handed_out(slots, number):
    """Kinds of so many trials asked for in turn, none of which ends."""
    given = Counter()
    for _ in range(number):
        kind = slots.next_kind(given)
        if kind is None:
            break
        given[kind] += 1
    return given


def test_as_many_are_handed_out_as_there_is_room_for():
    assert handed_out(Cluster(cpu=3).slots("cpu"), 10) == {"cpu": 3}


def test_both_kinds_fill_from_one_queue_the_gpus_first():
    slots = Cluster(gpu=2, cpu=9).slots("gpu", "cpu")
    assert handed_out(slots, 3) == {"gpu": 2, "cpu": 1}
    assert handed_out(slots, 20) == {"gpu": 2, "cpu": 9}
    assert slots.next_kind(Counter(gpu=1, cpu=9)) == "gpu"
    assert slots.next_kind(Counter(gpu=2, cpu=1)) == "cpu"


def test_a_user_may_want_fewer():
    assert handed_out(Cluster(cpu=3).slots("cpu", most=2), 10) == {"cpu": 2}
    assert handed_out(Cluster(cpu=3).slots("cpu", most=5), 10) == {"cpu": 3}


def test_more_than_fit_wait_where_an_autoscaler_needs_to_see_them():
    assert handed_out(Cluster(cpu=0).slots("cpu", grows=True), 99) == {"cpu": FEWEST_WAITING}
    assert handed_out(Cluster(cpu=8).slots("cpu", grows=True), 99) == {"cpu": 2 * 8 + FEWEST_WAITING}
    assert handed_out(Cluster(cpu=8).slots("cpu", grows=True, most=10), 99) == {"cpu": 10}
    both = handed_out(Cluster(gpu=0, cpu=8).slots("gpu", "cpu", grows=True), 99)
    assert both == {"gpu": FEWEST_WAITING, "cpu": 2 * 8 + FEWEST_WAITING}


def test_a_kind_whose_node_was_lost_is_left_alone_while_ray_may_still_believe_in_it():
    cluster = Cluster(gpu=1, cpu=1)
    slots = cluster.slots("gpu", "cpu")
    slots.note_loss("gpu")
    assert handed_out(slots, 9) == {"cpu": 1}
    cluster.time += LOSS_SECONDS
    assert handed_out(slots, 9) == {"gpu": 1, "cpu": 1}


def test_the_loss_of_the_only_kind_bars_nobody():
    slots = Cluster(gpu=2).slots("gpu")
    slots.note_loss("gpu")
    assert handed_out(slots, 9) == {"gpu": 2}


def test_steps_are_timed_on_a_kind_that_is_there():
    assert Cluster(gpu=1, cpu=1).slots("gpu", "cpu").kind_with_room == "gpu"
    assert Cluster(gpu=0, cpu=1).slots("gpu", "cpu").kind_with_room == "cpu"
    assert Cluster(gpu=0, cpu=0).slots("gpu", "cpu").kind_with_room == "gpu"


@pytest.mark.parametrize(("most", "places"), [(None, 5), (3, 3), (9, 5)])
def test_places_are_trials_at_once(most, places):
    assert Cluster(gpu=2, cpu=3).slots("gpu", "cpu", most=most).places == places


def test_room_follows_the_nodes():
    cluster = Cluster(cpu=1)
    slots = cluster.slots("cpu")
    assert slots.next_kind(Counter(cpu=1)) is None
    cluster.room = {"cpu": 2}
    assert slots.next_kind(Counter(cpu=1)) is None
    cluster.time += REFRESH_SECONDS
    assert slots.next_kind(Counter(cpu=1)) == "cpu"
    assert cluster.times_asked == 2


def test_one_trial_waits_when_the_last_node_has_gone():
    assert handed_out(Cluster(gpu=0, cpu=0).slots("gpu", "cpu"), 10) == {"cpu": 1}
