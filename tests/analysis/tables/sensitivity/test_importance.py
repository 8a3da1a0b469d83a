"""Importance: functions with known indices, exact marginals against brute force, agreement with Optuna."""

from dataclasses import replace

import numpy as np
import optuna
import pytest
from scipy.stats import qmc
from sklearn.tree import DecisionTreeRegressor

from analysis.ledger.study import Axis
from analysis.tables.sensitivity import importances
from analysis.tables.sensitivity.forest import Forest, grow, variances
from analysis.tables.sensitivity.importance import fanova, ped_anova, shares_of_variance
from analysis.tables.sensitivity.points import Cloud


def cloud_of(function, num_points=256, num_axes=2):
    points = qmc.Sobol(num_axes, rng=0).random(num_points)
    names = ("u", "v", "w")[:num_axes]
    return Cloud(
        optimizer="a", hyperparameters=names, numbers=np.arange(num_points), points=points,
        errors=function(*points.T)[:, None],
    )  # fmt: skip


def steps(function, num_steps=8):
    """A forest of one tree: even boxes with the function's value in the middle."""
    low = np.stack(np.meshgrid(*[np.arange(num_steps) / num_steps] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    middle = low + 0.5 / num_steps
    return Forest(low=low, high=low + 1 / num_steps, values=function(*middle.T))


def test_two_additive_effects_have_nine_tenths_and_one():
    """Var(3 u) = 9 Var(v): in even steps too, exactly."""
    found = shares_of_variance(steps(lambda u, v: 3 * u + v), ("u", "v"))
    assert found == pytest.approx({("u",): 0.9, ("v",): 0.1, ("u", "v"): 0}, abs=1e-12)


def test_a_product_about_the_middle_is_interaction_alone():
    found = shares_of_variance(steps(lambda u, v: (u - 0.5) * (v - 0.5)), ("u", "v"))
    assert found == pytest.approx({("u",): 0, ("v",): 0, ("u", "v"): 1}, abs=1e-12)


def test_a_grown_forest_finds_the_additive_effects():
    found = fanova(cloud_of(lambda u, v: 3 * u + v))
    assert found["u",] == pytest.approx(0.9, abs=0.02)
    assert found["v",] == pytest.approx(0.1, abs=0.02)
    assert found["u", "v"] == pytest.approx(0, abs=0.01)


def test_a_grown_forest_finds_an_interaction():
    """Of u v: total variance 7 / 144, main effects Var(u / 2) = 3 / 144 each, interaction 1 / 144."""
    found = fanova(cloud_of(lambda u, v: u * v))
    assert found["u",] == pytest.approx(3 / 7, abs=0.03)
    assert found["v",] == pytest.approx(3 / 7, abs=0.03)
    assert found["u", "v"] == pytest.approx(1 / 7, abs=0.03)


def test_marginals_are_exact():
    """Against sums over all cells between the thresholds of a small forest on three axes."""
    random = np.random.default_rng(5)
    points, values = random.random((12, 3)), random.random(12)
    forest = grow(points, values, num_trees=3, seed=1)
    edges = [np.unique(np.concatenate([forest.low[:, axis], forest.high[:, axis]])) for axis in range(3)]
    middles = [(edge[1:] + edge[:-1]) / 2 for edge in edges]
    widths = [np.diff(edge) for edge in edges]
    cells = np.stack(np.meshgrid(*middles, indexing="ij"), axis=-1)
    inside = ((cells[..., None, :] > forest.low) & (cells[..., None, :] < forest.high)).all(axis=-1)
    predicted = inside @ forest.values
    weight = [width.reshape([-1 if axis == own else 1 for own in range(3)]) for axis, width in enumerate(widths)]
    mean = (predicted * weight[0] * weight[1] * weight[2]).sum()
    subsets = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
    found = variances(forest, subsets)
    for subset in subsets:
        marginal = predicted - mean
        for axis in set(range(3)) - set(subset):
            marginal = (marginal * weight[axis]).sum(axis=axis, keepdims=True)
        square = marginal**2
        for axis in subset:
            square = square * weight[axis]
        assert found[subset] == pytest.approx(square.sum(), rel=1e-10)


def test_the_boxes_predict_what_the_trees_predict():
    random = np.random.default_rng(8)
    points, values = random.random((40, 2)), random.random(40)
    forest = grow(points, values, num_trees=5, seed=3)
    bags, ties, trees = np.random.default_rng(3), np.random.RandomState(3), []
    for _ in range(5):
        chosen = bags.integers(0, 40, size=40)
        trees.append(DecisionTreeRegressor(random_state=ties).fit(points[chosen], values[chosen]))
    tried = random.random((200, 2))
    inside = ((tried[:, None] > forest.low) & (tried[:, None] <= forest.high)).all(axis=-1)
    np.testing.assert_allclose(inside @ forest.values, np.mean([tree.predict(tried) for tree in trees], axis=0))
    np.testing.assert_allclose((forest.high - forest.low).prod(axis=1).sum(), 5)


def test_large_forests_are_summed_in_chunks(monkeypatch):
    forest = steps(lambda u, v: np.sin(5 * u) * v)
    whole = variances(forest, [(0,), (1,), (0, 1)])
    monkeypatch.setattr("analysis.tables.sensitivity.forest.CHUNK", 300)
    assert variances(forest, [(0,), (1,), (0, 1)]) == pytest.approx(whole)


@pytest.mark.parametrize("method", [fanova, ped_anova])
def test_a_flat_response_has_no_important_hyperparameter(method):
    assert set(method(cloud_of(lambda *axes: 0 * axes[0] + 0.4)).values()) == {0.0}


@pytest.mark.parametrize("method", [fanova, ped_anova])
def test_identical_points_have_no_important_hyperparameter(method):
    points = np.full((32, 2), 0.25)
    cloud = Cloud(
        optimizer="a", hyperparameters=("u", "v"), numbers=np.arange(32), points=points, errors=np.full((32, 1), 0.5)
    )
    assert set(method(cloud).values()) == {0.0}


@pytest.mark.parametrize("method", [fanova, ped_anova])
def test_one_hyperparameter_is_all_there_is(method):
    assert method(cloud_of(lambda u: np.abs(u - 0.3), num_points=64, num_axes=1)) == pytest.approx({("u",): 1})


def test_ped_anova_sees_where_the_best_points_lie():
    found = ped_anova(cloud_of(lambda u, v, w: np.abs(u - 0.2) + 0.02 * (v + w), num_axes=3))
    assert found["u",] > 0.9
    assert sum(found.values()) == pytest.approx(1)


def test_ped_anova_of_a_box_of_best_points():
    """The best quarter is [0, 1/3] x [0, 3/4], with densities 3 and 4/3: divergences 2 and 1/3, of a third axis 0."""
    found = ped_anova(cloud_of(lambda u, v, w: np.maximum(3 * u, 4 / 3 * v) + 0 * w, num_points=4096, num_axes=3))
    assert found == pytest.approx({("u",): 6 / 7, ("v",): 1 / 7, ("w",): 0}, abs=0.01)


def test_ped_anova_divides_evenly_among_axes_that_are_alike():
    points = np.repeat(qmc.Sobol(1, rng=0).random(64), 2, axis=1)
    cloud = Cloud(
        optimizer="a", hyperparameters=("u", "v"), numbers=np.arange(64), points=points, errors=points[:, :1] ** 2
    )
    assert ped_anova(cloud) == pytest.approx({("u",): 0.5, ("v",): 0.5}, rel=1e-12)


def test_ped_anova_depends_on_the_order_of_the_errors_alone():
    cloud = cloud_of(lambda u, v: np.abs(u - 0.3) + 0.3 * v)
    assert ped_anova(replace(cloud, errors=cloud.errors**3)) == ped_anova(cloud)


@pytest.mark.parametrize("num_points", [16, 64, 256])
def test_ped_anova_is_that_of_all_points_and_errors(num_points):
    """Optuna's of a study of the whole cloud, of which `ped_anova` shows it a part."""
    cloud = cloud_of(lambda u, v, w: 2 * np.abs(u - 0.3) + v + 0.2 * w, num_points=num_points, num_axes=3)
    study = optuna.create_study()
    axes = {name: optuna.distributions.FloatDistribution(0, 1) for name in cloud.hyperparameters}
    for point, error in zip(cloud.points, cloud.means, strict=True):
        params = dict(zip(cloud.hyperparameters, point.tolist(), strict=True))
        study.add_trial(optuna.trial.create_trial(params=params, distributions=axes, value=float(error)))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(
        target_quantile=max(0.25, 5 / num_points), evaluate_on_local=False
    )
    theirs = optuna.importance.get_param_importances(study, evaluator=evaluator)
    assert ped_anova(cloud) == pytest.approx({(name,): share for name, share in theirs.items()}, rel=1e-12)


def test_ped_anova_agrees_with_a_histogram():
    """Another estimate of the same divergence: the same order and shares within a tenth."""
    cloud = cloud_of(lambda u, v, w: 2 * np.abs(u - 0.3) + v + 0.2 * w, num_points=4096, num_axes=3)
    best = cloud.points[np.argsort(cloud.means)[:1024]]
    densities = np.array([np.histogram(column, bins=16, range=(0, 1), density=True)[0] for column in best.T])
    divergences = ((densities - 1) ** 2).mean(axis=1)
    found = list(ped_anova(cloud).values())
    assert np.argsort(found).tolist() == np.argsort(divergences).tolist()
    assert found == pytest.approx(divergences / divergences.sum(), abs=0.1)


def test_ped_anova_tells_the_few_points_that_do_not_diverge_from_the_many_that_do():
    """Fewer than a quarter: the cut lies among errors that are all 1."""
    found = ped_anova(cloud_of(lambda u, v: np.where(u < 0.2, 0.3, 1.0) + 0 * v))
    assert found["u",] > 0.9


def test_ped_anova_neither_writes_a_line_nor_changes_what_optuna_writes(capfd):
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        ped_anova(cloud_of(lambda u, v: u + v))
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.set_verbosity(verbosity)
    assert capfd.readouterr() == ("", "")


SPACE = {
    "learning_rate": Axis(low=1e-4, high=1.0, scale="log"),
    "momentum": Axis(low=0.0, high=0.99, scale="log_complement"),
}


def test_importance_is_that_of_the_sampled_space(side, ledger_of):
    """An error even in log(eta) and log(1 - mu): on the linear scale nine tenths of the weight were on one decade."""
    ledger = ledger_of({"a": side(error=lambda p, _: 0.1 * (3 * p[0] + p[1]), space=SPACE, explore=128)})
    table = importances(ledger)
    found = {(row["hyperparameter"], row["other"]): row for row in table.filter(method="fanova").to_dicts()}
    assert found["learning_rate", None]["importance"] == pytest.approx(0.9, abs=0.05)
    assert found["momentum", None]["importance"] == pytest.approx(0.1, abs=0.05)
    assert found["learning_rate", "momentum"]["importance"] < 0.05
    for row in table.to_dicts():
        assert 0 <= row["low"] <= row["importance"] <= row["high"] <= 1
    assert set(table["method"]) == {"fanova", "ped_anova"}


def test_rows_without_enough_points_say_how_many_are_missing(side, ledger_of):
    table = importances(ledger_of({"a": side(error=lambda p, _: p[0] / 2, space=SPACE), "b": side(explore=3)}))
    found = {(row["optimizer"], row["method"]): row["reason"] for row in table.to_dicts()}
    assert (
        found["a", "fanova"] == "a has 16 of the 32 explore points that its importance by fanova needs: 16 are missing."
    )
    assert found["a", "ped_anova"] is None
    assert "13 are missing" in found["b", "ped_anova"]


def test_importances_do_not_depend_on_the_order_of_the_rows(side, ledger_of):
    """Which is that in which workers happened to end."""
    ledger = ledger_of({"a": side(error=lambda p, r: p[0] / 2 + 0.1 * r * p[1], space=SPACE, explore=32)})
    shuffled = ledger.trials.sample(fraction=1, shuffle=True, seed=0)
    assert not shuffled.equals(ledger.trials)
    assert importances(replace(ledger, trials=shuffled)).equals(importances(ledger))
