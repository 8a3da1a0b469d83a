"""Good volume: known shares, the common rule, draws against a loop, coverage."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import qmc

from analysis.ledger.study import Axis
from analysis.tables.sensitivity import Missing, good_volume_difference, good_volumes
from analysis.tables.sensitivity.good_volume import _common_best, rule_range
from analysis.tables.sensitivity.points import Cloud
from analysis.tables.sensitivity.resampling import NUM_DRAWS, best_error, draw_points, draw_seeds

EVEN = [[(place + 0.5) / 20] for place in range(20)]
LOG = Axis(low=1e-4, high=1.0, scale="log")
COMPLEMENT = Axis(low=0.0, high=0.99, scale="log_complement")


def slope(steepness, best=0.3):
    return lambda point, _: best + steepness * point[0]


def row(table, **where):
    return table.filter(**where).row(0, named=True)


def test_the_share_within_epsilon_of_the_common_best(side, ledger_of):
    """Errors .3 + .4 u at u = .025, .075, ...: .31 is best, .33 is the second and just within epsilon."""
    ledger = ledger_of({"a": side(error=slope(0.4), explore=EVEN), "b": side(error=slope(0.1), explore=EVEN)})
    table = good_volumes(ledger, eps=0.02)
    # The common best is .3025, of b; a has .31 and not .33 within .3225, b has u <= .2.
    assert row(table, optimizer="a", space="declared", measured_from="common best")["volume"] == pytest.approx(1 / 20)
    assert row(table, optimizer="a", space="declared", measured_from="own best")["volume"] == pytest.approx(2 / 20)
    assert row(table, optimizer="b", space="declared", measured_from="common best")["volume"] == pytest.approx(5 / 20)
    assert good_volume_difference(ledger, "a", "b").estimate == pytest.approx(-4 / 20)


def test_an_optimizer_that_never_learns_has_no_good_volume(side, ledger_of):
    ledger = ledger_of({"flat": side(error=slope(0, best=0.9)), "good": side(error=slope(0.2))})
    table = good_volumes(ledger).filter(optimizer="flat", space="declared")
    assert row(table, measured_from="common best")["volume"] == 0
    assert row(table, measured_from="own best")["volume"] == 1
    assert good_volume_difference(ledger, "flat", "good").estimate < 0


def test_a_third_optimizer_sets_the_level(side, ledger_of):
    sides = {"a": side(error=slope(0, 0.5)), "b": side(error=slope(0.3, 0.5))}
    assert good_volume_difference(ledger_of(sides), "a", "b").estimate > 0
    sides["best"] = side(error=slope(0, 0.2))
    assert good_volume_difference(ledger_of(sides), "a", "b").estimate == 0


def test_diverged_points_are_never_good(side, ledger_of):
    ledger = ledger_of({"a": side(error=lambda point, _: 1.0 if point[0] > 0.5 else 0.3, explore=EVEN)})
    assert row(good_volumes(ledger), space="declared", measured_from="common best")["volume"] == 0.5


def test_log_axes_are_measured_as_they_are_sampled(side, ledger_of):
    """Good where 1 - momentum < .1: half of the space on the axis of log(1 - momentum), a tenth of its values."""
    space = {"learning_rate": LOG, "momentum": COMPLEMENT}
    ledger = ledger_of({"a": side(error=lambda p, _: 0.3 if p[1] > 0.5 else 0.6, space=space, explore=64)})
    assert row(good_volumes(ledger), space="declared", measured_from="common best")["volume"] == 0.5
    momenta = ledger.trials.filter(pl.col("validation_error") == 0.3)["momentum"]
    assert (momenta > 0.9).all()


def test_draws_are_at_least_2000_and_the_same_every_time(side, ledger_of):
    ledger = ledger_of({"a": side(error=slope(0.4)), "b": side(error=slope(0.1))})
    one, again = good_volume_difference(ledger, "a", "b"), good_volume_difference(ledger, "a", "b")
    assert one.draws.shape == (NUM_DRAWS,)
    assert NUM_DRAWS >= 2000
    np.testing.assert_array_equal(one.draws, again.draws)
    np.testing.assert_array_equal(one.draws, -good_volume_difference(ledger, "b", "a").draws)
    assert np.std(one.draws) > 0


def test_an_optimizer_does_not_differ_from_itself(side, ledger_of):
    found = good_volume_difference(ledger_of({"a": side(error=slope(0.4))}), "a", "a")
    assert found.estimate == 0
    assert not found.draws.any()


def judged_by_other_seeds(drawn, weights):
    """Error of the best of all drawn points, chosen without the seed that judges it; one loop after the other."""
    if (weights > 0).sum() == 1:
        return min((errors @ weights).min() for errors in drawn.values())
    total = 0.0
    for seed, weight in enumerate(weights):
        others = np.delete(weights, seed) / np.delete(weights, seed).sum() if weight else None
        if weight:
            candidates = [row for errors in drawn.values() for row in errors]
            best = min(candidates, key=lambda row: np.delete(row, seed) @ others)
            total += weight * best[seed]
    return total


def test_the_best_of_noisy_points_is_not_too_low():
    """64 points that are all alike: their lowest mean is .02 below, judged by other seeds they are not."""
    random = np.random.default_rng(4)
    found, lowest = [], []
    for _ in range(200):
        errors = [0.3 + random.normal(0, 0.02, (32, 4)) for _ in range(2)]
        even, every = np.full((1, 4), 1 / 4), [np.arange(32)[None]] * 2
        found.append(best_error(errors, even, every)[0])
        lowest.append(min(own.mean(axis=1).min() for own in errors))
    assert np.mean(lowest) < 0.3 - 0.02
    assert abs(np.mean(found) - 0.3) < 4 * np.std(found) / np.sqrt(200)


def test_the_best_of_one_seed_is_the_lowest_error():
    errors = [np.array([[0.4], [0.3]]), np.array([[0.35], [0.5]])]
    assert best_error(errors, np.ones((1, 1)), [np.array([[0, 1]])] * 2) == [0.3]


def test_draws_agree_with_a_loop_over_resampled_points_and_seeds(side, ledger_of):
    random = np.random.default_rng(3)
    rise = 0.08 * np.linspace(0, 1, 16)[:, None]
    errors = {name: 0.3 + rise + 0.02 * random.random((16, 3)) for name in "ab"}

    def error_of(name):
        places = {point: place for place, point in enumerate(np.linspace(0, 1, 16))}
        return lambda point, replicate: errors[name][places[point[0]], replicate]

    grid = [[point] for point in np.linspace(0, 1, 16)]
    sides = {name: side(error=error_of(name), explore=grid) for name in "ab"}
    draws = good_volume_difference(ledger_of(sides, num_seeds=3), "a", "b").draws
    seeds = draw_seeds(3)
    points = {name: draw_points(name, 16) for name in "ab"}
    compared = 0
    for draw in range(200):
        means = {name: errors[name][points[name][draw]] @ seeds[draw] for name in "ab"}
        level = judged_by_other_seeds({name: errors[name][points[name][draw]] for name in "ab"}, seeds[draw]) + 0.02
        good = {name: int((means[name] <= level).sum()) for name in "ab"}
        if all(0 < count < 16 for count in good.values()):
            assert draws[draw] == pytest.approx((good["a"] - good["b"]) / 16)
            compared += 1
    assert compared > 150


def test_no_good_point_among_16_is_no_proof_that_there_is_none(side, ledger_of):
    """Jeffreys' interval of 0 of 16 ends at .1475 (quantile .975 of Beta(.5, 16.5))."""
    ledger = ledger_of({"flat": side(error=slope(0, best=0.9)), "good": side(error=slope(0.2))})
    found = row(good_volumes(ledger), optimizer="flat", space="declared", measured_from="common best")
    assert found["volume"] == 0
    assert found["low"] < 0.001
    assert 0.13 < found["high"] < 0.17


@pytest.mark.parametrize(
    ("axis", "published", "expected"),
    [
        (LOG, 0.01, (-4, 0)),
        (Axis(low=0.9, high=0.9999, scale="log_complement"), 0.999, (1, 5)),
        (COMPLEMENT, 0.9, (0, 3)),
        (Axis(low=0, high=10, scale="linear"), 5, (0.05, 500)),
        (Axis(low=-10, high=0, scale="linear"), -5, (-500, -0.05)),
        (Axis(low=-1, high=2, scale="linear"), 0, (-1, 2)),
    ],
)
def test_the_common_rule_is_two_decades_either_way(axis, published, expected):
    assert rule_range(axis, published) == pytest.approx(expected, abs=1e-9)


def test_the_common_rule_counts_the_points_within_it(side, ledger_of):
    """D searched over 8 decades, published one decade below its end: the rule reaches 2 decades down and 1 up."""
    space = {"learning_rate": LOG, "diffusion": Axis(low=1e-9, high=0.1, scale="log")}
    published = {"learning_rate": 0.01, "diffusion": 0.01}
    error = lambda point, _: 0.3 if point[1] > 13 / 16 else 0.6  # noqa: E731
    ledger = ledger_of({"a": side(error=error, space=space, published=published, explore=128)})
    table = good_volumes(ledger).filter(space="common rule", measured_from="common best")
    found = row(table, optimizer="a")
    assert found["num_points"] == 48  # three decades of eight
    assert found["covered"] == pytest.approx(0.75)
    assert found["volume"] == pytest.approx(0.5)  # the upper decade and a half of three


def test_a_rule_with_too_few_points_says_how_many_are_missing(side, ledger_of):
    space = {"learning_rate": LOG, "diffusion": Axis(low=1e-9, high=0.1, scale="log")}
    published = {"learning_rate": 0.01, "diffusion": 0.01}
    ledger = ledger_of({"a": side(space=space, published=published, explore=16)})
    found = row(good_volumes(ledger), space="common rule", measured_from="common best")
    assert found["volume"] is None
    assert found["reason"] == (
        "a has 6 of the 16 explore points that its good volume over the common rule needs: 10 are missing."
    )


def test_a_difference_without_a_number_has_its_reason(side, ledger_of):
    ledger = ledger_of({"a": side(), "few": side(explore=9), "none": side(space={}, explore=[[]] * 16)})
    assert good_volume_difference(ledger, "a", "few") == Missing(
        "few has 9 of the 16 explore points that its good volume needs: 7 are missing."
    )
    assert good_volume_difference(ledger, "none", "a") == Missing(
        "none declares no search space, so it has no good volume."
    )
    with pytest.raises(ValueError, match=r"Unknown optimizer 'adamax'; this study holds a, few, none"):
        good_volume_difference(ledger, "a", "adamax")


def test_identical_points_are_all_good(side, ledger_of):
    ledger = ledger_of({"a": side(explore=[[0.5]] * 16)})
    assert row(good_volumes(ledger), space="declared", measured_from="common best")["volume"] == 1


def test_a_study_without_explore_points_has_reasons_only(side, ledger_of):
    table = good_volumes(ledger_of({"a": side(explore=[], exploit=[[0.5]])}))
    assert table["volume"].null_count() == table.height == 4
    assert table["reason"].str.contains("16 are missing").all()


def test_seeds_are_drawn_jointly():
    """One seed for all points: the weights of a draw belong to the draw, not to a point."""
    seeds = draw_seeds(3)
    assert seeds.shape == (NUM_DRAWS, 3)
    np.testing.assert_allclose(seeds.sum(axis=1), 1)
    np.testing.assert_allclose(seeds.mean(axis=0), 1 / 3, atol=5 * np.sqrt(2 / 27 / NUM_DRAWS))


@pytest.mark.slow
def test_the_interval_of_a_difference_covers_the_true_one(side, ledger_of):
    """Random points, a seed effect common to all points and one of its own: 95 % intervals from 16 points, 4 seeds."""
    num_studies, covered = 400, 0
    random = np.random.default_rng(7)
    for _ in range(num_studies):
        common = random.normal(0, 0.004, 4)
        sides = {}
        for name, steepness in (("a", 0.05), ("b", 0.15)):
            places = random.random(16)
            noise = {(place, r): random.normal(0, 0.004) for place in places for r in range(4)}
            sides[name] = side(
                error=lambda p, r, s=steepness, n=noise, c=common: 0.3 + s * abs(p[0] - 0.5) + c[r] + n[p[0], r],
                explore=[[place] for place in places],
            )
        found = good_volume_difference(ledger_of(sides, num_seeds=4), "a", "b")
        low, high = np.quantile(found.draws, [0.025, 0.975])
        truth = 0.8 - 0.04 / 0.15  # |u - .5| <= .02 / steepness
        covered += low <= truth <= high
    assert covered / num_studies > 0.95 - 3 * np.sqrt(0.95 * 0.05 / num_studies)


def test_points_of_two_tunings_are_drawn_apart():
    """Scrambling only mirrors the halves of a Sobol sequence: drawn alike, two tunings would add up or cancel."""
    for seed in range(4):
        shares = [
            (qmc.Sobol(1, rng=[seed, repeat]).random(64)[:, 0] < 0.5)[draw_points("a", 64, repeat=repeat)].mean(axis=1)
            for repeat in range(2)
        ]
        expected = np.sqrt(sum(own.var() for own in shares)) / 2
        assert abs(np.mean(shares, axis=0).std() / expected - 1) < 5 / np.sqrt(2 * NUM_DRAWS)


def test_the_draws_of_a_study_are_those_of_its_repeat(side, ledger_of):
    ledger = ledger_of({"a": side(explore=[[place / 15] for place in range(16)]), "b": side(explore=[[0.5]] * 16)})
    again = replace(ledger, study=replace(ledger.study, identity={**ledger.study.identity, "repeat": 1}))
    one, other = (good_volume_difference(found, "a", "b") for found in (ledger, again))
    assert one.estimate == other.estimate
    assert not np.array_equal(one.draws, other.draws)


def test_which_of_equal_points_counts_does_not_depend_on_the_order_of_the_study():
    errors = {"adam": [[0.3, 0.5]], "sgd": [[0.3, 0.4]], "zero": [[0.3, 0.6]]}
    found = {
        name: Cloud(
            optimizer=name,
            hyperparameters=("learning_rate",),
            numbers=np.arange(1),
            points=np.zeros((1, 1)),
            errors=np.array(own),
        )
        for name, own in errors.items()
    }
    # Seed 0 finds all equal, and adam comes first in the alphabet: seed 1 gives 0.5. Seed 1 finds sgd: 0.3.
    for order in (["adam", "sgd", "zero"], ["sgd", "zero", "adam"], ["zero", "adam", "sgd"]):
        assert _common_best({name: found[name] for name in order})[0] == pytest.approx((0.5 + 0.3) / 2)
