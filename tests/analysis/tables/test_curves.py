"""The tables behind the figures, against the rows they come from."""

from dataclasses import replace

import polars as pl
import pytest

from analysis.claims.file import packaged_text, parse_claims
from analysis.ledger.load import load
from analysis.metrics import METRICS, PAIR_METRICS, Run, measure
from analysis.report.charts.palette import Palette
from analysis.report.contents import study_tables
from analysis.report.figures.cost import step_times
from analysis.tables.completeness import completeness
from analysis.tables.overview import overview_of
from analysis.verdicts.default_vocabulary import VOCABULARY


def findings_of(study, tmp_path):
    return overview_of(load(study.write(tmp_path / "study")))


@pytest.fixture
def some_diverge(synthetic, tmp_path):
    """The published setting of sgd: replicate 1 of 3 diverges in its first epoch of the confirmation."""
    return findings_of(
        synthetic(outcome=lambda key: "diverged" if key == ("sgd", "confirm", 0, 1) else "complete"), tmp_path
    )


def test_a_diverged_seed_keeps_error_one_and_leaves_the_mean_loss(some_diverge):
    seeds = some_diverge.seed_curves.filter(optimizer="sgd", setting="published", replicate=1)
    assert seeds["validation_error"].to_list() == [1.0, 1.0, 1.0]
    assert seeds["validation_loss"].to_list() == [None, None, None]
    curves = some_diverge.mean_curves.filter(optimizer="sgd", setting="published", epoch=3)
    counted = {row["quantity"]: (row["num_values"], row["num_rows"]) for row in curves.to_dicts()}
    assert counted["validation_error"] == (3, 3)
    assert counted["validation_loss"] == (2, 3)
    errors = some_diverge.seed_curves.filter(optimizer="sgd", setting="published", epoch=3)["validation_error"]
    assert curves.filter(quantity="validation_error")["mean"][0] == pytest.approx(errors.mean())


def test_the_gap_is_validation_minus_training_loss(some_diverge):
    gaps = some_diverge.final_gaps.filter(optimizer="momentum").drop_nulls("value")
    # The surface puts the losses 0.05 nats per epoch above and below the same value.
    assert gaps["value"].to_list() == pytest.approx([2 * 0.05 * 3] * gaps.height)


def test_a_diverged_seed_has_no_gap_and_is_listed(some_diverge):
    lost = some_diverge.final_gaps.filter(status="diverged")
    assert set(lost["setting"]) >= {"published"}
    assert lost["value"].null_count() == lost.height


def test_seconds_per_step_are_those_of_the_group(some_diverge):
    trials, epochs = some_diverge.ledger.trials, some_diverge.ledger.epochs
    complete = trials.filter(status="complete")
    values = measure(METRICS["seconds_per_step"], complete, epochs)["value"]
    assert values.to_list() == pytest.approx((complete["seconds"] / complete["steps"]).to_list())
    assert some_diverge.step_times["median"].is_between(0.004, 0.005).all()


def test_a_group_counts_once_in_the_step_times(some_diverge):
    groups = some_diverge.step_times["groups"].sum()
    complete = some_diverge.ledger.trials.filter(status="complete")
    assert groups == complete.select("optimizer", "phase", "number").unique().height


def test_steps_of_different_devices_are_not_put_together(some_diverge):
    ledger = some_diverge.ledger
    on_gpu = pl.when(pl.col("number") % 2 == 1).then(pl.lit("a GPU")).otherwise("device").alias("device")
    both = overview_of(replace(ledger, trials=ledger.trials.with_columns(on_gpu)))
    groups = both.step_times.group_by("device").agg(pl.col("groups").sum())
    expected = both.ledger.trials.filter(status="complete").unique(["optimizer", "phase", "number"])
    assert dict(groups.iter_rows()) == dict(expected.group_by("device").len().iter_rows())
    titles = [
        panel.description
        for panel in step_times(
            study_tables(both, parse_claims(packaged_text(), VOCABULARY)), Palette.of(ledger.study.optimizers)
        ).panels
    ]
    assert [title.rpartition(" on ")[2] for title in titles] == ["a GPU", "cpu"] * (len(titles) // 2)


def test_counts_add_up_to_the_trials(some_diverge):
    counts = some_diverge.counts
    parts = counts.select(pl.sum_horizontal("complete", "partly_diverged", "diverged", "failed"))
    assert parts.to_series().to_list() == counts["trials"].to_list()
    assert counts["replicates"].sum() == some_diverge.ledger.trials.height
    row = counts.filter(optimizer="sgd", phase="confirm").row(0, named=True)
    assert (row["partly_diverged"], row["replicates_diverged"]) == (1, 1)


def test_every_trial_stands_against_each_of_its_hyperparameters(some_diverge):
    responses = some_diverge.responses.filter(optimizer="momentum")
    assert set(responses["hyperparameter"]) == {"learning_rate", "momentum"}
    assert responses.filter(hyperparameter="momentum")["value"].to_list() == (
        responses.filter(hyperparameter="momentum")["setting.momentum"].to_list()
    )
    assert responses.filter(pl.col("winner"))["number"].unique().len() == 1


def test_a_complete_study_lacks_nothing(some_diverge):
    found = completeness(some_diverge)
    assert found.missing == ()
    assert found.done == found.planned == some_diverge.points.height


def test_what_a_partial_study_lacks_is_listed(synthetic, tmp_path):
    study = synthetic(num_trials=5, merged=False)
    folder = study.write(tmp_path / "study")
    for path in [*folder.glob("*/0-explore-4-*"), *folder.glob("*/1-confirm-1-*"), *folder.glob("*/1-sweep-*")]:
        path.unlink()
    found = completeness(overview_of(load(folder)))
    assert found.missing == ("sgd: 1 tuning trial", "momentum: 9 sweep trials and 1 confirmation trial")
    assert found.planned - found.done == 11


def test_a_sweep_of_every_hyperparameter_is_planned_around_the_winner(synthetic, tmp_path):
    study = synthetic(num_sweep_seeds=9, num_confirm_seeds=9, group_size=9, merged=False)
    folder = study.write(tmp_path / "study")
    found = completeness(overview_of(load(folder)))
    assert found.missing == ()
    planned = sum(len(list(study.points(name))) for name in study.optimizers)
    for path in folder.glob("*/1-sweep-1-*"):
        path.unlink()
    lacking = completeness(overview_of(load(folder)))
    assert lacking.missing == ("momentum: 1 sweep trial",)
    assert lacking.planned == found.planned == planned
    assert lacking.done == found.done - 1


def test_no_sweep_is_planned_without_a_learning_rate(synthetic, tmp_path):
    space = {"x": {"low": 0.0, "high": 1.0, "scale": "linear", "unit": "1"}}
    optimizers = {**synthetic().optimizers, "plain": {"space": space, "published": {"x": 0.5}}}
    found = completeness(findings_of(synthetic(optimizers=optimizers), tmp_path))
    assert found.missing == ()
    assert found.done == found.planned


@pytest.mark.parametrize(
    ("former", "gone", "missing"),
    [
        ({"momentum": {"learning_rate": 0.01, "momentum": 0.25}}, "1-sweep-9-*", 1),
        ({"momentum": {"learning_rate": 0.01, "momentum": 0.25}}, "1-sweep-[1-9]*", 9),
        ({"sgd": {"learning_rate": 0.002}}, "0-sweep-1[0-7]-*", 8),
    ],
)
def test_the_sweep_of_a_former_winner_does_not_count(synthetic, tmp_path, former, gone, missing):
    folder = synthetic(former_winners=former, merged=False).write(tmp_path / "study")
    name = next(iter(former))
    assert completeness(overview_of(load(folder))).missing == ()
    for path in folder.glob(f"*/{gone}"):
        path.unlink()
    what = f"{missing} sweep trial" + ("s" if missing > 1 else "")
    assert completeness(overview_of(load(folder))).missing == (f"{name}: {what}",)


def test_a_sweep_one_step_off_the_winner_does_not_count(synthetic, tmp_path):
    """Eight rates of a former winner half a decade away are rates of the new sweep too, at other places in it."""
    best = findings_of(synthetic(), tmp_path / "first").best["sgd"].hyperparameters
    former = {"sgd": {"learning_rate": best["learning_rate"] * 10**0.5}}
    folder = synthetic(former_winners=former, merged=False).write(tmp_path / "study")
    for path in [*folder.glob("*/0-sweep-9-*"), *folder.glob("*/0-sweep-1?-*")]:
        path.unlink()
    assert completeness(overview_of(load(folder))).missing == ("sgd: 9 sweep trials",)


def test_a_metric_declares_unit_and_direction():
    assert {"validation_error", "oscillation"} <= set(METRICS)
    assert "matched_loss_gap" in PAIR_METRICS
    for metric in (METRICS | PAIR_METRICS).values():
        assert metric.unit
        assert metric.better in ("higher", "lower")
        assert metric.function.__doc__


def test_a_diverged_run_scores_what_the_metric_declares():
    run = Run({"status": "diverged", "test_error": None}, pl.DataFrame())
    assert METRICS["test_accuracy"](run) == 0.0
    assert METRICS["validation_error"](run) == 1.0
    assert METRICS["generalization_gap"](run) is None
