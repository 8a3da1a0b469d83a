"""Which targets count, from runs whose last accuracy is known."""

import numpy as np
import pytest

from analysis.metrics import METRICS, Setup
from analysis.statistics.paired import sign_flip_p
from analysis.verdicts.targets import TIMES_TO_TARGETS, Targets

SETUP = Setup(targets=(0.2, 0.3, 0.4), chance_accuracy=0.1, num_steps=200)


@pytest.fixture
def ending(make_run):
    """Runs with these accuracies at their second and last evaluation."""
    return lambda *accuracies: [make_run([0.9, 1 - accuracy], setup=SETUP) for accuracy in accuracies]


def test_a_target_needs_half_of_all_runs_whoever_has_them(ending):
    found = Targets.reached_by_half(ending(0.45, 0.45, 0.35, 0.15))
    assert found == Targets(kept=(0.2, 0.3, 0.4))
    found = Targets.reached_by_half(ending(0.45, 0.35, 0.35, 0.15))
    assert found == Targets(kept=(0.2, 0.3), dropped=(0.4,))
    assert Targets.reached_by_half(ending(0.15, 0.15, 0.15, 0.45)) == Targets(kept=(), dropped=(0.2, 0.3, 0.4))


def test_a_diverged_run_reaches_nothing(make_run):
    lost = make_run([0.5, 0.5], setup=SETUP, status="diverged")
    assert Targets.reached_by_half([lost, lost, *[make_run([0.5, 0.5], setup=SETUP)]]).kept == ()


def test_a_target_that_was_reached_and_lost_is_missed(make_run):
    assert Targets.reached_by_half([make_run([0.5, 0.75], setup=SETUP)]).kept == (0.2,)


def test_runs_of_unknown_accuracy_leave_all_targets_to_be_refused_later(make_run, ending):
    assert Targets.reached_by_half([make_run([0.5, None], setup=SETUP), *ending(0.15)]).kept == SETUP.targets


@pytest.mark.parametrize("name", TIMES_TO_TARGETS)
def test_the_times_are_those_to_the_kept_targets(make_run, name):
    run = make_run([0.75, 0.75], setup=SETUP)
    kept = Targets(kept=(0.2,), dropped=(0.3, 0.4)).of({7: run})
    alone = make_run([0.75, 0.75], setup=Setup(targets=(0.2,), chance_accuracy=0.1, num_steps=200))
    assert METRICS[name](kept[7]) == METRICS[name](alone) < METRICS[name](run)


def test_the_choice_of_targets_leaves_the_test_exact(ending):
    """Both sides are alike and reach the second target about half of the time: at most alpha of the tests reject."""
    random = np.random.default_rng(2)
    rejected = []
    for _ in range(400):
        runs = ending(*random.uniform(0.18, 0.42, size=16))
        kept = Targets.reached_by_half(runs).of(dict(enumerate(runs)))
        steps = np.array([METRICS["restricted_steps_to_target"](kept[place]) for place in range(16)])
        rejected.append(sign_flip_p(steps[:8] - steps[8:]) <= 0.1)
    assert np.mean(rejected) < 0.1 + 3 * np.sqrt(0.09 / 400)
