"""The time budget, against a clock that the test moves."""

import pytest

from study.budget import RESERVE, TimeBudget
from study.schedule import Schedule


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
    return Schedule(make_spec(num_trials=20), listening())


def run(schedule, budget, clock, outcomes_of, surface):
    """Every replicate takes a minute, one after another."""
    tasks = []
    num_finished = 0
    while True:
        budget.apply(schedule, num_finished)
        task = schedule.next_task()
        if task is None:
            return tasks
        tasks.append(task)
        clock.seconds += 60 * len(task.replicates)
        num_finished += len(task.replicates)
        schedule.record(outcomes_of(task, surface))


def test_without_a_budget_everything_is_trained(study, clock, outcomes_of, surface):
    budget = TimeBudget(None, clock)
    tasks = run(study, budget, clock, outcomes_of, surface)
    assert {task.key.phase for task in tasks} >= {"explore", "exploit", "sweep", "confirm"}
    assert not budget.exhausted


@pytest.mark.parametrize("minutes", [30, 45, 60, 90])
def test_a_budget_is_kept_and_every_optimizer_is_confirmed_after_equal_tuning(
    study, clock, outcomes_of, surface, minutes
):
    budget = TimeBudget(minutes, clock)
    tasks = run(study, budget, clock, outcomes_of, surface)
    assert budget.exhausted
    longest = 2 * 2  # minutes of a round of both optimizers, which is finished before confirmation
    assert clock.seconds - 1000 <= 60 * (minutes + longest)
    assert {task.key.optimizer for task in tasks if task.key.phase == "confirm"} == {"sgd", "momentum"}
    trials = [t.key.optimizer for t in tasks if t.key.phase not in ("confirm", "sweep")]
    assert trials.count("sgd") == trials.count("momentum") > 0


def test_a_budget_larger_than_the_study_cuts_nothing(study, clock, outcomes_of, surface):
    budget = TimeBudget(600, clock)
    num_replicates = study.num_replicates()
    tasks = run(study, budget, clock, outcomes_of, surface)
    assert not budget.exhausted
    assert sum(len(task.replicates) for task in tasks) <= num_replicates


def test_a_budget_that_is_over_at_once_still_confirms_the_published_settings(study, clock, outcomes_of, surface):
    budget = TimeBudget(1, clock)
    clock.seconds += 120
    tasks = run(study, budget, clock, outcomes_of, surface)
    assert {(task.key.phase, task.key.number) for task in tasks} == {("confirm", 0)}


def test_the_reserve_is_what_confirmation_takes_at_the_speed_so_far(make_spec, listening, clock):
    """20 replicates in 20 minutes; 24 to confirm need 24 minutes, 20 % more in reserve."""
    schedule = Schedule(make_spec(num_trials=20), listening())
    assert schedule.num_confirmation_replicates() == 24
    enough = 20 + RESERVE * 24
    clock.seconds = 0.0
    budgets = [TimeBudget(minutes, clock) for minutes in (enough + 0.01, enough - 0.01)]
    clock.seconds = 20 * 60.0
    for budget in budgets:
        budget.apply(schedule, 20)
    assert [budget.exhausted for budget in budgets] == [False, True]
