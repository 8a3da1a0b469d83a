"""The time budget, against a clock that the test moves."""

import pytest

from study.queue.time_budget import RESERVE, TimeBudget
from study.queue.trial_queue import TrialQueue


class Clock:
    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def study(make_spec, listening):
    """Two optimizers, each with 20 trials of 2 replicates and 2 settings to confirm on 6 seeds."""
    return TrialQueue(make_spec(num_trials=20), listening())


def run(queue, budget, clock, outcomes_of, surface):
    """Every replicate takes a minute, one after another."""
    tasks = []
    while True:
        budget.apply(queue, 0)
        task = queue.next_task()
        if task is None:
            return tasks
        tasks.append(task)
        clock.seconds += 60 * len(task.replicates)
        budget.record(len(task.replicates))
        queue.record(outcomes_of(task, surface))


def test_without_a_budget_everything_is_trained(study, clock, outcomes_of, surface):
    budget = TimeBudget(None, clock)
    tasks = run(study, budget, clock, outcomes_of, surface)
    assert {task.key.phase for task in tasks} >= {"explore", "exploit", "sweep", "confirm"}
    assert not budget.has_cut


def test_a_budget_has_room_for_what_its_throughput_allows(clock):
    budget = TimeBudget(60, clock)
    assert budget.has_room_for(1000)
    for _ in range(3):
        clock.seconds += 60 * 6
        budget.record(6)
    # A minute each: 42 of 60 are left.
    assert budget.has_room_for(int(42 / RESERVE) - 1)
    assert not budget.has_room_for(int(42 / RESERVE) + 1)


@pytest.mark.parametrize("minutes", [30, 45, 60, 90])
def test_a_budget_is_kept_and_every_optimizer_is_confirmed_after_equal_tuning(
    study, clock, outcomes_of, surface, minutes
):
    budget = TimeBudget(minutes, clock)
    tasks = run(study, budget, clock, outcomes_of, surface)
    assert budget.has_cut
    longest = 2 * 2  # minutes of a round of both optimizers, which is finished before confirmation
    assert clock.seconds - 1000 <= 60 * (minutes + longest)
    assert {task.key.optimizer for task in tasks if task.key.phase == "confirm"} == {"sgd", "momentum"}
    trials = [t.key.optimizer for t in tasks if t.key.phase not in ("confirm", "sweep")]
    assert trials.count("sgd") == trials.count("momentum") > 0


def test_a_budget_leaves_room_for_ablations(make_spec, listening, clock, outcomes_of, surface):
    queue = TrialQueue(make_spec(optimizers=("noisy", "sgd"), num_trials=20), listening())
    budget = TimeBudget(60, clock)
    tasks = run(queue, budget, clock, outcomes_of, surface)
    assert budget.has_cut
    assert clock.seconds - 1000 <= 60 * (60 + 2 * 2)
    assert [r for task in tasks if task.key.phase == "ablation" for r in task.replicates] == [0, 1, 2, 3, 4, 5]


def test_a_budget_larger_than_the_study_cuts_nothing(study, clock, outcomes_of, surface):
    budget = TimeBudget(600, clock)
    num_replicates = study.num_replicates()
    tasks = run(study, budget, clock, outcomes_of, surface)
    assert not budget.has_cut
    assert sum(len(task.replicates) for task in tasks) <= num_replicates


def test_a_budget_that_is_over_at_once_still_confirms_the_published_settings(study, clock, outcomes_of, surface):
    budget = TimeBudget(1, clock)
    clock.seconds += 120
    tasks = run(study, budget, clock, outcomes_of, surface)
    assert {(task.key.phase, task.key.number) for task in tasks} == {("confirm", 0)}


def run_in_parallel(queue, budget, clock, outcomes_of, surface, *, workers, start_up, group_seconds):
    """Seconds that a study takes on several workers which all start up first; its tuning trials."""
    running, num_trials, start = [], 0, clock.seconds
    while not queue.finished:
        while len(running) < workers:
            budget.apply(queue, sum(len(task.replicates) for _, task in running))
            task = queue.next_task()
            if task is None:
                break
            num_trials += task.key.phase not in ("confirm", "sweep")
            begun = max(clock.seconds, start + start_up)
            running.append((begun + group_seconds, task))
        running.sort(key=lambda entry: entry[0])
        clock.seconds, task = running.pop(0)
        budget.record(len(task.replicates))
        queue.record(outcomes_of(task, surface))
    return clock.seconds - start, num_trials


@pytest.mark.parametrize(("workers", "start_up", "group_seconds"), [(2, 10, 4), (16, 30, 60), (64, 60, 600)])
@pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
def test_a_budget_is_used_and_kept_by_any_number_of_workers(
    make_spec, listening, clock, outcomes_of, surface, workers, start_up, group_seconds, share
):
    times = {"workers": workers, "start_up": start_up, "group_seconds": group_seconds}
    spec = make_spec(num_trials=200)
    whole, _ = run_in_parallel(
        TrialQueue(spec, listening()), TimeBudget(None, clock), clock, outcomes_of, surface, **times
    )
    budget = TimeBudget(share * whole / 60, clock)
    taken, num_trials = run_in_parallel(TrialQueue(spec, listening()), budget, clock, outcomes_of, surface, **times)
    assert budget.has_cut
    assert taken <= share * whole + 2 * group_seconds
    assert num_trials >= 2 * 200 * 0.5 * share


def test_starting_up_does_not_count_as_slow_training(study, clock):
    """Ten minutes of start-up, then a group of two every two minutes: confirmation of 24 takes 24 minutes."""
    for minutes, cuts in ((14 + RESERVE * 24 + 0.01, False), (14 + RESERVE * 24 - 0.01, True)):
        clock.seconds = 0.0
        budget = TimeBudget(minutes, clock)
        for end in (10, 12, 14):
            clock.seconds = 60.0 * end
            budget.record(2)
        budget.apply(study, 0)
        assert budget.has_cut is cuts
