"""Curves over one hyperparameter at a time: known surfaces, divergence, domains, missing runs."""

import numpy as np
import polars as pl
import pytest

from analysis.ledger.load import load
from analysis.ledger.sweep_design import STEPS
from analysis.statistics.intervals import mean_interval
from analysis.tables.overview import overview_of
from analysis.tables.sensitivity import Missing, OneAtATime, imprecision_costs, one_at_a_time, sweeps
from analysis.tables.sensitivity.learning_rate import responses
from analysis.tables.sensitivity.one_at_a_time_tables import curve_means, curve_runs


@pytest.fixture
def swept(synthetic, tmp_path):
    """Writes a study of nine seeds of confirmation and sweep; returns its folder."""

    def make(**changes):
        fields = {"num_sweep_seeds": 9, "num_confirm_seeds": 9, "num_trials": 9, "merged": False, **changes}
        return synthetic(**fields).write(tmp_path / "study")

    return make


def test_a_curve_holds_the_winner_and_every_step_on_the_seeds_of_the_confirmation(swept, synthetic):
    ledger = load(swept(rate_limit=9.0))
    best = overview_of(ledger).best["momentum"].hyperparameters
    curve = one_at_a_time(ledger)["momentum"]["learning_rate"]
    assert curve.steps.tolist() == sorted([*STEPS, 0.0])
    assert curve.values == pytest.approx(best["learning_rate"] * 10**curve.steps)
    for value, errors in zip(curve.values, curve.errors, strict=True):
        settings = {**best, "learning_rate": float(value)}
        assert errors == pytest.approx([synthetic().error(settings, 100 + seed) for seed in range(9)])
    assert not curve.lost.any()


def test_a_diverged_run_counts_as_error_one_and_as_lost(swept):
    curve = one_at_a_time(load(swept(rate_limit=0.2)))["sgd"]["learning_rate"]
    is_lost = curve.values > 0.25
    assert is_lost.any()
    assert (curve.errors[is_lost] == 1).all()
    assert curve.lost[is_lost].all()
    assert not curve.lost[curve.values < 0.15].any()


def test_a_collapsed_run_counts_as_lost(swept):
    ledger = load(swept())
    assert not one_at_a_time(ledger)["sgd"]["learning_rate"].lost[0].any()
    curve = one_at_a_time(ledger, ledger.trials.filter(optimizer="sgd", phase="sweep", number=0))
    assert curve["sgd"]["learning_rate"].lost[0].all()


def test_steps_beyond_the_domain_are_no_part_of_the_curve(swept):
    """A momentum of .1 can be missed by 1.8 and more to the upper side alone."""
    space = {"momentum": {"low": 0.05, "high": 0.15, "scale": "log_complement", "unit": "1"}}
    ledger = load(swept(optimizers={"mine": {"space": space, "published": {"momentum": 0.1}}}))
    assert one_at_a_time(ledger)["mine"]["momentum"].steps.tolist() == [0.0, 0.25, 0.5, 1.0]


@pytest.mark.parametrize(
    ("gone", "reason"),
    [
        ("0-sweep-1-*", "9 runs of sgd around its winner are missing for learning_rate."),
        ("0-confirm-1-*", "The winner of sgd has not been confirmed, so that a sweep has nothing to be compared with."),
    ],
)
def test_a_curve_with_a_hole_is_none(swept, gone, reason):
    folder = swept(group_size=9)
    files = list(folder.glob(f"*/{gone}"))
    assert files
    for path in files:
        path.unlink()
    found = one_at_a_time(load(folder))
    assert found["sgd"]["learning_rate"] == Missing(reason)
    assert isinstance(found["momentum"]["learning_rate"], OneAtATime)
    assert imprecision_costs(found["sgd"]) == Missing(reason)


def test_a_failed_run_is_a_hole(swept):
    def outcome(key):
        return "failed" if key == ("sgd", "sweep", 2, 4) else "complete"

    found = one_at_a_time(load(swept(outcome=outcome)))["sgd"]["learning_rate"]
    assert found == Missing("1 run of sgd around its winner is missing for learning_rate.")


def test_a_study_of_nine_learning_rates_has_no_curves_and_says_why(swept):
    ledger = load(swept(num_sweep_seeds=None))
    reason = "The study has a sweep of nine learning rates on the tuning seeds alone."
    assert one_at_a_time(ledger)["momentum"] == dict.fromkeys(("learning_rate", "momentum"), Missing(reason))
    assert curve_runs(one_at_a_time(ledger)).is_empty()


def test_a_study_without_a_sweep_has_no_curves(swept):
    ledger = load(swept(phases=("tuning", "confirm")))
    assert one_at_a_time(ledger)["sgd"] == {"learning_rate": Missing("The study has no sweep.")}


def test_the_tables_hold_every_run_and_the_means_over_seeds(swept):
    curves = one_at_a_time(load(swept(rate_limit=0.2)))
    runs, means = curve_runs(curves), curve_means(curves)
    again = runs.group_by("optimizer", "hyperparameter", "step", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("num_seeds"),
        pl.col("has_diverged").sum().cast(pl.Int64).alias("num_diverged"),
        pl.col("validation_error").mean(),
    )
    for column in again.columns:
        expected = again[column].to_list()
        assert means[column].to_list() == (pytest.approx(expected) if column == "validation_error" else expected)
    far = means.row(by_predicate=(pl.col("optimizer") == "sgd") & (pl.col("step") == -1), named=True)
    curve = curves["sgd"]["learning_rate"]
    excess = mean_interval((curve.errors[0] - curve.errors[3]).tolist())
    found = (far["excess"], far["excess_low"], far["excess_high"])
    assert found == pytest.approx((excess.mean, excess.low, excess.high))
    assert means.filter(step=0)["excess"].is_null().all()


def test_the_response_to_the_learning_rate_is_measured_on_the_same_runs(swept):
    ledger = load(swept(rate_limit=0.2))
    curve = one_at_a_time(ledger)["sgd"]["learning_rate"]
    np.testing.assert_array_equal(sweeps(ledger)["sgd"].errors, curve.errors)
    row = responses(ledger).row(by_predicate=pl.col("optimizer") == "sgd", named=True)
    assert (row["num_rates"], row["num_seeds"], row["reason"]) == (7, 9, None)
    assert row["headroom"] == pytest.approx(np.log10(curve.values[curve.lost.all(axis=1)][0] / row["best_rate"]))
