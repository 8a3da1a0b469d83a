"""The plan counts what is left, image by image."""

import io
import os

import pytest
from rich.console import Console

from study.display.announce import announce
from study.job import EVALUATION_COST, Job, Plan, local_workers
from study.queue.trial_queue import TrialQueue
from study.request.study import Study


@pytest.fixture
def job_of(tmp_path, listening):
    """Makes the job of a spec that has these outcomes already."""

    def make(spec, outcomes=()):
        study = Study(spec=spec, optimizers={}, directory=tmp_path, place="here")
        queue = TrialQueue(spec, listening(), outcomes)
        return Job(study=study, ledger=None, queue=queue, outcomes=outcomes)

    return make


def test_a_new_study_plans_all_networks_and_every_image(make_spec, job_of):
    """Per optimizer 3 trials and 9 sweep points of 2 seeds, and 2 settings on 6 fresh seeds: 36 networks."""
    plan = Plan.of(job_of(make_spec()))
    assert plan.num_networks == 2 * (3 * 2 + 9 * 2 + 2 * 6)
    assert plan.num_images == 72 * 2 * 200
    assert plan.num_evaluations == 72 * 2 * 2 * 40 + 2 * 2 * 6 * 1000


def test_an_ablation_is_planned_and_tested_like_a_confirmation(make_spec, job_of):
    plan = Plan.of(job_of(make_spec(optimizers=("noisy", "sgd"))))
    assert plan.num_networks == 72 + 6
    assert plan.num_evaluations == 78 * 2 * 2 * 40 + (2 * 2 + 1) * 6 * 1000


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"optimizers": ("noisy", "sgd")}, "1 ablation, 6 confirmation seeds, with a sweep"),
        ({"optimizers": ("noisy", "sgd"), "num_confirm_seeds": 0}, "by optuna, 0 confirmation seeds, with a sweep"),
        ({}, "by optuna, 6 confirmation seeds, with a sweep"),
    ],
)
def test_what_a_run_will_do_names_the_ablations(make_spec, job_of, changes, said):
    console = Console(file=io.StringIO(), width=500)
    announce(console, [job_of(make_spec(**changes))])
    assert said in console.file.getvalue()


def test_images_that_fill_no_batch_are_not_counted(make_spec, job_of):
    plan = Plan.of(job_of(make_spec(batch_size=30)))
    assert plan.num_images == 72 * 2 * 180


def test_a_finished_study_has_nothing_to_train(make_spec, job_of, listening, simulate, outcomes_of, surface):
    spec = make_spec()
    stored = [o for task in simulate(TrialQueue(spec, listening())) for o in outcomes_of(task, surface)]
    plan = Plan.of(job_of(spec, stored))
    assert (plan.num_networks, plan.num_images, plan.num_evaluations) == (0, 0, 0)


def test_former_winners_do_not_shorten_the_plan(make_spec, job_of, listening, simulate, outcomes_of):
    """Two trials more, the last of which wins: all of its 9 sweep points and 6 confirmations are to come."""

    def improving(task, _):
        return 0.9 - 0.1 * task.key.number

    first = simulate(TrialQueue(make_spec(), listening()), response=improving)
    stored = [outcome for task in first for outcome in outcomes_of(task, improving)]
    plan = Plan.of(job_of(make_spec(num_trials=5), stored))
    assert plan.num_networks == 2 * (2 * 2 + 9 * 2 + 6)


def test_time_is_shared_by_workers_and_evaluation_costs_a_third_of_training():
    plan = Plan(num_networks=4, num_images=9000, num_evaluations=3000)
    assert plan.seconds(0.001, 1) == pytest.approx(9 + EVALUATION_COST * 3)
    assert plan.seconds(0.001, 5) == pytest.approx(plan.seconds(0.001, 1) / 5)


def test_this_machine_runs_as_many_trials_as_it_has_cores_for():
    cores = len(os.sched_getaffinity(0))
    assert local_workers(1.0, None) == cores
    assert local_workers(0.5, None) == 2 * cores
    assert local_workers(1000.0, None) == 1
    assert local_workers(1.0, 1) == 1
    assert local_workers(1.0, 1000) == cores
