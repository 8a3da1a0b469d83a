"""What every metric must do, those of later files included."""

import math

import pytest

from analysis.metrics import METRICS, PAIR_METRICS, Setup

OUTCOME = {"validation_error": 0.4, "test_error": 0.4, "test_loss": 1.2}
SETUP = Setup(targets=(0.3, 0.5), chance_accuracy=0.1, num_steps=300, num_evaluation_images=200)


@pytest.fixture
def whole(make_run):
    """A run of three epochs that has everything a metric may look at."""
    return make_run(
        [0.7, 0.5, 0.4],
        train=[2.0, 1.5, 1.0],
        held_out=[2.0, 1.6, 1.7],
        step_losses=[2.3 - place / 300 for place in range(300)],
        setup=SETUP,
        **OUTCOME,
    )


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_whole_run_has_every_number(whole, name):
    assert math.isfinite(METRICS[name](whole))


@pytest.mark.parametrize("name", sorted(METRICS))
@pytest.mark.parametrize("setup", [Setup(), SETUP])
@pytest.mark.parametrize("errors", [[], [0.5]])
def test_a_run_of_one_epoch_or_none_has_a_number_or_nan(make_run, name, setup, errors):
    assert isinstance(METRICS[name](make_run(errors, setup=setup, **OUTCOME)), float)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_diverged_replicate_never_beats_a_whole_run(make_run, whole, name):
    outcome = {"validation_error": 1.0, "test_error": 1.0, "test_loss": None}
    run = make_run([0.7, 1.0], train=[2.0, None], held_out=[2.0, None], status="diverged", setup=SETUP, **outcome)
    score = METRICS[name](run)
    if score is not None:
        assert math.isfinite(score)
        assert score > METRICS[name](whole) if METRICS[name].better == "lower" else score < METRICS[name](whole)


@pytest.mark.parametrize("name", sorted(PAIR_METRICS))
def test_a_metric_of_pairs_treats_both_sides_alike(make_run, whole, name):
    losses = [2.3 - place / 250 + 0.1 * (place % 3) for place in range(200)]
    other = make_run([0.7, 0.6], train=[2.2, 1.2], held_out=[2.1, 1.9], step_losses=losses, setup=SETUP, **OUTCOME)
    ours, theirs = PAIR_METRICS[name](whole, other)
    assert PAIR_METRICS[name](other, whole) == (theirs, ours)
    ours, theirs = PAIR_METRICS[name](whole, whole)
    assert ours == theirs
