"""The live view: a table in a terminal, plain lines elsewhere."""

import io
import re

import pytest
from rich.console import Console

from study.cluster.slots import Node
from study.display.fleet import Fleet
from study.display.progress import Progress
from study.queue.trial_queue import TrialQueue

ROWS = [{"node": "10.0.0.2", "images": 0}]


@pytest.fixture
def show(make_spec, listening, simulate, outcomes_of, surface):
    """Runs a small study under a live view on a console of the given kind; returns what it printed."""

    def run(*, terminal, width=80, height=24, response=surface, stored=()):
        spec = make_spec()
        queue = TrialQueue(spec, listening(), stored)
        console = Console(
            file=io.StringIO(), force_terminal=terminal, width=width, height=height, _environ={"TERM": "xterm"}
        )
        before = list(stored)
        with Progress(queue, spec.extent.optimizers, stored, Fleet(list), console) as progress:

            def on_start(_, ended):
                progress.trial_finished(ended[len(seen) :], ROWS, "cpu")
                seen.extend(ended[len(seen) :])

            seen = []
            tasks = simulate(queue, response=response, on_start=on_start)
            everything = [outcome for task in tasks for outcome in outcomes_of(task, response)]
            progress.trial_finished(everything[len(seen) :], ROWS, "cpu")
        assert len(before) + len(everything) == queue.num_replicates()
        return console.file.getvalue()

    return run


def test_a_file_gets_plain_lines_without_control_characters(show):
    text = show(terminal=False)
    first, *_, last = text.splitlines()
    assert first == "0 of 72 networks, 0 diverged, 0 failed; best sgd -, momentum -"
    assert re.fullmatch(
        r"(\d+) of \1 networks, 0 diverged, 0 failed; best sgd [\d.]+% error, momentum [\d.]+% error; about 0 s left",
        last,
    )
    assert "\x1b" not in text


def test_a_long_line_is_not_broken(show):
    assert len(show(terminal=False, width=20).splitlines()) == 2


def test_a_terminal_gets_a_bar_and_a_row_for_each_optimizer(show):
    text = show(terminal=True, width=120)
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    for title in ("training", "optimizer", "best so far", "complete", "diverged", "failed"):
        assert title in last
    assert re.search(r"momentum +[\d.]+% error +learning_rate [\d.e-]+, momentum [\d.]+", last)
    assert "networks" in last


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal(show, width):
    text = show(terminal=True, width=width)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n").splitlines()
    assert max(map(len, lines)) <= width


def test_diverged_and_failed_replicates_are_counted(show):
    text = show(terminal=False, response=lambda _, replicate: 1.0 if replicate == 0 else None).splitlines()[-1]
    count = int(text.split()[0])
    diverged, failed = (int(re.search(rf"(\d+) {status}", text)[1]) for status in ("diverged", "failed"))
    assert diverged + failed == count
    assert diverged
    assert failed
    assert "best sgd -, momentum -" in text


def test_replicates_of_earlier_runs_count_as_done(show, make_spec, listening, outcomes_of, surface):
    queue = TrialQueue(make_spec(), listening())
    stored = outcomes_of(queue.next_task(), surface)
    assert show(terminal=False, stored=stored).startswith("2 of 72 networks, 0 diverged")


@pytest.fixture
def on_nodes(make_spec, listening):
    """Shows a study of which two nodes have stored a trial each, one of them before it was lost."""

    def run(*, terminal):
        there = [Node(id=name, address=f"10.0.0.{name}", cpus=2.0, gpus=0.0) for name in "12"]
        times = iter(range(0, 1000, 10))
        queue = TrialQueue(make_spec(), listening())
        console = Console(file=io.StringIO(), force_terminal=terminal, width=120, height=40, _environ={"TERM": "xterm"})
        fleet = Fleet(lambda: there, lambda: next(times))
        with Progress(queue, ["sgd"], [], fleet, console) as progress:
            progress.refresh()
            for node in there:
                progress.trial_finished([], [{"node": node.address, "images": 500}], "cpu")
            del there[1]
            progress.trial_retried()
            progress.refresh()
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())

    return run


@pytest.mark.parametrize("terminal", [False, True])
def test_a_lost_node_is_named_at_once(on_nodes, terminal):
    lost = "Node 10.0.0.2 has left; what it was training starts again elsewhere."
    assert on_nodes(terminal=terminal).count(lost) == 1


def test_a_line_says_how_fast_and_where(on_nodes):
    last = on_nodes(terminal=False).splitlines()[-1]
    assert re.search(
        r"; \d+ images/s; trials by node: 10\.0\.0\.1 1, 10\.0\.0\.2 1; nodes gone: 1; trials retried: 1$", last
    )


def test_a_terminal_shows_a_row_for_each_node(on_nodes):
    shown = on_nodes(terminal=True)
    for row in (
        r"node +devices +trials",
        r"10\.0\.0\.1 +2 CPU +1",
        r"10\.0\.0\.2 +gone +1",
        r"\d+ images/s; nodes gone: 1",
    ):
        assert re.search(row, shown), row
