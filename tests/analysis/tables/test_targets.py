"""Rates, expected times, survival and profiles against hand counts and published examples."""

import math
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from scipy import stats
from scipy.special import ndtri

from analysis.ledger.load import load
from analysis.metrics import METRICS, Setup, measure
from analysis.statistics.intervals import wilson_interval
from analysis.tables.overview import overview_of
from analysis.tables.settings import TRIAL
from analysis.tables.targets import (
    kaplan_meier,
    performance_profiles,
    performance_ratios,
    profile_scores,
    survival_curves,
    target_times,
    times_to_target,
)

SETUP = Setup(targets=(0.3, 0.5), chance_accuracy=0.1, num_steps=375)


def times_of(times, budget=100.0, target=0.3, optimizer="sgd"):
    """One group of replicates; None misses the target."""
    return pl.DataFrame(
        {
            "optimizer": optimizer,
            "setting": "tuned",
            "number": 1,
            "replicate": range(len(times)),
            "status": "complete",
            "target": target,
            "time": [budget if time is None else float(time) for time in times],
            "reached": [time is not None for time in times],
            "budget": budget,
        }
    )


def cells_of(times, **others):
    """Cells with expected times by optimizer, one entry per target."""
    rows = [
        {"optimizer": name, "setting": "tuned", "target": float(place), "expected_time": value, **others}
        for name, values in times.items()
        for place, value in enumerate(values)
    ]
    return pl.DataFrame(rows, schema_overrides={"expected_time": pl.Float64})


def test_misses_cost_their_whole_budget():
    # Times 20 and 40, two misses of 100: 260 steps for 2 successes; the mean over successes alone would be 30.
    row = times_to_target(times_of([20, 40, None, None])).row(0, named=True)
    assert (row["replicates"], row["successes"], row["success_rate"]) == (4, 2, 0.5)
    assert row["expected_time"] == pytest.approx(130)
    assert row["restricted_mean"] == pytest.approx(65)
    found = wilson_interval(2, 4)
    assert (row["success_low"], row["success_high"]) == (found.low, found.high)
    assert row["restricted_low"] < 65 < row["restricted_high"]


def test_without_a_success_there_is_no_expected_time_but_a_restricted_mean():
    row = times_to_target(times_of([None, None])).row(0, named=True)
    assert row["expected_time"] is None
    assert (row["success_rate"], row["restricted_mean"]) == (0, 100)


def test_each_optimizer_setting_and_target_has_a_row():
    times = pl.concat([times_of([10], target=target, optimizer=name) for target in (0.3, 0.5) for name in ("a", "b")])
    found = times_to_target(times)
    assert found.select("optimizer", "target").rows() == [("a", 0.3), ("b", 0.3), ("a", 0.5), ("b", 0.5)]


def test_kaplan_meier_of_the_leukaemia_trial():
    """The treated group of Freireich et al. (1963), as printed in textbooks with Greenwood's errors."""
    there = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    lost = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    found = kaplan_meier([*there, *lost], [True] * len(there) + [False] * len(lost), end=35)
    assert found["time"].to_list() == [0, 6, 7, 10, 13, 16, 22, 23, 35]
    assert found["at_risk"].to_list() == [21, 21, 17, 15, 12, 11, 7, 6, 1]
    assert found["events"].to_list() == [0, 3, 1, 1, 1, 1, 1, 1, 0]
    share = [1, 0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448, 0.448]
    assert found["share"].to_list() == pytest.approx(share, abs=5e-4)
    # The textbook's standard error at 23 is 0.135; on the scale of log(-log S) it is divided by S |log S|.
    width = 1.96 * 0.1346 / (0.4482 * abs(math.log(0.4482)))
    expected = (0.4482 ** math.exp(width), 0.4482 ** math.exp(-width))
    assert (found["low"][-1], found["high"][-1]) == pytest.approx(expected, abs=1e-3)


def product_limit(times, reached, level):
    """Share, low and high after each event: the product and Greenwood's sum in exact fractions."""
    quantile = float(ndtri((1 + level) / 2))
    share, greenwood = Fraction(1), Fraction(0)
    for time in np.unique(times[reached]):
        at_risk, events = int((times >= time).sum()), int((reached & (times == time)).sum())
        share *= 1 - Fraction(events, at_risk)
        if share == 0:
            given_up = int((~reached).sum())
            yield 0, 0, stats.beta.ppf((1 + level) / 2, given_up + 1, len(times) - given_up)
        else:
            greenwood += Fraction(events, at_risk * (at_risk - events))
            width = quantile * math.sqrt(greenwood) / -math.log(share)
            yield float(share), float(share) ** math.exp(width), float(share) ** math.exp(-width)


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("seed", range(20))
def test_kaplan_meier_is_the_product_limit_with_greenwoods_interval(seed, level):
    """Ties among those that get there and those that are given up are common here."""
    random = np.random.default_rng(seed)
    times, reached = random.integers(1, 20, size=3 + seed).astype(float), random.random(3 + seed) < 0.6
    found = kaplan_meier(times, reached, end=20, level=level).filter(pl.col("events") > 0)
    for row, expected in zip(found.rows(), product_limit(times, reached, level), strict=True):
        # The exact end of a share of 0 is found by bisection.
        precision = 1e-15 if expected[0] else 1e-11
        for number, exact in zip(row[3:], expected, strict=True):
            assert number == pytest.approx(exact, rel=0, abs=precision)


def test_with_one_common_budget_survival_is_the_share_still_on_their_way():
    times = [30.0, 10.0, 20.0, 20.0]
    found = kaplan_meier([*times, 100.0], [True] * 4 + [False], end=100)
    assert found["time"].to_list() == [0, 10, 20, 30, 100]
    assert found["share"].to_list() == pytest.approx([1, 0.8, 0.4, 0.2, 0.2])


def test_survival_ends_at_zero_if_all_get_there_and_stays_at_one_if_none_do():
    every, none = kaplan_meier([5.0, 5.0], [True, True], end=10), kaplan_meier([10.0], [False], end=10)
    assert every["share"].to_list() == [1, 0, 0]
    assert none["share"].to_list() == [1, 1]


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("number", [1, 2, 12])
def test_the_band_of_all_or_none_is_the_exact_one(number, level):
    """None of n fail with probability p^n for a share p: its lower end is (alpha / 2)^(1 / n), and so for all."""
    edge = ((1 - level) / 2) ** (1 / number)
    none = kaplan_meier([10.0] * number, [False] * number, end=10, level=level)
    assert none["low"].to_list() == pytest.approx([edge] * 2)
    assert none["high"].to_list() == [1, 1]
    every = kaplan_meier([5.0] * number, [True] * number, end=10, level=level)
    assert every["low"].to_list() == pytest.approx([edge, 0, 0])
    assert every["high"].to_list() == pytest.approx([1, 1 - edge, 1 - edge])


def test_a_band_counts_only_those_that_were_seen_to_the_end_of_it():
    """Of 4 one is given up at 3, before the first gets there; when the others have, it counts as not there."""
    found = kaplan_meier([3.0, 5.0, 6.0, 7.0], [False, True, True, True], end=8)
    assert found["at_risk"].to_list() == [4, 3, 2, 1, 0]
    assert found["low"][0] == pytest.approx(0.025 ** (1 / 3))
    high = stats.binomtest(1, 4).proportion_ci(0.95, "exact").high
    assert found.select("low", "high").rows()[-2:] == [(0, high)] * 2


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.99])
def test_the_band_before_the_first_and_after_the_last_holds_the_true_share(share):
    """Of 12 all or none are there; the share is outside with probability 2.5 % at most on either side."""
    none = kaplan_meier([9.0] * 12, [False] * 12, end=9)["low"][0]
    every = kaplan_meier([5.0] * 12, [True] * 12, end=9)["high"][-1]
    assert share >= none or share**12 <= 0.025
    assert share <= every or (1 - share) ** 12 <= 0.025


def test_survival_curves_have_a_row_of_keys_for_each_group():
    times = pl.concat([times_of([10, None]), times_of([50], target=0.5)])
    found = survival_curves(times)
    assert found.filter(target=0.3)["share"].to_list() == [1, 0.5, 0.5]
    assert found.filter(target=0.5)["time"].to_list() == [0, 50, 100]
    assert survival_curves(times.clear()).columns == found.columns


def test_profile_by_hand():
    # Ratios of a: 1, 1, 3; of b: 2, 5, 1.
    ratios = performance_ratios(cells_of({"a": [10, 10, 30], "b": [20, 50, 10]}))
    assert ratios.filter(optimizer="a")["ratio"].to_list() == [1, 1, 3]
    profile = performance_profiles(ratios).filter(optimizer="b")
    assert profile["tau"].to_list() == [1, 2, 4]
    assert profile["share"].to_list() == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    scores = dict(profile_scores(ratios).select("optimizer", "score").rows())
    # Integrals from 1 to 4: a has 2/3 up to 3, then 1; b has 1/3 up to 2, then 2/3.
    assert scores["a"] == pytest.approx((2 / 3 * 2 + 1) / 3)
    assert scores["b"] == pytest.approx((1 / 3 + 2 / 3 * 2) / 3)


def test_the_score_is_the_area_under_the_profile():
    random = np.random.default_rng(0)
    ratios = performance_ratios(cells_of({name: list(random.lognormal(size=9)) for name in "abc"}))
    profile = performance_profiles(ratios)
    for name, _, cells, score in profile_scores(ratios).rows():
        own = profile.filter(optimizer=name)
        area = (np.diff(own["tau"].to_numpy()) * own["share"].to_numpy()[:-1]).sum()
        assert (cells, score) == (9, pytest.approx(area / 3))


def test_a_target_that_is_never_reached_has_no_ratio_and_counts_against():
    ratios = performance_ratios(cells_of({"a": [10, None, None], "b": [10, 10, None]}))
    assert ratios.filter(optimizer="a")["ratio"].to_list() == [1, None, None]
    assert dict(profile_scores(ratios).select("optimizer", "score").rows()) == pytest.approx({"a": 1 / 3, "b": 2 / 3})
    assert performance_profiles(ratios).filter(optimizer="a")["share"].to_list() == pytest.approx([1 / 3, 1 / 3])


def test_a_cell_that_one_optimizer_lacks_is_left_out():
    one, other = cells_of({"a": [10], "b": [20]}, problem="one"), cells_of({"a": [10]}, problem="other")
    ratios = performance_ratios(pl.concat([one, other]))
    assert ratios["problem"].unique().to_list() == ["one"]


def test_times_of_a_study_agree_with_the_metric_of_its_runs(synthetic, tmp_path):
    study = synthetic(
        outcome=lambda key: {("sgd", "confirm", 0, 1): "diverged", ("sgd", "confirm", 0, 2): "failed"}.get(
            key, "complete"
        )
    )
    found = overview_of(load(study.write(tmp_path / "study")))
    trials, epochs = found.ledger.trials, found.ledger.epochs
    times = target_times(trials, epochs, found.shown, SETUP)
    published = times.filter(optimizer="sgd", setting="published")
    assert published["replicate"].to_list() == [0, 0, 1, 1]
    assert published.filter(status="diverged").select("time", "reached").rows() == [(375.0, False)] * 2
    means = times.group_by("optimizer", "number", "replicate").agg(pl.col("time").mean())
    values = measure(
        METRICS["restricted_steps_to_target"], trials.join(found.shown, on=TRIAL, how="semi"), epochs, SETUP
    )
    both = means.join(values.filter(phase="confirm"), on=["optimizer", "number", "replicate"])
    assert both.height == values.height > 4
    assert both["time"].to_list() == pytest.approx(both["value"].to_list())
    in_epochs = target_times(trials, epochs, found.shown, SETUP, clock="epochs")
    assert in_epochs["time"].to_list() == pytest.approx((times["time"] / 125).to_list())


def test_without_targets_there_are_no_times(synthetic, tmp_path):
    found = overview_of(load(synthetic().write(tmp_path / "study")))
    times = target_times(found.ledger.trials, found.ledger.epochs, found.shown, Setup())
    assert times.is_empty()
    summary = times_to_target(times)
    assert summary.is_empty()
    assert "expected_time" in summary.columns
    assert performance_profiles(performance_ratios(summary)).is_empty()
