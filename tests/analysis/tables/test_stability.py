"""Tables of labels and of the spread over seeds."""

import math

import numpy as np
import polars as pl
import pytest
from scipy import stats

from analysis.ledger.load import load
from analysis.metrics import METRICS, Setup, measure
from analysis.statistics.intervals import wilson_interval
from analysis.tables.stability import LABELS, bootstrap_spread, normal_spread, outcomes, rates, seed_spread

SETUP = Setup(chance_accuracy=0.1, num_steps=375)


def labelled(**columns):
    """Rows as `outcomes` returns them, with those of `columns`."""
    count = len(next(iter(columns.values())))
    nothing = {label: [False] * count for label in LABELS} | {f"{label}_step": [None] * count for label in LABELS}
    types = dict.fromkeys((f"{label}_step" for label in LABELS), pl.Int64)
    return pl.DataFrame(nothing | columns, schema_overrides=types)


def test_what_went_wrong_with_each_replicate(synthetic, tmp_path):
    endings = {("sgd", "confirm", 0, 1): "diverged", ("sgd", "confirm", 0, 2): "failed"}
    ledger = load(synthetic(outcome=lambda key: endings.get(key, "complete")).write(tmp_path / "study"))
    found = outcomes(ledger.trials, ledger.epochs, SETUP)
    assert found.height == ledger.trials.filter(pl.col("status") != "failed").height
    assert found["diverged"].to_list() == (found["status"] == "diverged").to_list()
    row = found.filter(optimizer="sgd", phase="confirm", number=0, replicate=1).row(0, named=True)
    assert (row["diverged_step"], row["unstable"], row["unstable_step"], row["collapsed"]) == (17, True, 17, False)
    whole = found.filter(optimizer="sgd", phase="confirm", number=0, replicate=0).row(0, named=True)
    assert (whole["diverged_step"], whole["unstable"], whole["blown_up"], whole["blown_up_step"]) == (
        None,
        False,
        False,
        None,
    )


def test_labels_of_curves_stand_with_their_step(synthetic, tmp_path):
    ledger = load(synthetic(num_epochs=5).write(tmp_path / "study"))
    number = pl.col("number")
    wild = pl.when(number == 1).then(9.0).otherwise("train_loss")
    lost = pl.when((number == 2) & (pl.col("epoch") > 3)).then(0.9).otherwise("validation_error")
    epochs = ledger.epochs.with_columns(wild.alias("train_loss"), lost.alias("validation_error"))
    trials = ledger.trials.filter(phase="explore", status="complete")
    found = outcomes(trials, epochs, SETUP)
    assert found.filter(number == 1)["blown_up_step"].to_list() == [125] * found.filter(number == 1).height
    assert found.filter(number == 2)["collapsed_step"].to_list() == [4 * 125] * found.filter(number == 2).height
    assert found.filter(number == 2)["unstable_step"].to_list() == [4 * 125] * found.filter(number == 2).height
    assert not found.filter(number > 2).select(pl.any_horizontal(LABELS)).to_series().any()
    assert found.filter(number < 3).height > 0


def first_in_a_row(is_true, length):
    """Step of the first of `length` true values in a row, by brute force; 7 steps per evaluation."""
    places = [place for place in range(len(is_true) - length + 1) if all(is_true[place : place + length])]
    return 7 * (places[0] + 1) if places else None


def test_labels_agree_with_brute_force_and_runs_do_not_leak_into_one_another():
    num_runs, num_epochs, random = 300, 6, np.random.default_rng(0)
    trials = pl.DataFrame(
        {"optimizer": "sgd", "phase": "sweep", "number": range(num_runs), "replicate": 0, "status": "complete"}
    ).with_columns(diverged_step=pl.lit(None, dtype=pl.Int64))
    losses = random.choice([2.0, 7.0], size=(num_runs, num_epochs))
    accuracies = random.choice([0.1, 0.12, 0.15, 0.3], size=(num_runs, num_epochs))
    epochs = (
        trials.select("optimizer", "phase", "number", "replicate")
        .join(pl.DataFrame({"epoch": range(1, num_epochs + 1)}), how="cross", maintain_order="left_right")
        .with_columns(
            pl.Series("train_loss", losses.ravel()),
            pl.Series("validation_error", 1 - accuracies.ravel()),
            validation_loss=2.0,
            steps=7,
        )
    )
    found = outcomes(trials, epochs, SETUP)
    expected = [first_in_a_row(row > 3 * math.log(10), 3) for row in losses]
    assert found["blown_up_step"].to_list() == expected
    assert {None, 7, 28} <= set(expected)
    lost = [
        first_in_a_row([accuracy < 0.13 and max(row[: place + 1]) > 0.2 for place, accuracy in enumerate(row)], 2)
        for row in accuracies
    ]
    assert found["collapsed_step"].to_list() == lost
    assert {None, 14, 35} <= set(lost)


def test_a_replicate_without_evaluations_has_no_label(synthetic, tmp_path):
    ledger = load(synthetic().write(tmp_path / "study"))
    found = outcomes(ledger.trials, ledger.epochs.clear(), SETUP)
    assert found["blown_up"].null_count() == found["collapsed"].null_count() == found.height
    assert found.filter(status="diverged")["unstable"].all()


def test_what_cannot_be_told_is_null(synthetic, tmp_path):
    ledger = load(synthetic().write(tmp_path / "study"))
    found = outcomes(ledger.trials, ledger.epochs, Setup())
    complete = found.filter(status="complete")
    assert complete["collapsed"].null_count() == complete["unstable"].null_count() == complete.height
    # The initial loss is that of the first step where there are step losses.
    assert (
        complete.filter(phase="confirm")["blown_up"].to_list().count(False) == complete.filter(phase="confirm").height
    )
    assert found.filter(status="diverged")["unstable"].all()
    table = rates(found.filter(status="complete"), ["optimizer"]).filter(optimizer="sgd", label="collapsed")
    assert table.select("replicates", "events", "rate", "low", "median_step").row(0) == (0, 0, None, None, None)


def test_rates_by_hand():
    rows = labelled(
        optimizer=["a", "a", "a", "a", "b"],
        diverged=[True, True, False, False, False],
        diverged_step=[10, 30, None, None, None],
        collapsed=[None, True, False, False, False],
        collapsed_step=[None, 5, None, None, None],
    )
    found = {(row["optimizer"], row["label"]): row for row in rates(rows, ["optimizer"]).to_dicts()}
    assert [label for name, label in found if name == "a"] == list(LABELS)
    row, expected = found["a", "diverged"], wilson_interval(2, 4)
    assert (row["replicates"], row["events"], row["rate"], row["median_step"]) == (4, 2, 0.5, 20)
    assert (row["low"], row["high"]) == (expected.low, expected.high)
    assert (found["a", "collapsed"]["replicates"], found["a", "collapsed"]["events"]) == (3, 1)
    assert (found["b", "diverged"]["rate"], found["b", "diverged"]["median_step"]) == (0, None)


def test_a_stability_map_is_rates_by_two_hyperparameters():
    rows = labelled(
        learning_rate=[0.1, 0.1, 0.1, 0.01], diffusion=[1.0, 1.0, 0.0, 1.0], diverged=[True, False, False, False]
    )
    found = rates(rows, ["learning_rate", "diffusion"]).filter(label="diverged")
    assert found.select("learning_rate", "diffusion", "rate").rows() == [(0.01, 1, 0), (0.1, 0, 0), (0.1, 1, 0.5)]


def test_with_five_seeds_the_normal_interval_is_060_to_287_times_the_estimate():
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    found, spread = normal_spread(values), float(np.std(values, ddof=1))
    assert (found.low / spread, found.high / spread) == pytest.approx((0.60, 2.87), abs=0.005)


def test_the_normal_interval_covers_as_often_as_promised():
    samples = np.random.default_rng(0).normal(size=(2000, 5))
    covered = np.mean([(found := normal_spread(row, 0.9)).low <= 1 <= found.high for row in samples])
    assert abs(covered - 0.9) < 5 * math.sqrt(0.9 * 0.1 / 2000)


def test_the_bootstrap_interval_agrees_with_scipy_and_repeats():
    values = np.random.default_rng(1).normal(size=40)
    found = bootstrap_spread(values)
    expected = stats.bootstrap(
        (values,),
        lambda sample, axis: sample.std(axis=axis, ddof=1),
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.02)
    assert found == bootstrap_spread(values)


def test_the_spread_of_identical_seeds_is_a_point():
    found = bootstrap_spread([0.25] * 4)
    assert (found.low, found.high) == (0, 0)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan]])
def test_a_spread_needs_two_finite_values(values):
    for interval in (bootstrap_spread, normal_spread):
        with pytest.raises(ValueError, match="a spread needs at least 2 values, all finite"):
            interval(values)


def test_diverged_seeds_are_counted_beside_the_spread():
    rows = pl.DataFrame(
        {
            "optimizer": ["a", "a", "a", "b", "c"],
            "status": ["complete", "complete", "diverged", "complete", "diverged"],
            "value": [0.2, 0.4, 1.0, 0.3, None],
        }
    )
    found = {row["optimizer"]: row for row in seed_spread(rows, ["optimizer"]).to_dicts()}
    assert found["a"]["spread"] == pytest.approx(np.std([0.2, 0.4], ddof=1))
    assert found["a"]["low"] == 0 < found["a"]["normal_low"]
    assert (found["a"]["num_values"], found["a"]["num_diverged"]) == (2, 1)
    assert (found["b"]["spread"], found["b"]["num_values"], found["b"]["num_diverged"]) == (None, 1, 0)
    assert (found["c"]["spread"], found["c"]["num_values"], found["c"]["num_diverged"]) == (None, 0, 1)


def test_the_spread_of_a_metric_over_the_seeds_of_a_study(ledger_dir):
    ledger = load(ledger_dir)
    values = measure(METRICS["test_error"], ledger.trials.filter(phase="confirm"), ledger.epochs)
    found = seed_spread(values, ["optimizer", "number"])
    assert found["num_values"].to_list() == [3] * found.height
    own = values.filter(optimizer=found["optimizer"][0], number=found["number"][0])["value"]
    assert found["spread"][0] == pytest.approx(own.std())
