"""Which hyperparameters matter: fANOVA of a forest, PED-ANOVA as second opinion, both in the sampled space.

PED-ANOVA is Optuna's, which is loaded only when asked for: a second opinion by the same hand would be none.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.ledger.load import Ledger
from analysis.tables.sensitivity.forest import Forest, grow, variances
from analysis.tables.sensitivity.points import MIN_POINTS, Cloud, clouds
from analysis.tables.sensitivity.resampling import draw_points, draw_seeds, drawn_means, student_interval

if TYPE_CHECKING:
    import optuna

MIN_FOREST_POINTS = 32
"""Explore points below which a forest is not grown."""

NEEDED = {"fanova": MIN_FOREST_POINTS, "ped_anova": MIN_POINTS}
"""Explore points that each method needs."""

MOST_TREES = 64
FEWEST_TREES = 16
TREES_TIMES_POINTS = 4_096
"""Points times trees of a forest: time grows with the square, and trees of more points are less noisy each."""

NUM_DRAWS = 100
MANY_POINTS = 1_000
NUM_DRAWS_OF_MANY = 25
"""Beyond so many points intervals are narrow, and this many resamples tell their width to a seventh."""

NUM_DRAWN_TREES = 8
"""Trees of the forest of a resample: fewer, since there are many. Their luck widens the interval a little."""

TOP_PART = 0.25
FEWEST_TOP = 5
"""PED-ANOVA asks what the best quarter of the points has in common, at least five points."""

Effects = dict[tuple[str, ...], float]


def importances(ledger: Ledger) -> pl.DataFrame:
    """Share of each hyperparameter, and of each pair beyond its two, in how the error varies over the search space.

    A hyperparameter that was searched over a wide range matters more: the shares belong to the declared space.
    Intervals are Student's, from a bootstrap over points and seeds.

    Returns:
        Columns `optimizer`, `method` ("fanova", "ped_anova"), `hyperparameter`, `other` (null for a main effect),
        `importance` with `low`, `high` (fractions), and `reason` in a row without number where points are missing.
    """
    rows: list[dict[str, object]] = []
    for name, cloud in clouds(ledger).items():
        for method, needed in NEEDED.items():
            if missing := cloud.lacks(needed, f"importance by {method}"):
                rows.append({"optimizer": name, "method": method, "reason": missing.reason})
            else:
                rows += [{"optimizer": name, "method": method, **row} for row in _with_intervals(cloud, method)]
    text = dict.fromkeys(("optimizer", "method", "hyperparameter", "other"), pl.String)
    numbers = dict.fromkeys(("importance", "low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema={**text, **numbers, "reason": pl.String})


def _with_intervals(cloud: Cloud, method: str) -> list[dict[str, object]]:
    if method == "fanova":
        found = fanova(cloud)
        drawn = [fanova(resample, NUM_DRAWN_TREES, seed) for seed, resample in enumerate(_resamples(cloud), start=1)]
    else:
        found = ped_anova(cloud)
        drawn = [ped_anova(resample) for resample in _resamples(cloud)]
    rows: list[dict[str, object]] = []
    for effect, value in found.items():
        interval = student_interval(value, np.array([draw[effect] for draw in drawn]), cloud.num_points, (0, 1))
        assert interval is not None, "there are many points"
        names = {"hyperparameter": effect[0], "other": effect[1] if len(effect) > 1 else None}
        rows.append({**names, "importance": value, "low": interval.low, "high": interval.high})
    return rows


def fanova(cloud: Cloud, num_trees: int | None = None, seed: int = 0) -> Effects:
    r"""Share of the variance of a forest's prediction over the unit cube that each effect explains.

    Main effect of j: Var(E[f | u_j]) / Var(f). Pair (j, k): Var(E[f | u_j, u_k]) / Var(f) less both main effects. The
    sum falls short of 1 by the effects of three and more. All are exact integrals over the leaves of the trees. All
    are 0 if the forest is flat.

    Args:
        cloud: Points and errors.
        num_trees: Trees of the forest, grown on resamples of the points; 64 up to 64 points, then fewer, if None.
        seed: Seed of these resamples.

    Reference: Hutter, Hoos & Leyton-Brown (2014), An efficient approach for assessing hyperparameter importance. They
    average the shares of single trees; here the forest is one function, which has less of the trees' own noise. The
    cube is the sampled measure, so a learning rate searched on a log scale is weighted so too.
    """
    if num_trees is None:
        num_trees = max(FEWEST_TREES, min(MOST_TREES, TREES_TIMES_POINTS // cloud.num_points))
    forest = grow(cloud.points, cloud.means, num_trees, seed)
    return shares_of_variance(forest, cloud.hyperparameters)


def shares_of_variance(forest: Forest, names: tuple[str, ...]) -> Effects:
    """Main and pairwise effects of a forest as shares of its variance over the unit cube."""
    mains: list[tuple[int, ...]] = [(place,) for place in range(len(names))]
    pairs = list(combinations(range(len(names)), 2))
    every = tuple(range(len(names)))
    found = variances(forest, [*mains, *pairs, every])
    scale = 1 / found[every] if found[every] > 0 else 0.0
    beyond = {pair: found[pair] - found[pair[:1]] - found[pair[1:]] for pair in pairs}
    return {
        tuple(names[place] for place in effect): max(0.0, scale * variance)
        for effect, variance in ({effect: found[effect] for effect in mains} | beyond).items()
    }


def ped_anova(cloud: Cloud) -> Effects:
    r"""Share of each hyperparameter in what tells the best quarter of the points from the whole space.

    Pearson divergence int_0^1 (p(u) - 1)^2 du between the density p of the best points along one axis and the even
    density of the space, normalised to sum to 1; all 0 if all errors are equal. p is a kernel estimate with Scott's
    bandwidth on a grid, with a prior of the weight of one point.

    Args:
        cloud: Points and errors; more than `FEWEST_TOP` points.

    Reference: Watanabe, Bansal & Hutter (2023), PED-ANOVA, https://arxiv.org/abs/2304.10255, as Optuna computes it.
    """
    if cloud.means.min() == cloud.means.max():
        return {(name,): 0.0 for name in cloud.hyperparameters}
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    count = max(FEWEST_TOP, math.ceil(TOP_PART * cloud.num_points))
    # Of the others one will do: the best are compared with the even density.
    ranked = cloud.points[np.argsort(cloud.means, kind="stable")[: count + 1]]
    # Half a point less: the evaluator rounds the number of the best up, a quotient's last digit included.
    evaluator = PedAnovaImportanceEvaluator(target_quantile=(count - 0.5) / (count + 1), evaluate_on_local=False)
    names = list(cloud.hyperparameters)
    found = get_param_importances(_study(names, ranked), evaluator=evaluator, params=names)
    return {(name,): found[name] for name in names}


def _study(names: Sequence[str], ranked: NDArray[np.float64]) -> "optuna.Study":
    """Points of the unit cube as a study of Optuna whose objective is their place in the ranking.

    Of errors it would take all that are tied at the quantile: where most points diverge, those were all there are.
    """
    import optuna

    axes: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.FloatDistribution(0, 1) for name in names
    }
    with _quiet():
        study = optuna.create_study()
    for place, point in enumerate(ranked.tolist()):
        params = dict(zip(names, point, strict=True))
        study.add_trial(optuna.trial.create_trial(params=params, distributions=axes, value=place))
    return study


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna without a line for each study that it makes."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(verbosity, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def _resamples(cloud: Cloud) -> list[Cloud]:
    """Clouds of resampled points and seeds."""
    num_draws = NUM_DRAWS if cloud.num_points <= MANY_POINTS else NUM_DRAWS_OF_MANY
    places = draw_points(cloud.optimizer, cloud.num_points, num_draws)
    means = drawn_means(cloud.errors, draw_seeds(cloud.num_seeds, num_draws), places)
    return [
        Cloud(
            optimizer=cloud.optimizer,
            hyperparameters=cloud.hyperparameters,
            numbers=cloud.numbers[place],
            points=cloud.points[place],
            errors=mean[:, None],
        )
        for place, mean in zip(places, means, strict=True)
    ]
