"""Which idle workers are kept, as Tune calls the cache, and for whom a worker that has come free is meant."""

from itertools import pairwise

import pytest

from study.queue.time_budget import TimeBudget
from study.queue.trial_queue import TrialQueue
from study.tune.assignments import AHEAD, Assignments
from study.tune.worker_cache import WorkerCache
from trainables.ray_trainable import WorkerRequest

OURS, MINE = (WorkerRequest({"CPU": 1}, owner) for owner in (None, "mine"))
ON_GPU = WorkerRequest({"CPU": 1, "GPU": 1}, None)


@pytest.fixture
def cache():
    cache = WorkerCache()
    for key, worker in ((OURS, "a"), (OURS, "b"), (MINE, "c")):
        assert cache.cache_object(key, worker)
    return cache


def test_requests_are_equal_for_trials_that_may_share_a_worker():
    assert WorkerRequest({"CPU": 1.0}, "mine") == MINE
    assert hash(WorkerRequest({"CPU": 1.0}, "mine")) == hash(MINE)
    assert len({OURS, MINE, ON_GPU, WorkerRequest({"CPU": 1}, "other")}) == 4


def test_workers_are_kept_while_no_trial_waits(cache):
    assert list(cache.flush_cached_objects()) == []
    assert cache.num_cached_objects == 3


def test_a_trial_that_a_worker_suits_ends_none(cache):
    cache.increase_max(OURS)
    assert cache.pop_cached_object(OURS) == "a"
    assert list(cache.flush_cached_objects()) == []
    cache.decrease_max(OURS)
    assert list(cache.flush_cached_objects()) == []
    assert cache.num_cached_objects == 2


def test_a_trial_that_none_suits_ends_the_oldest_that_takes_as_much_and_no_further_one_while_it_waits(cache):
    other = WorkerRequest({"CPU": 1}, "other")
    cache.increase_max(other)
    assert cache.pop_cached_object(other) is None
    assert list(cache.flush_cached_objects()) == ["a"]
    assert list(cache.flush_cached_objects()) == []
    cache.decrease_max(other)
    assert list(cache.flush_cached_objects()) == []
    assert cache.pop_cached_object(MINE) == "c"


def test_a_trial_that_takes_something_else_ends_all_since_any_may_be_in_its_way(cache):
    cache.increase_max(ON_GPU)
    assert sorted(cache.flush_cached_objects()) == ["a", "b", "c"]
    assert cache.num_cached_objects == 0


def test_a_worker_that_comes_free_is_kept_for_a_trial_of_its_own_kind_that_waits_for_a_new_one():
    cache = WorkerCache()
    for _ in range(2):
        cache.increase_max(OURS)
    cache.decrease_max(OURS)
    assert cache.cache_object(OURS, "a")
    assert list(cache.flush_cached_objects()) == []
    cache.increase_max(MINE)
    assert list(cache.flush_cached_objects()) == []
    assert cache.pop_cached_object(OURS) == "a"


def test_a_trial_that_waits_no_more_ends_none(cache):
    cache.increase_max(ON_GPU)
    cache.decrease_max(ON_GPU)
    assert list(cache.flush_cached_objects()) == []


def test_all_are_ended_where_that_is_asked_for(cache):
    assert sorted(cache.flush_cached_objects(force_all=True)) == ["a", "b", "c"]


def order_of_tuning(spec, algorithm, slots, minutes):
    """Optimizers of the tuning trials of one worker."""
    assignments = Assignments(TrialQueue(spec, algorithm), slots, TimeBudget(minutes))
    order = []
    for number in range(len(spec.optimizers) * spec.extent.num_trials):
        task = assignments.next_task()
        assignments.hand_out(str(number), task, "cpu")
        order.append(task.key.optimizer)
        assignments.end(str(number))
    return order


def test_a_free_worker_is_given_trials_of_the_code_that_it_has_read(make_spec, listening, new_slots):
    spec = make_spec(optimizers=("sgd", "noisy", "momentum"), num_trials=6, lag=9, sweep=False)
    order = order_of_tuning(spec, listening(6), new_slots(1), None)
    assert order == [*("sgd", "momentum") * 6, *("noisy",) * 6]
    spec = make_spec(optimizers=("sgd", "noisy", "momentum"), num_trials=2 * AHEAD, lag=99, sweep=False)
    order = order_of_tuning(spec, listening(99), new_slots(1), None)
    assert sum(one != other and "noisy" in (one, other) for one, other in pairwise(order)) <= 3


def test_within_a_time_budget_no_optimizer_is_ahead_for_a_worker(make_spec, listening, new_slots):
    spec = make_spec(optimizers=("sgd", "noisy", "momentum"), num_trials=4, lag=9, sweep=False)
    rounds = [*("sgd", "momentum", "noisy"), *("noisy", "sgd", "momentum")]
    assert order_of_tuning(spec, listening(9), new_slots(1), 1000.0) == 2 * rounds


def test_where_no_optimizer_needs_workers_of_its_own_none_is_ahead(make_spec, listening, new_slots):
    spec = make_spec(num_trials=4, lag=9, sweep=False)
    assert order_of_tuning(spec, listening(9), new_slots(1), None) == ["sgd", "momentum"] * 4


def test_a_trial_that_waited_before_any_worker_was_idle_ends_the_first_that_is():
    cache = WorkerCache()
    cache.increase_max(MINE)
    assert list(cache.flush_cached_objects()) == []
    assert cache.cache_object(OURS, "a")
    assert list(cache.flush_cached_objects()) == ["a"]
    assert cache.cache_object(OURS, "b")
    assert list(cache.flush_cached_objects()) == []
