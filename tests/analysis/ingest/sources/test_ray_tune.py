"""Folders of Ray Tune become ledgers with the numbers that they hold."""

import json
import math
import pathlib
import pickle
import re

import polars as pl
import pytest

from analysis.ingest.__main__ import main
from analysis.ledger.load import load
from analysis.report.write import write_report
from analysis.tables.overview import overview_of

HOW = (
    "--optimizer-key", "opt", "--seed-key", "seed",
    "--map", "learning_rate=lr", "validation_error=1-val_acc/100", "validation_loss=val_loss", "train_loss=loss",
)  # fmt: skip


@pytest.fixture
def arguments(experiment, description):
    """Arguments for a complete experiment of two optimizers, with confirmation on other seeds."""
    tuning = experiment("tuning").surface().root
    confirm = experiment("confirm").surface(optimizers=["sgd"], rates=[1e-2], seeds=[5, 6, 7], test_acc=60.0)
    confirm.surface(optimizers=["adam"], rates=[1e-3, 1e-2], seeds=[5, 6, 7], test_acc=55.0)
    return ["ray-tune", tuning, "--confirm", confirm.root, "--description", description(), *HOW,
            "test_error=1-test_acc/100"]  # fmt: skip


def test_every_number_arrives(arguments, taken):
    ledger = load(taken(*arguments))
    sgd = ledger.trials.filter(optimizer="sgd", phase="explore").sort("learning_rate", "seed")
    assert sgd["seed"].to_list() == [0, 1] * 3
    assert sgd["replicate"].to_list() == [0, 1] * 3
    assert sgd["learning_rate"].to_list() == [1e-3, 1e-3, 1e-2, 1e-2, 1e-1, 1e-1]
    expected = [0.3 + 0.05 * (math.log10(rate) + 2) ** 2 + 0.01 * seed
                for rate, seed in sgd.select("learning_rate", "seed").rows()]  # fmt: skip
    assert sgd["validation_error"].to_list() == pytest.approx(expected)
    curve = ledger.epochs.filter(optimizer="sgd", phase="explore", number=sgd["number"][2], replicate=0)
    assert curve["validation_error"].to_list() == pytest.approx([0.5, 0.4, 0.3])
    assert curve["validation_loss"].to_list() == pytest.approx([1.0, 0.8, 0.6])
    assert curve["train_loss"].to_list() == pytest.approx([0.9, 0.6, 0.3])
    assert curve["steps"].to_list() == [None] * 3
    assert ledger.trials["node"].unique().to_list() == ["192.0.2.2"]
    assert sgd["best_validation_error"].to_list() == sgd["validation_error"].to_list()


def test_winners_are_confirmed_and_the_published_setting_is_recognised(arguments, taken):
    found = overview_of(load(taken(*arguments)))
    sgd, adam = found.results
    assert sgd.best.hyperparameters == {"learning_rate": 1e-2}
    assert sgd.tuned_accuracy.mean == pytest.approx(0.6)
    assert sgd.published == {}
    assert sgd.published_accuracy is None
    assert not sgd.published_won
    assert (adam.best.phase, adam.best.number, adam.published_won) == ("published", 0, True)
    assert adam.published_accuracy.num_values == 3
    confirmed = found.ledger.trials.filter(phase="confirm")
    assert confirmed.select("optimizer", "number").unique().sort("optimizer", "number").rows() == [
        ("adam", 0), ("adam", 1), ("sgd", 1),
    ]  # fmt: skip
    assert confirmed["replicate"].unique().sort().to_list() == [0, 1, 2]


def test_the_plan_of_the_study_is_what_was_run(arguments, taken):
    study = load(taken(*arguments)).study
    assert (study.num_trials, study.num_seeds, study.num_confirm_seeds, study.has_sweep) == (3, 2, 3, False)
    assert study.identity["dataset"] == "CIFAR-100"
    assert study.source == "ray-tune"


def test_the_report_comes_out_and_says_where_the_runs_are_from(arguments, taken):
    text = write_report(taken(*arguments)).path.with_name("report.md").read_text(encoding="utf-8")
    assert "imported (ray-tune)" in text
    assert "Tuned sgd is right on 60.0% of the test images" in text
    assert "Study complete: 8 trials" in text


def test_a_loss_that_is_not_finite_is_divergence(experiment, description, taken, known):
    broken = experiment("broken")
    for seed, bad in enumerate((math.nan, math.inf, "null")):
        lines = [known.result(1, val_acc=10.0, val_loss=2.3), known.result(2, val_acc=10.0, val_loss=bad)]
        broken.add({"opt": "sgd", "lr": 1.0, "seed": seed, "batch_size": 128}, lines)
    ledger = load(taken("ray-tune", broken.root, "--description", description(), *HOW[:-1]))
    assert ledger.trials["status"].to_list() == ["diverged"] * 3
    assert ledger.trials["validation_error"].to_list() == [1.0] * 3
    assert ledger.trials["validation_loss"].to_list() == [None] * 3
    assert ledger.trials["best_validation_error"].to_list() == [0.9] * 3
    assert ledger.trials["diverged_step"].to_list() == [None] * 3
    assert ledger.trials["message"].unique().to_list() == ["validation_loss not finite in epoch 2"]
    assert ledger.epochs.filter(replicate=0)["validation_error"].to_list() == [0.9, 1.0]
    assert ledger.epochs.filter(replicate=0)["validation_loss"].to_list() == [2.3, None]


def test_a_run_that_ended_early_has_no_outcome(experiment, description, taken, known):
    folder = experiment("stopped")
    lines = [known.result(epoch, **known.metrics("sgd", 1e-2, 0, epoch)) for epoch in (1, 2, 3)]
    folder.add({"opt": "sgd", "lr": 1e-2, "seed": 0}, lines)
    folder.add({"opt": "sgd", "lr": 1e-3, "seed": 0}, lines[:2])
    folder.add({"opt": "sgd", "lr": 1e-3, "seed": 1}, lines[:1], failed="RuntimeError: out of memory")
    folder.add({"opt": "sgd", "lr": 1e-3, "seed": 2}, [], failed="OSError: no data")
    trials = load(taken("ray-tune", folder.root, "--description", description(), *HOW)).trials
    failed = trials.filter(status="failed").sort("seed")
    assert failed["validation_error"].to_list() == [None] * 3
    assert failed["message"].to_list() == [
        "ended after 2 of 3 epochs", "ended after 1 of 3 epochs: RuntimeError: out of memory", "OSError: no data",
    ]  # fmt: skip
    assert trials.filter(status="complete").height == 1


def test_a_second_attempt_supersedes_the_first(experiment, description, taken, known):
    folder = experiment("again")
    lines = [known.result(epoch, **known.metrics("sgd", 1e-2, 0, epoch)) for epoch in (1, 2, 3)]
    first = known.result(2, val_acc=1.0, val_loss=9.0, loss=9.0)
    folder.add({"opt": "sgd", "lr": 1e-2, "seed": 0}, [lines[0], first, *lines[1:]], failed="RuntimeError: once")
    ledger = load(taken("ray-tune", folder.root, "--description", description(), *HOW))
    assert ledger.trials.select("status", "attempt").rows() == [("complete", 1)]
    assert ledger.epochs["attempt"].to_list() == [0, 1, 1]
    assert ledger.epochs["validation_error"].to_list() == pytest.approx([0.5, 0.4, 0.3])


def test_half_a_line_at_the_end_was_never_reported(experiment, description, taken, known):
    folder = experiment("cut")
    lines = [known.result(epoch, **known.metrics("sgd", 1e-2, 0, epoch)) for epoch in (1, 2, 3)]
    trial = folder.add({"opt": "sgd", "lr": 1e-2, "seed": 0}, lines)
    path = trial / "result.json"
    path.write_text(path.read_text()[:-20])
    trials = load(taken("ray-tune", folder.root, "--description", description(), *HOW)).trials
    assert trials["message"].to_list() == ["ended after 2 of 3 epochs"]


def test_one_experiment_per_optimizer_without_seeds_or_losses(experiment, description, taken, known):
    for name in ("sgd", "adam"):
        folder = experiment(name)
        for rate in (1e-2, 1e-1):
            lines = [known.result(epoch, err=known.error(name, rate, 0, epoch)) for epoch in (1, 2, 3)]
            folder.add({"train_loop_config": {"lr": rate}}, lines)
    root = folder.root.parent
    study = taken("ray-tune", f"sgd={root / 'sgd'}", f"adam={root / 'adam'}", "--description",
                  description(known.SPACE),
                  "--map", "learning_rate=train_loop_config/lr", "validation_error=err")  # fmt: skip
    ledger = load(study)
    assert ledger.trials["seed"].null_count() == 4
    assert ledger.trials["replicate"].to_list() == [0] * 4
    assert (ledger.study.num_epochs, ledger.study.num_seeds) == (3, 1)
    page = write_report(study).path
    text = page.with_name("report.md").read_text(encoding="utf-8")
    assert "Which seeds the runs had is not known" in text
    assert "Training and validation loss are not stored" in text
    assert "seeds left in the mean loss" not in text


def test_parameters_of_a_trial_without_results_are_not_needed_from_them(experiment, description, taken, known):
    trial = experiment("config").add({"opt": "sgd", "lr": 1e-2, "seed": 0}, [
        known.result(epoch, **known.metrics("sgd", 1e-2, 0, epoch)) for epoch in (1, 2, 3)
    ])  # fmt: skip
    (trial / "params.json").unlink()
    trials = load(taken("ray-tune", trial.parent, "--description", description(), *HOW)).trials
    assert trials["learning_rate"].to_list() == [1e-2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--optimizer-key": "optimizer"}, r"must name a key of the config, batch_size, lr, opt, seed, got"),
        ({"--optimizer-key": "batch_size"}, r"the optimizer must be one of the description, adam, sgd, got '128'; add"),
        ({"--seed-key": "random"}, r"--seed-key must name a key of the config, .* got 'random'"),
        ({"validation_error=1-val_acc/100": "validation_error=1-val_acc"}, r"must be a fraction between 0 and 1"),
        ({"validation_error=1-val_acc/100": "validation_error=accuracy"}, r"validation_error: results hold .*val_acc"),
        ({"validation_error=1-val_acc/100": "train_error=val_acc"}, r"a validation error is needed, .*=1-KEY"),
        ({"learning_rate=lr": "learning_rate=rate"}, r"a run of sgd needs learning_rate, learning_rate is missing"),
        ({"learning_rate=lr": "stride=lr"}, r"--map knows .*learning_rate, got 'stride'"),
        ({"learning_rate=lr": "learning_rate"}, r"--map takes OURS=THEIRS, .* got 'learning_rate'; for example"),
        ({"learning_rate=lr": "train_loss=lr"}, r"--map takes each name once, got 'train_loss' twice"),
        ({"test_error=1-test_acc/100": "test_loss=val_loss"}, r"a complete confirm run needs test_error, it has none"),
    ],
)  # fmt: skip
def test_wrong_words_are_refused(arguments, refused, change, message):
    words = list(map(str, arguments))
    for old, new in change.items():
        place = words.index(old) + (1 if old.startswith("--") else 0)
        words[place] = new
    said = refused(*words)
    assert re.search(message, said), said


def test_seeds_that_chose_may_not_confirm(experiment, description, refused):
    tuning = experiment("tuning").surface().root
    confirm = experiment("confirm").surface(rates=[1e-2], seeds=[1, 2], test_acc=60.0).root
    said = refused("ray-tune", tuning, "--confirm", confirm, "--description", description(), *HOW,
                   "test_error=1-test_acc/100")  # fmt: skip
    assert said.startswith("confirmation needs seeds that took no part in the choice of the settings, 1 served both;")


def test_a_hidden_difference_between_settings_is_refused(experiment, description, refused, known):
    folder = experiment("hidden")
    for size in (64, 128):
        lines = [known.result(epoch, **known.metrics("sgd", 1e-2, 0, epoch)) for epoch in (1, 2, 3)]
        folder.add({"opt": "sgd", "lr": 1e-2, "seed": size, "batch_size": size}, lines)
    words = ("ray-tune", folder.root, "--description", description(), *HOW)
    assert "key 'batch_size' of the config takes 2 values over all trials (128, 64)" in refused(*words)


def test_two_runs_of_one_setting_and_seed_are_refused(experiment, description, refused):
    folder = experiment("twice").surface(seeds=[0, 0])
    said = refused("ray-tune", folder.root, "--description", description(), *HOW)
    assert "have one setting of sgd and one seed, 0; remove one of them" in said


def test_a_folder_without_trials_is_refused(tmp_path, description, refused):
    said = refused("ray-tune", tmp_path, "--description", description(), *HOW)
    assert "has none; give the folder that the Tuner names" in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{no json}\n", "line 1 must be a result as Ray Tune writes it"),
        ("[1]\n", "it is no JSON object"),
        ('{"a": "\xff"}\n', "line 1 must be a result as Ray Tune writes it"),
        ('{"training_iteration": 2, "val_acc": 1}\n', "must count 1, 2, 3, ..., got 2 after 0"),
        (
            '{"training_iteration": 1, "val_acc": "high", "val_loss": 1, "loss": 1}\n',
            "val_acc must be a number, got 'high'",
        ),
    ],
)
def test_results_that_tune_did_not_write_are_refused(experiment, description, refused, content, message):
    trial = experiment("odd").add({"opt": "sgd", "lr": 1e-2, "seed": 0}, [])
    (trial / "result.json").write_bytes(content.encode("latin-1"))
    assert message in refused("ray-tune", trial.parent, "--description", description(), *HOW)


def test_a_ledger_is_never_overwritten(arguments, taken, capsys):
    folder = taken(*arguments)
    before = (folder / "study.json").read_bytes()
    assert main([*map(str, arguments), "--output", str(folder)]) == 2
    assert "exists; choose another name or delete it" in capsys.readouterr().err
    assert (folder / "study.json").read_bytes() == before


def test_pickles_are_never_read(arguments, taken, monkeypatch):
    def refuse(*_):
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    assert json.loads((pathlib.Path(taken(*arguments)) / "study.json").read_text())["imported"]["source"] == "ray-tune"


def test_unequal_budgets_are_shown_as_missing_trials(experiment, description, taken):
    folder = experiment("unequal").surface(optimizers=["sgd"]).surface(optimizers=["adam"], rates=[1e-3])
    study = taken("ray-tune", folder.root, "--description", description(), *HOW)
    text = write_report(study).path.with_name("report.md").read_text(encoding="utf-8")
    assert "adam: 2 tuning trials" in text
    assert "Two optimizers get a budget of up to 3 settings on CIFAR-100" in text
    assert load(study).trials.filter(pl.col("phase") == "published").height == 2
