"""The formula in the place of training: its optimum, its edge, its noise, and that it stands for a training."""

import math
from statistics import fmean, stdev

import numpy as np
import pytest

from tests.user_optimizers import CLIPPED_SGD
from trainables.data.dataset import load_dataset
from trainables.optimizers import load_optimizer, load_optimizer_source, optimizer_names
from trainables.training.loop import Training
from trainables.training.trial import TrialConfig
from trainables.workloads.learner import new_learner
from trainables.workloads.synthetic import CHANCE, DECAY_EPOCHS, GAP, HIGHEST, LOWEST, NOISE, Surface, SyntheticTraining

NUM_EPOCHS = 4


@pytest.fixture(scope="session")
def no_images():
    return load_dataset("synthetic")


@pytest.fixture
def begin(no_images):
    """Makes what stands for the training of an optimizer, by default at the optimum."""

    def make(optimizer="adam", hyperparameters=None, *, seeds=(0, 1), num_epochs=NUM_EPOCHS, spec=None):
        spec = spec or load_optimizer(optimizer)
        config = TrialConfig(
            optimizer=optimizer,
            hyperparameters=hyperparameters or Surface(optimizer, spec.space).optimum,
            seeds=seeds,
            batch_size=1,
            num_epochs=num_epochs,
        )
        return new_learner(config, spec, no_images)

    return make


def surface_of(optimizer: str) -> Surface:
    return Surface(optimizer, load_optimizer(optimizer).space)


def curves(learner):
    """Every epoch to the end, without wall times."""
    records = []
    while not learner.finished:
        records += [vars(record) | {"seconds": 0, "step_losses": None} for record in learner.run_epoch()]
    return records


def test_a_data_set_without_images_is_not_trained_on(begin, few_images):
    synthetic = begin()
    assert isinstance(synthetic, SyntheticTraining)
    assert isinstance(new_learner(synthetic.config, load_optimizer("adam"), few_images), Training)


@pytest.mark.parametrize("optimizer", optimizer_names())
def test_no_setting_is_better_than_the_optimum(optimizer):
    surface, random = surface_of(optimizer), np.random.default_rng(0)
    best = surface.expected_error(surface.optimum, NUM_EPOCHS)
    for _ in range(200):
        point = {name: axis.at(float(random.random())) for name, axis in surface.space.items()}
        assert surface.expected_error(point, NUM_EPOCHS) > best


@pytest.mark.parametrize("optimizer", optimizer_names())
def test_the_expected_error_falls_from_chance_to_that_of_the_optimizer(optimizer):
    surface = surface_of(optimizer)
    errors = [surface.expected_error(surface.optimum, epoch) for epoch in (0, 1, 2, 1000)]
    assert errors[0] == CHANCE
    assert LOWEST <= errors[-1] <= HIGHEST
    decays = [(error - errors[-1]) / (CHANCE - errors[-1]) for error in errors[:3]]
    assert decays == pytest.approx([math.exp(-epoch / DECAY_EPOCHS) for epoch in range(3)], rel=1e-9)


def test_a_hyperparameter_switched_off_counts_as_the_low_end_of_its_range():
    surface = surface_of("langevin")
    low = surface.space["diffusion"].low
    off, lowest = ({**surface.optimum, "diffusion": value} for value in (0.0, low))
    assert surface.expected_error(off, NUM_EPOCHS) == surface.expected_error(lowest, NUM_EPOCHS)


def test_optimizers_differ_and_so_do_hyperparameters():
    surfaces = [surface_of(name) for name in optimizer_names()]
    fractions = [axis.fraction(surface.optimum[key]) for surface in surfaces for key, axis in surface.space.items()]
    assert all(0.3 <= fraction <= 0.6 for fraction in fractions)
    assert len({round(fraction, 9) for fraction in fractions}) == len(fractions)
    assert len({round(surface.expected_error(surface.optimum, 1000), 9) for surface in surfaces}) == len(surfaces)


def test_errors_scatter_around_the_expectation_as_said(begin):
    seeds = tuple(range(2000))
    learner = begin(seeds=seeds, num_epochs=1)
    expected = learner.surface.expected_error(learner.config.hyperparameters, 1)
    records = learner.run_epoch()
    spread = math.sqrt(2) * NOISE
    for errors, mean in (
        ([record.validation_error for record in records], expected),
        ([record.train_error for record in records], expected - GAP * (1 - math.exp(-1 / DECAY_EPOCHS))),
        (learner.evaluate_test().errors.tolist(), expected),
    ):
        assert abs(fmean(errors) - mean) < 5 * spread / math.sqrt(len(seeds))
        assert abs(stdev(errors) / spread - 1) < 5 / math.sqrt(2 * len(seeds))  # a normal tail is longer than this one


def test_replicates_of_a_seed_share_half_of_their_noise(begin):
    seeds = tuple(range(2000))
    optimum = surface_of("sgd").optimum
    settings = [optimum, {"learning_rate": 0.9 * optimum["learning_rate"]}]
    errors = [[r.validation_error for r in begin("sgd", point, seeds=seeds).run_epoch()] for point in settings]
    assert abs(np.corrcoef(errors)[0, 1] - 0.5) < 5 / math.sqrt(len(seeds))


def test_learning_rates_beyond_the_edge_diverge(begin):
    surface = surface_of("adam")
    assert surface.edge is not None
    safe, wild = ({**surface.optimum, "learning_rate": factor * surface.edge} for factor in (0.5, 2.0))
    assert all(record["diverged_step"] is None for record in curves(begin("adam", safe)))
    records = curves(begin("adam", wild))
    assert [record["epoch"] for record in records] == [1, 1]
    for record in records:
        assert record["diverged_step"] == 1
        assert record["validation_loss"] is record["train_loss"] is None
        assert record["validation_error"] == record["train_error"] == 1.0


def test_a_replicate_may_diverge_alone(begin):
    surface = surface_of("sgd")
    seeds = tuple(range(20))
    learner = begin("sgd", {"learning_rate": surface.edge}, seeds=seeds)
    diverged = [r.replicate for r in learner.run_epoch() if r.diverged_step]
    assert 0 < len(diverged) < len(seeds)
    assert [r.replicate for r in learner.run_epoch()] == [r for r in range(len(seeds)) if r not in diverged]


def test_replicates_do_not_depend_on_their_company(begin):
    together = curves(begin(seeds=(0, 1)))
    alone = [record | {"replicate": r} for r in (0, 1) for record in curves(begin(seeds=(r,)))]
    assert together == sorted(alone, key=lambda record: record["epoch"])


def test_going_on_from_a_state_equals_never_having_stopped(begin):
    whole, stopped, later = begin(), begin(), begin()
    expected = curves(whole)
    first = [vars(record) | {"seconds": 0, "step_losses": None} for record in stopped.run_epoch()]
    later.load_state_dict(stopped.state_dict())
    assert first + curves(later) == expected
    assert later.evaluate_test().errors.tolist() == whole.evaluate_test().errors.tolist()


def test_nothing_is_counted_as_trained(begin):
    learner = begin()
    for record in learner.run_epoch():
        assert record.steps == record.images == len(record.step_losses) == 0
        assert record.gradient_norm is record.update_norm is record.weight_norm is None
    assert learner.evaluate_test().correct.shape == (2, 0)


def test_an_optimizer_of_a_user_has_a_surface_too(begin):
    spec = load_optimizer_source("clipped", CLIPPED_SGD)
    learner = begin("clipped", spec=spec)
    assert set(learner.surface.optimum) == {"learning_rate"}
    assert len(curves(learner)) == 2 * NUM_EPOCHS


def test_an_optimizer_without_a_learning_rate_never_diverges():
    surface = Surface("sign", {"stride": load_optimizer("sgd").space["learning_rate"]})
    assert surface.edge is None
    assert not surface.diverges({"stride": 1e9}, seed=0)
