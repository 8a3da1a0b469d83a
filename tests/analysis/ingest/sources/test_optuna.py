"""Real storages of Optuna become ledgers with the numbers that they hold."""

import math
import sqlite3
import sys

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend

from analysis.ledger.load import load
from analysis.report.write import write_report
from analysis.tables.overview import overview_of

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture
def database(tmp_path):
    """URL of a new database."""
    return f"sqlite:///{tmp_path / 'optuna.db'}"


@pytest.fixture
def path(tmp_path):
    """Path of a new journal file."""
    return tmp_path / "journal.log"


@pytest.fixture
def journal(path):
    """The storage in it, which is quicker than a database."""
    return optuna.storages.JournalStorage(JournalFileBackend(str(path)))


def tune(storage, known, optimizer="sgd", *, name=None, num_trials=4, direction="minimize", seeds=False, **attributes):
    """A study of the known surface that reports every epoch and keeps its training losses as an attribute."""
    study = optuna.create_study(
        storage=storage, study_name=name or optimizer, direction=direction, sampler=optuna.samplers.RandomSampler(0)
    )

    def objective(trial):
        rate = trial.suggest_float("learning_rate", 1e-4, 1.0, log=True)
        seed = trial.suggest_int("seed", 0, 9) if seeds else 0
        curve = [known.error(optimizer, rate, seed, epoch) for epoch in (1, 2, 3)]
        curve = [1 - value for value in curve] if direction == "maximize" else curve
        for epoch, value in enumerate(curve):
            trial.report(value, epoch)
        trial.set_user_attr("losses", [3.0, 2.0, 1.0])
        for key, value in attributes.items():
            trial.set_user_attr(key, value)
        return curve[-1]

    study.optimize(objective, n_trials=num_trials)
    return study


def add(study, state, *, rate=0.01, value=None, reports=(), **attributes):
    """A trial that ended in a state."""
    rates = optuna.distributions.FloatDistribution(1e-4, 1.0, log=True)
    trial = optuna.trial.create_trial(
        state=state, value=value, params={"learning_rate": rate}, distributions={"learning_rate": rates},
        intermediate_values=dict(enumerate(reports)), user_attrs=attributes,
    )  # fmt: skip
    study.add_trial(trial)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_values_reports_and_ranges_arrive(database, taken, known, direction):
    study = tune(database, known, direction=direction)
    ledger = load(taken("optuna", database, "--study", "sgd=sgd", "--map", "train_loss=losses"))
    rates = [trial.params["learning_rate"] for trial in study.trials]
    assert ledger.trials["learning_rate"].to_list() == rates
    assert ledger.trials["validation_error"].to_list() == pytest.approx([known.error("sgd", rate, 0) for rate in rates])
    curve = ledger.epochs.filter(number=1)
    assert curve["validation_error"].to_list() == pytest.approx(
        [known.error("sgd", rates[0], 0, epoch) for epoch in (1, 2, 3)]
    )
    assert curve["train_loss"].to_list() == [3.0, 2.0, 1.0]
    axis = ledger.study.optimizers["sgd"].space["learning_rate"]
    assert (axis.low, axis.high, axis.scale) == (1e-4, 1.0, "log")
    assert ledger.trials["phase"].unique().to_list() == ["exploit"]
    assert ledger.study.num_epochs == 3


def test_a_journal_file_is_read_and_left_as_it_is(path, journal, taken, known):
    tune(journal, known)
    before = path.read_bytes()
    assert load(taken("optuna", path, "--study", "sgd=sgd", "--phase", "explore")).trials.height == 4
    assert path.read_bytes() == before


def test_a_database_is_left_as_it_is(tmp_path, database, taken, known):
    tune(database, known)
    before = (tmp_path / "optuna.db").read_bytes()
    taken("optuna", database, "--study", "sgd=sgd")
    assert (tmp_path / "optuna.db").read_bytes() == before


def test_states_are_mapped_honestly(path, journal, taken, known):
    study = tune(journal, known, num_trials=1)
    state = optuna.trial.TrialState
    add(study, state.PRUNED, reports=[0.9, 0.8])
    add(study, state.FAIL, reports=[0.9])
    add(study, state.FAIL, reports=[0.9, math.nan])
    add(study, state.COMPLETE, value=math.inf, reports=[0.9, 0.8, 0.7])
    add(study, state.COMPLETE, value=0.7, reports=[0.9, 0.8])
    add(study, state.COMPLETE, value=0.65, reports=[0.9, 0.65, 0.7])
    study.ask()
    folder = taken("optuna", path, "--study", "sgd=sgd")
    trials = load(folder).trials.sort("number", "replicate").filter(learning_rate=0.01)
    assert trials.select("status", "message", "validation_error").rows() == [
        ("failed", "pruned after 2 of 3 reports", None),
        ("failed", "failed, Optuna keeps no message", None),
        ("diverged", "validation_error not finite in epoch 2", 1.0),
        ("diverged", "validation_error not finite at the end", 1.0),
        ("failed", "ended after 2 of 3 epochs", None),
        ("complete", None, 0.65),
    ]
    notes = load(folder).study.notes
    assert notes[0] == "Trials of Optuna that had not ended and were left out: 1."
    assert notes[1].startswith("Optuna trials whose returned validation error is not that of their last report: 1.")
    text = write_report(folder).path.with_name("report.md").read_text(encoding="utf-8")
    assert notes[1] in text
    assert "1 failure: pruned after 2 of 3 reports" in text


def test_confirmation_and_seeds(path, journal, taken, known, description):
    study = tune(journal, known, num_trials=0)
    fresh = optuna.create_study(storage=journal, study_name="fresh")
    for seed in (0, 1):
        for rate in (0.01, 0.1):
            value = known.error("sgd", rate, seed)
            add(study, optuna.trial.TrialState.COMPLETE, rate=rate, value=value, seed=seed)
        add(fresh, optuna.trial.TrialState.COMPLETE, value=0.3, seed=seed + 2, test=0.4 + 0.1 * seed)
    text = description(f'num_epochs = 20\ndataset = "MNIST"\n{known.SPACE}')
    folder = taken("optuna", path, "--study", "sgd=sgd", "--confirm", "fresh=sgd", "--seed-key", "seed",
                   "--map", "test_error=test", "--description", text)  # fmt: skip
    found = overview_of(load(folder))
    assert found.ledger.study.num_seeds == 2
    assert found.ledger.epochs.is_empty()
    assert found.results[0].best.hyperparameters == {"learning_rate": 0.01}
    assert found.results[0].tuned_accuracy.mean == pytest.approx(0.55)
    text = write_report(folder).path.with_name("report.md").read_text(encoding="utf-8")
    assert "No curve is stored" in text
    assert "The best setting is then retrained on 2 fresh seeds" in text


def test_a_learning_rate_of_another_name_is_pointed_out(path, journal, taken, capsys, description):
    """It is translated by the description and --map together."""
    study = optuna.create_study(storage=journal, study_name="sgd")
    study.optimize(lambda trial: trial.suggest_float("lr", 0.1, 1.0), n_trials=2)
    words = ("optuna", path, "--study", "sgd=sgd", "--description")
    folder = taken(*words, description("num_epochs = 5"))
    assert load(folder).study.hyperparameters == ["lr"]
    assert "describe it as learning_rate and say --map learning_rate=KEY" in capsys.readouterr().out
    folder.rename(folder.with_name("first"))
    space = "[optimizers.sgd.space]\nlearning_rate = {low = 0.1, high = 1.0}"
    ledger = load(taken(*words, description(f"num_epochs = 5\n{space}"), "--map", "learning_rate=lr"))
    assert ledger.trials["learning_rate"].to_list() == ledger.trials["validation_error"].to_list()
    assert "note:" not in capsys.readouterr().out


def test_a_loss_may_be_what_was_minimised(path, journal, taken, known):
    tune(journal, known, num_trials=2, final=12.5)
    words = ("--map", "validation_loss=value", "validation_error=final/100")
    ledger = load(taken("optuna", path, "--study", "sgd=sgd", *words))
    assert ledger.trials["validation_error"].to_list() == [0.125, 0.125]
    assert ledger.trials["validation_loss"][0] == ledger.epochs["validation_loss"][2]
    assert ledger.epochs["validation_error"].null_count() == 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--study", "adam=sgd"], "--study must name one of sgd, got 'adam'; correct it"),
        (["--study", "sgd"], "a study is given as STUDY=OPTIMIZER, got 'sgd'"),
        ([], "a ledger needs a tuning study, got none; name one with --study"),
        (["--study", "sgd=sgd", "--seed-key", "seed"], "it has no seed"),
        (["--study", "sgd=sgd", "--map", "validation_error=losses"], "must be a fraction between 0 and 1, got 3"),
        (["--study", "sgd=sgd", "--map", "validation_loss=value"], "a complete exploit run needs validation_error"),
        (["--study", "sgd=sgd", "--map", "lr=losses"], "--map knows train_loss"),
    ],
)
def test_wrong_words_are_refused(path, journal, refused, known, words, message):
    tune(journal, known, num_trials=2)
    assert message in refused("optuna", path, *words)


def test_other_storages_are_refused(tmp_path, refused):
    assert "is no file; correct it" in refused("optuna", "sqlite:///missing.db", "--study", "a=a")
    assert "is no file; correct it" in refused("optuna", tmp_path / "missing.log", "--study", "a=a")
    assert "Redis journals are not read" in refused("optuna", "redis://host", "--study", "a=a")
    (tmp_path / "text.log").write_text("hello\n")
    assert "needs a storage of Optuna with a study" in refused("optuna", tmp_path / "text.log", "--study", "a=a")
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE own (x)")
    connection.close()
    assert "must be a storage of Optuna" in refused("optuna", f"sqlite:///{tmp_path / 'other.db'}", "--study", "a=a")


def test_without_optuna_the_command_says_what_to_install(path, refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert "which is not installed; pip install optuna" in refused("optuna", path, "--study", "a=a")


def test_what_a_ledger_cannot_hold_is_refused(path, journal, refused):
    kinds = optuna.create_study(storage=journal, study_name="kinds")
    kinds.optimize(lambda trial: float(trial.suggest_categorical("kind", ["a", "b"]) == "a"), n_trials=1)
    assert "hyperparameters are numbers in a range, kind is Categorical" in refused(
        "optuna", path, "--study", "kinds=x"
    )
    moving = optuna.create_study(storage=journal, study_name="moving")
    moving.optimize(lambda trial: trial.suggest_float("rate", 0, 1 + trial.number) / 9, n_trials=2)
    assert "trials of one study search rate in one range" in refused("optuna", path, "--study", "moving=x")
    optuna.create_study(storage=journal, study_name="two", directions=["minimize", "maximize"])
    assert "study 'two' has 2 objectives, one is needed" in refused("optuna", path, "--study", "two=x")
    plain = optuna.create_study(storage=journal, study_name="plain")
    plain.optimize(lambda trial: trial.suggest_float("rate", 0, 1), n_trials=1)
    assert "give num_epochs in the description" in refused("optuna", path, "--study", "plain=x")
    uneven = optuna.create_study(storage=journal, study_name="uneven")
    add(uneven, optuna.trial.TrialState.COMPLETE, value=0.5, reports=[0.6, 0.5])
    trial = uneven.ask({"learning_rate": optuna.distributions.FloatDistribution(1e-4, 1.0, log=True)})
    trial.report(0.5, 7)
    uneven.tell(trial, 0.5)
    assert "all trials must report at the same steps" in refused("optuna", path, "--study", "uneven=x")
