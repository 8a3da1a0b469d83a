"""The queue over all optimizers and phases, on simulated workers that end in any order."""

import dataclasses
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.ledger import schema
from analysis.ledger.sweep_design import RATE_STEPS, STEPS
from study.queue.tasks import TrialKey
from study.queue.trial_queue import TrialQueue
from study.search import load_search

NAMES = ("sgd", "momentum", "sign")
NESTED = ("noisy", "sgd")
TUNING_PHASES = set(schema.TUNING_PHASES)
DESIGNS = st.sampled_from([None, 6])
"""Seeds of a sweep of nine learning rates, and of one of every hyperparameter."""


def points_of(tasks):
    """Point of each trial; a trial that is trained in parts has one point."""
    points = {}
    for task in tasks:
        assert points.setdefault(task.key, task.point) == task.point
    return points


def replicates_of(tasks):
    return [(task.key, replicate) for task in tasks for replicate in task.replicates]


def seeds_of(tasks):
    return {(task.key, r): seed for task in tasks for r, seed in zip(task.replicates, task.seeds, strict=True)}


def all_outcomes(tasks, outcomes_of, surface):
    return [outcome for task in tasks for outcome in outcomes_of(task, surface)]


@settings(max_examples=60, deadline=None)
@given(num_workers=st.integers(1, 40), lag=st.integers(1, 9), num_trials=st.integers(1, 9), order=st.randoms())
def test_the_points_depend_neither_on_the_workers_nor_on_the_order_in_which_trials_end(
    make_spec, listening, simulate, num_workers, lag, num_trials, order
):
    spec = make_spec(optimizers=NAMES, lag=lag, num_trials=num_trials)
    alone = simulate(TrialQueue(spec, listening()))
    together = simulate(
        TrialQueue(spec, listening()),
        num_workers=num_workers,
        pick=order.randrange,
    )
    assert points_of(together) == points_of(alone)
    assert sorted(replicates_of(together)) == sorted(replicates_of(alone))
    assert seeds_of(together) == seeds_of(alone)


@settings(max_examples=10, deadline=None)
@given(num_workers=st.integers(2, 40), order=st.randoms())
def test_the_points_of_tpe_depend_neither_on_the_workers_nor_on_the_order(make_spec, simulate, num_workers, order):
    spec = make_spec(num_trials=14, num_seeds=1)
    alone = simulate(TrialQueue(spec, load_search("optuna")))
    together = simulate(
        TrialQueue(spec, load_search("optuna")),
        num_workers=num_workers,
        pick=order.randrange,
    )
    assert points_of(together) == points_of(alone)


@settings(max_examples=40, deadline=None)
@given(num_workers=st.integers(1, 40), lag=st.integers(1, 9), order=st.randoms())
def test_every_rule_of_the_queue_holds_at_every_moment(make_spec, listening, simulate, num_workers, lag, order):
    """Counts differ by at most one, a learning point has waited, confirmation and sweep come after tuning."""
    spec = make_spec(optimizers=NAMES, lag=lag, num_trials=8)
    algorithm = listening()
    started = Counter()

    def check(task, ended):
        key = task.key
        done = Counter((o.key.optimizer, o.key.number) for o in ended if o.key.phase in TUNING_PHASES)
        whole = {trial for trial, count in done.items() if count == spec.identity.num_seeds}
        if key.phase in TUNING_PHASES:
            started[key.optimizer] += 1
            counts = [started[name] for name in NAMES]
            assert max(counts) - min(counts) <= 1
            if algorithm.learns(key.number):
                assert {(key.optimizer, number) for number in range(key.number - lag + 1)} <= whole
        else:
            assert {(key.optimizer, number) for number in range(8)} <= whole

    queue = TrialQueue(spec, algorithm)
    tasks = simulate(
        queue,
        num_workers=num_workers,
        pick=order.randrange,
        on_start=check,
    )
    replicates = replicates_of(tasks)
    assert len(set(replicates)) == len(replicates), "something was handed out twice"
    expected = {}
    for name in NAMES:
        num_confirmed = 1 if queue.best(name)[1] == spec.optimizers[name].published else 2
        expected[name] = 8 * 2 + num_confirmed * 6 + (0 if name == "sign" else 9 * 2)
    assert Counter(key.optimizer for key, _ in replicates) == expected


def test_confirmation_goes_before_the_sweep(make_spec, listening, simulate):
    tasks = simulate(TrialQueue(make_spec(), listening()))
    phases = [task.key.phase for task in tasks]
    assert phases.index("sweep") > max(position for position, phase in enumerate(phases) if phase == "confirm")


def test_only_confirmation_reads_the_test_set_and_has_seeds_of_its_own(make_spec, listening, simulate):
    tasks = simulate(TrialQueue(make_spec(), listening()))
    confirming = {seed for task in tasks if task.reads_test_set for seed in task.seeds}
    tuning = {seed for task in tasks if not task.reads_test_set for seed in task.seeds}
    assert {task.key.phase for task in tasks if task.reads_test_set} == {"confirm"}
    assert len(confirming) == 6
    assert len(tuning) == 2
    assert not confirming & tuning


def test_tuning_trials_alone_share_a_data_order_and_all_the_same(make_spec, listening, simulate):
    tasks = simulate(TrialQueue(make_spec(shared_order=True), listening()))
    orders = {task.key.phase: set() for task in tasks}
    for task in tasks:
        orders[task.key.phase].add(task.order_seed)
    assert orders.pop("confirm") == orders.pop("sweep") == {None}
    (first,) = {task.seeds[0] for task in tasks if task.key.phase == "published"}
    assert set.union(*orders.values()) == {first}
    assert {task.order_seed for task in simulate(TrialQueue(make_spec(), listening()))} == {None}


def test_a_replicate_has_the_same_seed_in_every_trial_of_every_optimizer(make_spec, listening, simulate):
    seeds = {}
    for (key, replicate), seed in seeds_of(simulate(TrialQueue(make_spec(), listening()))).items():
        assert seeds.setdefault((key.phase == "confirm", replicate), seed) == seed


def test_confirmation_trains_the_published_setting_as_0_and_the_winner_as_1(make_spec, listening, simulate):
    queue = TrialQueue(make_spec(), listening())
    points = points_of(simulate(queue, response=lambda task, _: 0.9 if task.key.number == 0 else 0.5))
    for name in ("sgd", "momentum"):
        assert points[TrialKey(name, "confirm", 0)] == points[TrialKey(name, "published", 0)]
        assert points[TrialKey(name, "confirm", 1)] == points[TrialKey(name, "explore", 1)]
        assert queue.best(name) == (0.5, points[TrialKey(name, "explore", 1)])


def test_a_published_setting_that_wins_is_confirmed_once(make_spec, listening, simulate):
    tasks = simulate(TrialQueue(make_spec(), listening()), response=lambda task, _: 0.1 * (1 + task.key.number))
    assert {task.key.number for task in tasks if task.key.phase == "confirm"} == {0}


def test_the_sweep_crosses_the_winner_in_half_decades(make_spec, listening, simulate):
    queue = TrialQueue(make_spec(num_trials=4), listening())
    points = points_of(simulate(queue))
    for name in ("sgd", "momentum"):
        best = queue.best(name)[1]
        swept = [points[TrialKey(name, "sweep", number)] for number in range(9)]
        ratios = [point["learning_rate"] / best["learning_rate"] for point in swept]
        assert ratios == pytest.approx([10**decades for decades in (-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2)])
        assert all({**point, "learning_rate": 0} == {**best, "learning_rate": 0} for point in swept)
    assert len(RATE_STEPS) == 9


def test_an_optimizer_without_learning_rate_has_no_sweep(make_spec, listening, simulate):
    tasks = simulate(TrialQueue(make_spec(optimizers=("sign", "sgd")), listening()))
    assert {task.key.optimizer for task in tasks if task.key.phase == "sweep"} == {"sgd"}


def test_the_sweep_moves_every_hyperparameter_of_the_winner_one_at_a_time(make_spec, listening, simulate):
    spec = make_spec(optimizers=NAMES, num_trials=4, num_confirm_seeds=12, num_sweep_seeds=12)
    queue = TrialQueue(spec, listening())
    tasks = [task for task in simulate(queue) if task.key.phase == "sweep"]
    for name in NAMES:
        best, space = queue.best(name)[1], sorted(spec.optimizers[name].space)
        own = {task.key.number: task for task in tasks if task.key.optimizer == name}
        assert set(own) == set(spec.sweep.points(spec.optimizers[name].space, best))
        for number, task in own.items():
            moved = space[number // 6]
            assert {key for key in best if task.point[key] != best[key]} == {moved}
            assert task.replicates == tuple(range(12))
            if moved in ("learning_rate", "stride"):
                assert task.point[moved] / best[moved] == pytest.approx(10 ** STEPS[number % 6])


def test_the_sweep_of_every_hyperparameter_has_the_seeds_of_the_confirmation_and_reads_no_test_set(
    make_spec, listening, simulate
):
    tasks = simulate(TrialQueue(make_spec(num_confirm_seeds=12, num_sweep_seeds=12), listening()))
    confirmed = {r: seed for (key, r), seed in seeds_of(tasks).items() if key.phase == "confirm"}
    swept = [task for task in tasks if task.key.phase == "sweep"]
    assert all(confirmed[r] == seed for (_, r), seed in seeds_of(swept).items())
    assert not any(task.reads_test_set for task in swept)
    assert {task.order_seed for task in swept} == {None}


def test_more_sweep_seeds_train_the_new_ones_alone(make_spec, listening, simulate, outcomes_of, surface):
    spec = make_spec(num_confirm_seeds=12, num_sweep_seeds=6)
    stored = all_outcomes(simulate(TrialQueue(spec, listening())), outcomes_of, surface)
    rest = simulate(TrialQueue(make_spec(num_confirm_seeds=12, num_sweep_seeds=9), listening(), stored))
    assert {replicate for _, replicate in replicates_of(rest)} == {6, 7, 8}
    assert {task.key.phase for task in rest} == {"sweep"}
    assert {task.key.number % 6 for task in rest} == set(range(6))


def test_a_new_winner_has_the_next_block_of_the_sweep(make_spec, listening, simulate, outcomes_of):
    def improving(task, _):
        return 0.9 - 0.1 * task.key.number if task.key.phase in TUNING_PHASES else 0.5

    first = simulate(TrialQueue(make_spec(num_trials=3, num_sweep_seeds=6), listening()), response=improving)
    stored = all_outcomes(first, outcomes_of, improving)
    rest = simulate(TrialQueue(make_spec(num_trials=5, num_sweep_seeds=6), listening(), stored), response=improving)
    assert {task.key.number for task in rest if task.key.phase == "sweep" and task.key.optimizer == "sgd"} == {
        *range(6, 12)
    }
    swept = {task.key.number for task in rest if task.key.phase == "sweep" and task.key.optimizer == "momentum"}
    assert swept <= set(range(12, 24))
    assert set(range(12, 18)) <= swept


def test_no_confirmation_seeds_and_no_sweep_leave_tuning_alone(make_spec, listening, simulate):
    tasks = simulate(TrialQueue(make_spec(num_confirm_seeds=0, sweep=False), listening()))
    assert {task.key.phase for task in tasks} <= TUNING_PHASES


def test_a_study_in_which_everything_diverges_ends(make_spec, listening, simulate):
    queue = TrialQueue(make_spec(), listening())
    points = points_of(simulate(queue, response=lambda *_: 1.0))
    assert queue.best("sgd") == (1.0, points[TrialKey("sgd", "published", 0)])
    assert TrialKey("sgd", "confirm", 1) not in points


def test_a_study_in_which_everything_fails_confirms_the_published_setting_and_ends(make_spec, listening, simulate):
    queue = TrialQueue(make_spec(), listening())
    tasks = simulate(queue, response=lambda *_: None)
    assert queue.best("sgd") is None
    assert {task.key for task in tasks if task.key.phase not in TUNING_PHASES} == {
        TrialKey("sgd", "confirm", 0),
        TrialKey("momentum", "confirm", 0),
    }


def test_the_winner_is_trained_without_its_noise_on_the_confirmation_seeds(make_spec, listening, simulate):
    queue = TrialQueue(make_spec(optimizers=NESTED), listening())
    tasks = simulate(queue)
    ablated = [task for task in tasks if task.key.phase == "ablation"]
    _, best = queue.best("noisy")
    assert points_of(ablated) == {TrialKey("noisy", "ablation", 0): {**best, "diffusion": 0.0}}
    assert {task.sampler for task in ablated} == {"ablation"}
    assert all(task.reads_test_set for task in ablated)
    of = {phase: {r: seed for (key, r), seed in seeds_of(tasks).items() if key.phase == phase} for phase in
          ("ablation", "confirm", "explore")}  # fmt: skip
    assert of["ablation"] == of["confirm"]
    assert len(of["ablation"]) == 6
    assert not set(of["ablation"].values()) & set(of["explore"].values())


def test_ablations_come_after_all_confirmation_that_waits_and_before_the_sweep(make_spec, listening, simulate):
    phases = [task.key.phase for task in simulate(TrialQueue(make_spec(optimizers=NESTED), listening()))]
    after_tuning = [phase for phase in phases if phase not in TUNING_PHASES]
    assert list(dict.fromkeys(after_tuning)) == ["confirm", "ablation", "sweep"]
    assert after_tuning == sorted(after_tuning, key=["confirm", "ablation", "sweep"].index)


def of_two_terms(make_spec, **changes):
    """A study of `noisy` with a decay as well, which reduces to three others."""
    spec = make_spec(optimizers=("noisy",), **changes)
    noisy = spec.optimizers["noisy"]
    both = dataclasses.replace(
        noisy,
        space={**noisy.space, "decay": noisy.space["learning_rate"]},
        published={**noisy.published, "decay": 0.001},
        reduces_to={"decaying": {"diffusion": 0.0}, "other": {"decay": 0.0}, "sgd": {"diffusion": 0.0, "decay": 0.0}},
    )
    return dataclasses.replace(spec, optimizers={"noisy": both})


def test_every_reduction_is_a_trial(make_spec, listening, simulate):
    queue = TrialQueue(of_two_terms(make_spec), listening())
    points = points_of(simulate(queue))
    _, best = queue.best("noisy")
    assert [points[TrialKey("noisy", "ablation", number)] for number in range(3)] == [
        {**best, "diffusion": 0.0},
        {**best, "decay": 0.0},
        {**best, "diffusion": 0.0, "decay": 0.0},
    ]
    assert sum(key.phase == "ablation" for key in points) == 3


def test_a_winner_that_is_neutral_already_has_no_ablation(make_spec, listening, simulate):
    spec = make_spec(optimizers=NESTED)
    neutral = dataclasses.replace(spec.optimizers["noisy"], reduces_to={"sgd": {"diffusion": 0.01}})
    spec = dataclasses.replace(spec, optimizers={**spec.optimizers, "noisy": neutral})
    queue = TrialQueue(spec, listening())
    tasks = simulate(queue, response=lambda task, _: 0.1 * (1 + task.key.number))
    assert queue.best("noisy")[1] == neutral.published
    assert "ablation" not in {task.key.phase for task in tasks}
    assert queue.num_replicates() == len(replicates_of(tasks))


def test_no_confirmation_seeds_no_ablation(make_spec, listening, simulate):
    tasks = simulate(TrialQueue(make_spec(optimizers=NESTED, num_confirm_seeds=0), listening()))
    assert not any(task.reads_test_set for task in tasks)


def test_an_optimizer_whose_every_trial_fails_has_no_ablation(make_spec, listening, simulate):
    tasks = simulate(TrialQueue(make_spec(optimizers=NESTED), listening()), response=lambda *_: None)
    assert "ablation" not in {task.key.phase for task in tasks}


def test_a_study_of_an_old_release_gets_its_ablations_when_it_goes_on(
    make_spec, listening, simulate, outcomes_of, surface
):
    spec = make_spec(optimizers=NESTED)
    unaware = dataclasses.replace(spec.optimizers["noisy"], reduces_to={})
    old = dataclasses.replace(spec, optimizers={**spec.optimizers, "noisy": unaware})
    stored = all_outcomes(simulate(TrialQueue(old, listening())), outcomes_of, surface)
    rest = simulate(TrialQueue(old.extended(spec), listening(), stored))
    assert old.differences(spec) == []
    assert {task.key for task in rest} == {TrialKey("noisy", "ablation", 0)}


def test_ablations_of_a_new_winner_get_new_numbers_and_those_of_the_former_one_keep_theirs(
    make_spec, listening, simulate, outcomes_of
):
    def improving(task, _):
        return 0.9 - 0.1 * task.key.number if task.key.phase in TUNING_PHASES else 0.5

    small, large = (of_two_terms(make_spec, num_trials=number) for number in (3, 5))
    first = simulate(TrialQueue(small, listening()), response=improving)
    stored = all_outcomes(first, outcomes_of, improving)
    rest = simulate(TrialQueue(large, listening(), stored), response=improving)
    assert {task.key.number for task in first if task.key.phase == "ablation"} == {0, 1, 2}
    assert {task.key.number for task in rest if task.key.phase == "ablation"} == {3, 4, 5}
    assert not set(replicates_of(first)) & set(replicates_of(rest))


every_study = pytest.mark.parametrize("optimizers", [("sgd", "momentum"), NESTED], ids=["plain", "nested"])


@every_study
@settings(max_examples=60, deadline=None)
@given(num_workers=st.integers(1, 9), order=st.randoms(), data=st.data())
def test_a_study_resumed_from_any_outcomes_trains_exactly_the_others(
    make_spec, listening, simulate, outcomes_of, surface, optimizers, num_workers, order, data
):
    spec = make_spec(optimizers=optimizers, lag=3, num_trials=6, num_sweep_seeds=data.draw(DESIGNS, label="sweep"))
    undisturbed = simulate(TrialQueue(spec, listening()))
    outcomes = all_outcomes(undisturbed, outcomes_of, surface)
    stored = data.draw(st.sets(st.integers(0, len(outcomes) - 1)), label="stored")
    resumed = simulate(
        TrialQueue(spec, listening(), [outcomes[place] for place in sorted(stored)]),
        num_workers=num_workers,
        pick=order.randrange,
    )
    known = {(outcomes[place].key, outcomes[place].replicate) for place in stored}
    assert sorted(replicates_of(resumed)) == sorted(set(replicates_of(undisturbed)) - known)
    whole = points_of(undisturbed)
    assert all(whole[key] == point for key, point in points_of(resumed).items())


@every_study
@settings(max_examples=60, deadline=None)
@given(order=st.randoms(), data=st.data())
def test_a_study_killed_twice_is_the_same_study(
    make_spec, listening, simulate, outcomes_of, surface, optimizers, order, data
):
    """Killed with several workers, so that any of the last few tasks may be missing."""
    spec = make_spec(optimizers=optimizers, lag=3, num_trials=6, num_sweep_seeds=data.draw(DESIGNS, label="sweep"))
    undisturbed = simulate(TrialQueue(spec, listening()))
    stored = []
    for _ in range(2):
        queue = TrialQueue(spec, listening(), stored)
        running = []
        for _ in range(data.draw(st.integers(0, 60), label="tasks that end before the kill")):
            while len(running) < 4 and (task := queue.next_task()) is not None:
                running.append(task)
            if running:
                ended = outcomes_of(running.pop(order.randrange(len(running))), surface)
                stored += ended
                queue.record(ended)
    last = simulate(TrialQueue(spec, listening(), stored))
    trained = [(outcome.key, outcome.replicate) for outcome in stored] + replicates_of(last)
    assert sorted(trained) == sorted(replicates_of(undisturbed))
    whole = points_of(undisturbed)
    assert all(whole[key] == point for key, point in points_of(last).items())
    assert all(whole[outcome.key] == outcome.point for outcome in stored)


def test_a_finished_study_has_nothing_left(make_spec, listening, simulate, outcomes_of, surface):
    spec = make_spec()
    outcomes = all_outcomes(simulate(TrialQueue(spec, listening())), outcomes_of, surface)
    queue = TrialQueue(spec, listening(), outcomes)
    assert queue.finished
    assert queue.next_task() is None
    assert queue.num_replicates() == len(outcomes)


@given(fewer=st.integers(1, 6), more=st.integers(1, 6))
@settings(max_examples=20, deadline=None)
def test_more_trials_continue_the_same_sequence(make_spec, listening, simulate, outcomes_of, surface, fewer, more):
    small, large = (make_spec(lag=3, num_trials=count) for count in (fewer, fewer + more))
    first = simulate(TrialQueue(small, listening()))
    rest = simulate(TrialQueue(large, listening(), all_outcomes(first, outcomes_of, surface)))
    direct = points_of(simulate(TrialQueue(large, listening())))
    tuned = {key: point for key, point in direct.items() if key.phase in TUNING_PHASES}
    both = points_of([*first, *rest])
    assert {key: point for key, point in both.items() if key.phase in TUNING_PHASES} == tuned
    assert not set(replicates_of(first)) & set(replicates_of(rest))


@every_study
def test_more_confirmation_seeds_train_the_new_ones_alone(
    make_spec, listening, simulate, outcomes_of, surface, optimizers
):
    first = simulate(TrialQueue(make_spec(optimizers=optimizers), listening()))
    stored = all_outcomes(first, outcomes_of, surface)
    rest = simulate(TrialQueue(make_spec(optimizers=optimizers, num_confirm_seeds=9), listening(), stored))
    assert {task.key for task in rest} == {task.key for task in first if task.reads_test_set}
    assert {replicate for _, replicate in replicates_of(rest)} == {6, 7, 8}


def test_a_new_optimizer_leaves_the_others_alone(make_spec, listening, simulate, outcomes_of, surface):
    stored = all_outcomes(simulate(TrialQueue(make_spec(), listening())), outcomes_of, surface)
    rest = simulate(TrialQueue(make_spec(optimizers=NAMES), listening(), stored))
    assert {task.key.optimizer for task in rest} == {"sign"}


def test_a_new_winner_gets_new_numbers_and_the_former_one_keeps_its_own(make_spec, listening, simulate, outcomes_of):
    def improving(task, _):
        return 0.9 - 0.1 * task.key.number if task.key.phase in TUNING_PHASES else 0.5

    first = simulate(TrialQueue(make_spec(num_trials=3), listening()), response=improving)
    stored = all_outcomes(first, outcomes_of, improving)
    rest = simulate(TrialQueue(make_spec(num_trials=5), listening(), stored), response=improving)
    for name in ("sgd", "momentum"):
        own = [task for task in rest if task.key.optimizer == name]
        assert {task.key.number for task in own if task.key.phase == "confirm"} == {2}
        assert {task.key.number for task in own if task.key.phase == "sweep"} == set(range(9, 18))
        assert points_of(own)[TrialKey(name, "confirm", 2)] == points_of(own)[TrialKey(name, "exploit", 4)]
    assert not set(replicates_of(first)) & set(replicates_of(rest))


def test_an_old_winner_that_wins_again_keeps_its_numbers(make_spec, listening, simulate, outcomes_of):
    """More trials without a better one add nothing but themselves."""

    def worsening(task, _):
        return 0.1 + 0.1 * abs(task.key.number - 1) if task.key.phase in TUNING_PHASES else 0.5

    stored = all_outcomes(
        simulate(TrialQueue(make_spec(num_trials=3), listening()), response=worsening), outcomes_of, worsening
    )
    rest = simulate(TrialQueue(make_spec(num_trials=5), listening(), stored), response=worsening)
    assert {task.key.phase for task in rest} <= TUNING_PHASES


@pytest.mark.parametrize("first", [("confirm", 1), ("sweep", 5)])
def test_a_point_keeps_its_number_if_those_before_it_are_missing(
    make_spec, listening, simulate, outcomes_of, surface, first
):
    """With several workers the winner's confirmation may end before that of the published setting."""
    spec = make_spec(num_seeds=6)
    tasks = simulate(TrialQueue(spec, listening()))
    kept = [task for task in tasks if task.key.phase in TUNING_PHASES or (task.key.phase, task.key.number) == first]
    rest = simulate(TrialQueue(spec, listening(), all_outcomes(kept, outcomes_of, surface)))
    assert points_of([*kept, *rest]) == points_of(tasks)
    samplers = {task.key.number: task.sampler for task in rest if task.key.phase == "confirm"}
    assert samplers[0] == "published"


@settings(max_examples=60, deadline=None)
@given(num_ended=st.integers(0, 30), num_workers=st.integers(1, 6), data=st.data())
def test_tuning_that_is_stopped_leaves_the_same_number_of_trials_to_every_optimizer(
    make_spec, listening, simulate, outcomes_of, surface, num_ended, num_workers, data
):
    names = (*NAMES, "noisy")
    spec = make_spec(optimizers=names, num_trials=8, lag=3)
    whole = all_outcomes(simulate(TrialQueue(spec, listening())), outcomes_of, surface)
    tuned = [outcome for outcome in whole if outcome.key.phase in TUNING_PHASES]
    lost = data.draw(st.sets(st.integers(0, num_ended)), label="not stored by an earlier run")
    stored = [outcome for place, outcome in enumerate(tuned[:num_ended]) if place not in lost]
    queue = TrialQueue(spec, listening(), stored)
    running = []
    while len(running) < num_workers and (task := queue.next_task()) is not None:
        running.append(task)
    queue.stop_tuning()
    queue.skip_sweep()
    for task in running:
        queue.record(outcomes_of(task, surface))
    tasks = [*running, *simulate(queue)]
    trials = {(o.key.optimizer, o.key.number) for o in stored if o.key.phase in TUNING_PHASES}
    trials |= {(task.key.optimizer, task.key.number) for task in tasks if task.key.phase in TUNING_PHASES}
    assert len(set(Counter(name for name, _ in trials).values())) == 1
    assert {task.key.optimizer for task in tasks if task.key.phase == "confirm"} == set(names)
    assert any(task.key.phase == "ablation" for task in tasks) == (queue.best("noisy") is not None)
    assert "sweep" not in {task.key.phase for task in tasks if task not in running}


def test_a_study_stopped_before_its_first_trial_confirms_the_published_settings(make_spec, listening, simulate):
    queue = TrialQueue(make_spec(), listening())
    queue.stop_tuning()
    queue.skip_sweep()
    assert {(task.key.phase, task.key.number) for task in simulate(queue)} == {("confirm", 0)}


@pytest.mark.parametrize("num_sweep_seeds", [None, 6])
def test_a_sweep_that_is_skipped_midway_goes_no_further(
    make_spec, listening, simulate, outcomes_of, surface, num_sweep_seeds
):
    queue = TrialQueue(make_spec(num_sweep_seeds=num_sweep_seeds), listening())
    started = []
    while not started or started[-1].key.phase != "sweep":
        started.append(queue.next_task())
        queue.record(outcomes_of(started[-1], surface))
    queue.skip_sweep()
    assert simulate(queue) == []
    assert queue.num_replicates() == len(replicates_of(started))


@every_study
@settings(max_examples=30, deadline=None)
@given(num_trials=st.integers(1, 6), num_sweep_seeds=DESIGNS)
def test_the_number_of_replicates_is_never_too_small_and_right_in_the_end(
    make_spec, listening, simulate, outcomes_of, surface, optimizers, num_trials, num_sweep_seeds
):
    """Also for a study that grows, whose former winners have rows of their own."""
    spec = make_spec(optimizers=optimizers, num_trials=num_trials, num_sweep_seeds=num_sweep_seeds)
    stored = all_outcomes(simulate(TrialQueue(spec, listening())), outcomes_of, surface)
    larger = make_spec(
        optimizers=optimizers, num_trials=num_trials + 2, num_confirm_seeds=8, num_sweep_seeds=num_sweep_seeds
    )
    queue = TrialQueue(larger, listening(), stored)
    totals = [queue.num_replicates()]
    tasks = simulate(queue, num_workers=3, on_end=lambda: totals.append(queue.num_replicates()))
    count = len(stored) + len(replicates_of(tasks))
    assert min(totals) >= count
    assert totals[-1] == count


@pytest.mark.parametrize(("optimizers", "num_settings"), [(("sgd", "momentum"), 4), (NESTED, 5)])
def test_confirmation_to_come_shrinks_to_nothing(make_spec, listening, simulate, optimizers, num_settings):
    queue = TrialQueue(make_spec(optimizers=optimizers), listening())
    left = [queue.num_confirmation_replicates()]
    simulate(queue, on_end=lambda: left.append(queue.num_confirmation_replicates()))
    assert left[0] == num_settings * 6
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0
