"""Trials that have ended are stored beside the training, and count once they are."""

import threading
import time
from types import SimpleNamespace

import pytest
from ray.tune.experiment import Trial

from study.queue.time_budget import TimeBudget
from study.queue.trial_queue import TrialQueue
from study.tune.assignments import Assignments
from study.tune.commits import MOST_WAITING, Commit, Commits
from study.tune.searcher import FirstPending, QueueSearcher


class SlowDisk:
    """A ledger whose commits take until they are let go on; a row is the name of a trial."""

    def __init__(self, *, full=()):
        self.full, self.stored = full, []
        self.allowed = {}

    def hold(self, name):
        self.allowed[name] = threading.Event()

    def commit(self, attempt, rows):
        del attempt
        if rows in self.allowed:
            self.allowed[rows].wait(timeout=60)
        if rows in self.full:
            raise OSError(28, "No space left on device")
        self.stored.append(rows)


def add(commits, *names):
    for name in names:
        commits.add(Commit(name, SimpleNamespace(task=name), name))


def names(commits):
    return [commit.trial_id for commit in commits]


def test_trials_end_in_order_and_only_once_they_are_stored():
    disk = SlowDisk()
    disk.hold("first")
    commits = Commits(disk, None)
    add(commits, "first", "second")
    while disk.stored != ["second"]:
        time.sleep(0.001)
    assert names(commits.ended(wait=False)) == []
    disk.allowed["first"].set()
    assert names(commits.ended(wait=True)) == ["first", "second"]
    assert names(commits.ended(wait=True)) == []
    assert disk.stored == ["second", "first"]


def test_checkpoints_go_after_the_rows_are_stored():
    disk, discarded = SlowDisk(), []
    commits = Commits(disk, SimpleNamespace(discard=lambda task: discarded.append((task, list(disk.stored)))))
    add(commits, "trial")
    assert names(commits.ended(wait=True)) == ["trial"]
    assert discarded == [("trial", ["trial"])]


def test_a_full_disk_is_told_and_takes_no_other_trial_with_it():
    disk = SlowDisk(full=["second"])
    commits = Commits(disk, None)
    add(commits, "first", "second", "third")
    ended = commits.ended(wait=True)
    assert next(ended).trial_id == "first"
    with pytest.raises(OSError, match="No space left"):
        next(ended)
    assert names(commits.ended(wait=True)) == ["third"]


def test_only_so_many_trials_wait():
    disk = SlowDisk()
    commits = Commits(disk, None)
    for number in range(MOST_WAITING):
        assert not commits.is_full
        disk.hold(str(number))
        add(commits, str(number))
    assert commits.is_full
    for allowed in disk.allowed.values():
        allowed.set()
    assert len(names(commits.ended(wait=True))) == MOST_WAITING
    assert not commits.is_full


@pytest.fixture
def spec(make_spec):
    return make_spec(num_trials=2, sweep=False, num_confirm_seeds=0)


@pytest.fixture
def assignments(spec, listening, new_slots):
    return Assignments(TrialQueue(spec, listening()), new_slots(100), TimeBudget(None))


def settle_nothing(*, wait):
    del wait


@pytest.fixture
def searcher(spec, assignments):
    return QueueSearcher(assignments, spec.identity, settle_nothing)


def test_a_tuner_gets_no_more_trials_than_were_admitted(searcher):
    searcher.admit(3)
    assert all(isinstance(searcher.suggest(str(number)), dict) for number in range(3))
    assert searcher.suggest("3") == QueueSearcher.FINISHED
    assert not searcher.finished
    searcher.admit(3)
    assert isinstance(searcher.suggest("3"), dict)


def test_a_group_that_is_put_back_waits_for_the_next_tuner(searcher, assignments):
    searcher.admit(1)
    first = searcher.suggest("0")
    assignments.put_back("0", has_lost_node=False)
    assert searcher.suggest("1") == QueueSearcher.FINISHED
    searcher.admit(1)
    assert searcher.suggest("1") == first


def test_a_choice_waits_for_trials_that_are_being_stored_if_it_depends_on_them(spec, assignments, outcomes_of):
    """Tune sleeps before it asks a second time."""
    being_stored = []

    def settle(*, wait):
        while wait and being_stored:
            trial_id = str(being_stored.pop())
            assignments.finish(trial_id, outcomes_of(assignments.task(trial_id), lambda _task, _replicate: 0.5))

    searcher = QueueSearcher(assignments, spec.identity, settle)
    searcher.admit(100)
    running = []
    while (config := searcher.suggest(str(len(running)))) is not None:
        running.append(config)
    being_stored += range(len(running))
    suggestion = searcher.suggest("next")
    assert suggestion == QueueSearcher.FINISHED
    assert searcher.finished


def test_the_first_pending_trial_starts_whatever_has_ended_before():
    pending, running = SimpleNamespace(status=Trial.PENDING), SimpleNamespace(status=Trial.RUNNING)

    def controller(*live):
        return SimpleNamespace(get_live_trials=lambda: live)

    order = FirstPending()
    assert order.choose_trial_to_run(controller(running, pending)) is pending
    assert order.choose_trial_to_run(controller(running)) is None
    assert order.choose_trial_to_run(controller()) is None
