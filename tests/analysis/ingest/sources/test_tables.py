"""Flat tables become ledgers with the numbers that they hold."""

import errno
import os
import pathlib
import re

import polars as pl
import pytest

from analysis.claims.file import packaged_text, parse_claims
from analysis.ingest.__main__ import main
from analysis.ledger.load import load
from analysis.ledger.schema import KEY, epochs_schema, trials_schema
from analysis.report.write import write_report
from analysis.tables.completeness import completeness
from analysis.tables.overview import overview_of
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.default_vocabulary import VOCABULARY
from study.ledger.export import export_csv

RATES = (1e-3, 1e-2, 1e-1)
HEAD = "optimizer,learning_rate,validation_error"
KEYED = "optimizer,phase,number,replicate,learning_rate,validation_error"


@pytest.fixture
def tables(known):
    """Trials and epochs of the surface, as little as is needed."""
    trials, epochs = [], []
    for optimizer in ("sgd", "adam"):
        for rate in RATES:
            for seed in (0, 1):
                name = f"{optimizer}-{rate}-{seed}"
                trials.append({"trial": name, "optimizer": optimizer, "learning_rate": rate, "seed": seed,
                               "validation_error": known.error(optimizer, rate, seed)})  # fmt: skip
                epochs += [
                    {"trial": name, "epoch": epoch, "validation_error": known.error(optimizer, rate, seed, epoch)}
                    for epoch in (1, 2, 3)
                ]
    return pl.DataFrame(trials), pl.DataFrame(epochs)


@pytest.fixture
def words(tmp_path, tables, description):
    """Arguments for the tables as CSV."""
    for name, table in zip(("trials", "epochs"), tables, strict=True):
        table.write_csv(tmp_path / f"{name}.csv")
    return ["tables", "--trials", tmp_path / "trials.csv", "--epochs", tmp_path / "epochs.csv", "--description",
            description()]  # fmt: skip


def test_csv_and_parquet_give_the_same_rows(words, tables, tmp_path, taken, known):
    from_csv = load(taken(*words))
    (tmp_path / "ledger").rename(tmp_path / "first")
    for name, table in zip(("trials", "epochs"), tables, strict=True):
        table.write_parquet(tmp_path / f"{name}.parquet")
    from_parquet = load(
        taken(*[str(word).replace(".csv", ".parquet") if str(word).endswith(".csv") else word for word in words])
    )
    assert from_csv.trials.equals(from_parquet.trials)
    assert from_csv.epochs.equals(from_parquet.epochs)
    assert from_csv.trials.height == 12
    row = from_csv.trials.filter(optimizer="sgd", learning_rate=0.1, seed=1).row(0, named=True)
    assert (row["status"], row["attempt"], row["sampler"], row["group_size"]) == ("complete", 0, "unknown", 1)
    assert (row["device"], row["node"], row["steps"]) == ("unknown", "unknown", None)
    assert row["validation_error"] == pytest.approx(known.error("sgd", 0.1, 1))


def test_the_report_comes_out_without_confirmation(words, taken):
    text = write_report(taken(*words)).path.with_name("report.md").read_text(encoding="utf-8")
    assert "The lowest validation error is 30.5%, by" in text
    assert "No setting has been confirmed on fresh seeds" in text
    assert "A trial is one setting, trained 2 times." in text


def test_epochs_may_be_left_out(words, taken):
    del words[3:5]
    folder = taken(*words)
    assert load(folder).epochs.is_empty()
    assert "No curve is stored" in write_report(folder).path.with_name("report.md").read_text(encoding="utf-8")


NESTED = """
dataset = "CIFAR-100"
num_epochs = 1

[optimizers.momentum]
space.learning_rate = {low = 1e-4, high = 1.0, scale = "log"}
space.momentum = {low = 0.0, high = 0.99, scale = "log_complement"}
reduces_to.sgd = {momentum = 0.0}
"""


def test_ablations_are_paired_with_the_confirmation_by_seed(description, tmp_path, taken):
    """The first of the seeds has no ablation yet."""
    rows = ["optimizer,phase,learning_rate,momentum,seed,validation_error,test_error", "momentum,explore,0.1,0.9,1,.3,"]
    rows += [f"momentum,confirm,0.1,0.9,{seed},0.3,0.{seed}" for seed in range(5, 10)]
    rows += [f"momentum,ablation,0.1,0.0,{seed},0.4,0.{seed}5" for seed in range(6, 10)]
    path = tmp_path / "trials.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    ledger = load(taken("tables", "--trials", path, "--description", description(NESTED)))
    assert ledger.study.optimizers["momentum"].reduces_to == {"sgd": {"momentum": 0.0}}
    confirmed = ConfirmedRuns(overview_of(ledger), parse_claims(packaged_text(), VOCABULARY))
    ours, theirs = confirmed.of("momentum"), confirmed.of("momentum at momentum 0")
    assert (
        [theirs[seed].trial["seed"] for seed in theirs] == [ours[seed].trial["seed"] for seed in theirs] == [6, 7, 8, 9]
    )
    assert [run.trial["test_error"] for run in theirs.values()] == [0.65, 0.75, 0.85, 0.95]


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (
            "{beta = 0.0}",
            r"reduces_to\.sgd must give the neutral value of some of learning_rate, momentum .*, got beta;",
        ),
        ("{momentum = nan}", r"reduces_to\.sgd\.momentum must be a finite number, got nan; mend it"),
        ("0.0", r"reduces_to must be a table, got 0\.0;"),
    ],
)
def test_neutral_values_without_meaning_are_refused(words, description, refused, at, message):
    broken = description(NESTED.replace("{momentum = 0.0}", at))
    assert re.search(message, refused(*words[:-1], broken))


def test_the_password_of_a_database_is_not_stored(words, taken):
    url = "mysql://me:se@cr:et@host/db"
    folder = taken(*words, "--sampler", url)
    (run,) = load(folder).study.runs
    assert "mysql://me:***@host/db" in run["command"]
    assert "et@host" not in run["command"]


@pytest.mark.parametrize("num_sweep_seeds", [None, 3])
def test_a_ledger_passes_through_unchanged(synthetic, tmp_path, taken, description, num_sweep_seeds):
    """The rows of a study of our own, taken out and in again, are the same rows."""
    ledger = load(synthetic(num_sweep_seeds=num_sweep_seeds).write(tmp_path / "ours"))
    ledger.trials.drop("run").write_parquet(tmp_path / "trials.parquet")
    ledger.epochs.write_parquet(tmp_path / "epochs.parquet")
    path = description(
        f"num_epochs = 3\n{f'num_sweep_seeds = {num_sweep_seeds}' if num_sweep_seeds else ''}"
        """
        [optimizers.sgd]
        space.learning_rate = {low = 1e-4, high = 1.0, scale = "log"}
        published.learning_rate = 0.01
        [optimizers.momentum]
        space.learning_rate = {low = 1e-5, high = 0.3, scale = "log"}
        space.momentum = {low = 0.0, high = 0.99, scale = "log_complement"}
        published = {learning_rate = 0.01, momentum = 0.9}
        """
    )
    again = load(
        taken("tables", "--trials", tmp_path / "trials.parquet", "--epochs", tmp_path / "epochs.parquet",
              "--description", path)
    )  # fmt: skip
    assert again.trials.drop("run").equals(ledger.trials.drop("run"))
    assert again.epochs.equals(ledger.epochs)
    assert overview_of(again).best == overview_of(ledger).best
    assert [result.difference for result in overview_of(again).results] == [
        result.difference for result in overview_of(ledger).results
    ]
    assert again.study.sweep == ledger.study.sweep
    assert completeness(overview_of(again)) == completeness(overview_of(ledger))


def test_an_export_that_was_quoted_for_spreadsheets_is_read_as_it_was(synthetic, tmp_path, taken, description):
    study = synthetic(message="=1+1", outcome=lambda key: "failed" if key[2] == 1 else "complete", phases=("tuning",))
    ledger = load(study.write(tmp_path / "ours"))
    schemas = {"trials": trials_schema(ledger.study.hyperparameters), "epochs": epochs_schema()}
    trials, epochs = export_csv(tmp_path / "ours", schemas, tmp_path / "csv")
    assert "'=1+1" in trials.read_text(encoding="utf-8")
    path = description(
        """
        num_epochs = 3
        [optimizers.sgd]
        space.learning_rate = {low = 1e-4, high = 1.0, scale = "log"}
        published.learning_rate = 0.01
        [optimizers.momentum]
        space.learning_rate = {low = 1e-5, high = 0.3, scale = "log"}
        space.momentum = {low = 0.0, high = 0.99, scale = "log_complement"}
        published = {learning_rate = 0.01, momentum = 0.9}
        """
    )
    words = ("--trials", trials, "--epochs", epochs, "--description", path)
    again = load(taken("tables", *words, "--ignore", "run", "test_correct", "step_losses"))
    left = ["run", "test_correct"]
    assert again.trials.drop(left).equals(ledger.trials.drop(left))
    assert set(again.trials["message"]) == {None, "=1+1"}


def test_a_number_that_is_not_finite_is_divergence_and_status_says_the_rest(tmp_path, taken, description):
    text = (
        "optimizer,learning_rate,validation_error,status,message\n"
        "sgd,0.01,0.5,,\nsgd,0.02,nan,,\nsgd,0.03,,diverged,\nsgd,0.04,,failed,out of memory\n"
    )
    (tmp_path / "trials.csv").write_text(text)
    trials = load(taken("tables", "--trials", tmp_path / "trials.csv", "--description", description())).trials
    assert trials.select("status", "validation_error", "message").rows() == [
        ("complete", 0.5, None),
        ("diverged", 1.0, "validation_error not finite at the end"),
        ("diverged", 1.0, None),
        ("failed", None, "out of memory"),
    ]


def test_a_diverged_run_without_curves_gets_none(tmp_path, taken, description):
    (tmp_path / "trials.csv").write_text("optimizer,learning_rate,validation_error\nsgd,0.01,nan\n")
    found = overview_of(load(taken("tables", "--trials", tmp_path / "trials.csv", "--description", description())))
    assert found.seed_curves["validation_error"].null_count() == found.seed_curves.height == 3


def test_an_error_measured_before_divergence_stays_in_the_curve(tmp_path, taken, description):
    (tmp_path / "trials.csv").write_text("trial,optimizer,learning_rate\na,sgd,0.01\n")
    (tmp_path / "epochs.csv").write_text("trial,epoch,validation_error,validation_loss\na,1,0.6,2\na,2,0.6,nan\n")
    found = overview_of(load(taken("tables", "--trials", tmp_path / "trials.csv", "--epochs", tmp_path / "epochs.csv",
                            "--description", description())))  # fmt: skip
    assert found.seed_curves["validation_error"].to_list() == [0.6, 1.0, 1.0]


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        (f"{HEAD}\n", "needs at least one row"),
        (f"{HEAD}\nsgd,0.1,50\n", "must be a fraction between 0 and 1, got 50"),
        (f"{HEAD}\nsgd,0.1,\n", "a complete explore run needs validation_error"),
        (f"{HEAD}\nsgd,fast,0.5\n", "row 1: learning_rate must be a number, got 'fast'"),
        (f"{HEAD}\nlion,0.1,0.5\n", "must be one of the description, adam, sgd, got 'lion'"),
        ("optimizer,validation_error\nsgd,0.5\n", "needs learning_rate, learning_rate is missing"),
        ("learning_rate,validation_error\n0.1,0.5\n", "optimizer must stand in every row, row 1 has none"),
        ("optimizer,learning_rate,accuracy\nsgd,0.1,0.5\n", "has columns that mean nothing here: accuracy;"),
        (f'{HEAD},"two\nlines"\nsgd,0.1,0.5,1\n', "has columns that mean nothing here: two lines;"),
        (f"{HEAD},phase\nsgd,0.1,0.5,warmup\n", "phase must be one of published, explore"),
        (f"{HEAD},status\nsgd,0.1,0.5,lost\n", "status must be one of complete, diverged"),
        (f"{HEAD},status\nsgd,0.1,nan,complete\n", "status 'complete' contradicts its"),
        (f"{HEAD},seed\nsgd,0.1,0.5,1\nsgd,0.1,0.5,\n", "all runs must have a seed or none"),
        (f"{HEAD},seed\nsgd,0.1,0.5,1.5\n", "seed must be a whole number, got '1.5'"),
        (f"{HEAD},seed\nsgd,0.1,0.5,{10**20}\n", "seed must be a whole number of at most 63 bits, got 1000"),
        (f"{HEAD},seed\nsgd,0.1,0.5,-1\n", "trials, row 1: seed must be at least 0, got -1"),
        (f"{HEAD},group_size\nsgd,0.1,0.5,0\n", "trials, row 1: group_size must be from 1 to 1e+06, got 0"),
        (f"{HEAD},validation_loss\nsgd,0.1,0.5,1e308\n", "row 1: validation_loss must be from -1e+60 to 1e+60, got"),
        (f"{HEAD},seconds\nsgd,0.1,0.5,1e300\n", "trials, row 1: seconds must be from 0 to 1e+12, got 1e+300"),
        (f"{HEAD},number\nsgd,0.1,0.5,1\n", "must stand in all rows or in none"),
        (f"{HEAD},phase\nsgd,0.1,0.5,sweep\n", "of the phase sweep need number and"),
        (f"{HEAD},phase\nsgd,0.1,0.5,confirm\n", "a complete confirm run needs test_error"),
        (
            f"{KEYED}\nsgd,explore,1,0,0.1,0.5\nsgd,explore,1,1,0.2,0.5\n",
            "are replicates of one trial and must have equal hyperparameters",
        ),
        (
            f"{KEYED}\nsgd,explore,1,0,0.1,0.5\nsgd,explore,1,0,0.1,0.5\n",
            "each run must stand once",
        ),
    ],
)
def test_wrong_trials_are_refused(tmp_path, refused, description, trials, message):
    (tmp_path / "trials.csv").write_text(trials)
    assert message in refused("tables", "--trials", tmp_path / "trials.csv", "--description", description())


@pytest.mark.parametrize(
    ("epochs", "message"),
    [
        ("trial,epoch,validation_error\nb,1,0.5\n", "epochs belong to a run of the trials, b is not there"),
        ("trial,epoch,validation_error\na,2,0.5\n", "epoch must count 1, 2, 3, ... for every run, that of a does not"),
        ("trial,epoch,validation_error\na,1,0.5\na,1,0.5\n", "epoch must count 1, 2, 3"),
        ("epoch,validation_error\n1,0.5\n", "must name the run by the column trial"),
        ("trial,epoch,validation_error,step_losses\na,1,0.5,1;2\n", "step_losses can only come from Parquet"),
        ("trial,epoch,validation_error,seconds\na,1,0.5,-1\n", "seconds must be at least 0, got -1"),
        ("trial,epoch,validation_error,weight_norm\na,1,0.5,-1\n", "weight_norm must be from 0 to 1e+60, got -1"),
        ("trial,epoch,validation_error,train_loss\na,1,0.5,-1e99\n", "train_loss must be from -1e+60 to 1e+60, got"),
        (
            "trial,epoch,validation_error\na,1,0.5\na,2,0.5\na,3,0.5\na,4,0.5\n",
            "a run has at most num_epochs = 3 epochs, this one has 4",
        ),
    ],
)
def test_wrong_epochs_are_refused(tmp_path, refused, description, epochs, message):
    (tmp_path / "trials.csv").write_text("trial,optimizer,learning_rate,validation_error\na,sgd,0.1,0.5\n")
    (tmp_path / "epochs.csv").write_text(epochs)
    words = ("--trials", tmp_path / "trials.csv", "--epochs", tmp_path / "epochs.csv")
    assert message in refused("tables", *words, "--description", description())


def test_a_full_disk_leaves_nothing_behind(words, tmp_path, monkeypatch, capsys):
    def write_bytes(path, *_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(pathlib.Path, "write_bytes", write_bytes)
    assert main([*map(str, words), "--output", str(tmp_path / "study")]) == 1
    message = capsys.readouterr().err
    assert "No space left on device" in message
    assert message.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_words_that_are_no_option_are_refused_in_one_line(capsys):
    for words in ([], ["tables"], ["lists"], ["tables", "--output"]):
        with pytest.raises(SystemExit, match="2"):
            main(words)
        message = capsys.readouterr().err
        assert message.startswith("python -m analysis.ingest")
        assert message.count("\n") == 1


def test_a_missing_table_is_refused(tmp_path, refused, description):
    assert "cannot be read" in refused("tables", "--trials", tmp_path / "no.csv", "--description", description())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("num_epochs = ", "--description must be a readable TOML file"),
        ("epochs = 3", "unknown entries: epochs; known are batch_size, dataset,"),
        ("num_epochs = 0", "num_epochs must be a whole number from 1 on, got 0"),
        ("num_epochs = true", "num_epochs must be a whole number from 1 on, got True"),
        ("dataset = 10", "dataset must be text, got 10"),
        ("model = 'none'", "model must name what was trained"),
        ("optimizers = 3", "optimizers must be a table, got 3"),
        ("[optimizers.sgd]", "optimizers.sgd needs the hyperparameters that were searched, got none"),
        ("[optimizers.sgd.space]\nlr = {low = 1.0}", "optimizers.sgd.space.lr needs low and high, high is missing"),
        ("[optimizers.sgd.space]\nlr = {low = 1, high = 1}", "needs low < high, got 1 and 1"),
        ("[optimizers.sgd.space]\nlr = {low = 0, high = 1, scale = 'log'}", "scale 'log' needs low > 0, got 0"),
        ("[optimizers.sgd.space]\nlr = {low = 0, high = 1, scale = 'log_complement'}", "needs high < 1, got 1"),
        ("[optimizers.sgd.space]\nlr = {low = 0, high = 1, scale = 'exp'}", "scale must be one of linear, log"),
        ("[optimizers.sgd.space]\nlr = {low = 0, high = inf}", "must be a finite number, got inf"),
        ("[optimizers.sgd.space]\nseed = {low = 0, high = 1}", "seed is a column of the ledger"),
        ("[optimizers.sgd]\nspace.lr = {low = 0, high = 1}\npublished.rate = 1", "published must name lr, got rate"),
        ("[optimizers.sgd]\nrange.lr = [0, 1]", "unknown entries in optimizers.sgd: range"),
        ("model = ''", "model must be text, got ''; put it in quotation marks"),
        ("model = 1999-12-31", "model must be text, got datetime.date(1999, 12, 31)"),
        ("batch_size = 128.0", "batch_size must be a whole number from 1 on, got 128.0"),
        ("batch_size = '128'", "batch_size must be a whole number from 1 on, got '128'"),
        ("batch_size = [128]", "batch_size must be a whole number from 1 on, got [128]"),
        ("num_seeds = nan", "num_seeds must be a whole number from 1 on, got nan"),
        (f"num_train_images = {2**63}", f"num_train_images must be a whole number from 1 on, got {2**63}"),
        ("num_epochs = 3\nnum_epochs = 3", "--description must be a readable TOML file"),
        ("[optimizers]\nsgd = 3", "optimizers.sgd must be a table, got 3"),
        ("[optimizers.sgd]\nspace = [0, 1]", "optimizers.sgd.space must be a table, got [0, 1]"),
        ("[optimizers.sgd]\nspace.lr = [0, 1]", "optimizers.sgd.space.lr must be a table, got [0, 1]"),
        ("[optimizers.sgd]\nspace.lr = {}", "optimizers.sgd.space.lr needs low and high"),
        (
            "[optimizers.sgd]\nspace.lr = {low = 0, high = 1, step = 1}",
            "unknown entries in optimizers.sgd.space.lr: st",
        ),
        ("[optimizers.sgd]\nspace.lr = {low = '0', high = 1}", "space.lr.low must be a finite number, got '0'"),
        ("[optimizers.sgd]\nspace.lr = {low = false, high = 1}", "space.lr.low must be a finite number, got False"),
        ("[optimizers.sgd]\nspace.lr = {low = 0, high = nan}", "space.lr.high must be a finite number, got nan"),
        (
            f"[optimizers.sgd]\nspace.lr = {{low = 0, high = 1{400 * '0'}}}",
            "space.lr.high must be a finite number, got 1",
        ),
        (
            f"[optimizers.sgd]\nspace.lr = {{low = 0, high = 1}}\npublished.lr = 1{400 * '0'}",
            "must be a finite number, got",
        ),
        ("[optimizers.sgd]\nspace.lr = {low = 0, high = 1, scale = ['log']}", "scale must be one of linear, log"),
        ("[optimizers.sgd]\nspace.lr = {low = 0, high = 1}\npublished = 1", "sgd.published must be a table, got 1"),
        (
            "[optimizers.sgd]\nspace.lr = {low = 0, high = 1}\nequation = 3",
            "optimizers.sgd.equation must be text, got 3",
        ),
        ("[optimizers.sgd]\nspace.lr = {low = 0, high = 1}\nreference = []", "sgd.reference must be text, got []"),
    ],
)
def test_wrong_descriptions_are_refused(tmp_path, refused, description, text, message):
    (tmp_path / "trials.csv").write_text("optimizer,learning_rate,validation_error\nsgd,0.1,0.5\n")
    assert message in refused("tables", "--trials", tmp_path / "trials.csv", "--description", description(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--description must be a readable TOML file, or JSON named .json"),
        (5_000 * "[", "--description must be a readable TOML file, or JSON named .json"),
        ("[]", "a description is a table of entries"),
        ("null", "a description is a table of entries"),
        ('{"dataset": null}', "dataset must be text, got None"),
        ('{"num_epochs": null}', "num_epochs must be a whole number from 1 on, got None"),
        ('{"num_epochs": 1e999}', "num_epochs must be a whole number from 1 on, got inf"),
        ('{"optimizers": null}', "optimizers must be a table, got None"),
        ('{"optimizers": {"sgd": null}}', "optimizers.sgd must be a table, got None"),
        ('{"optimizers": {"sgd": {"space": {"lr": null}}}}', "optimizers.sgd.space.lr must be a table, got None"),
        ('{"optimizers": {"sgd": {"space": {"lr": {"low": NaN, "high": 1}}}}}', "must be a finite number, got nan"),
    ],
)
def test_wrong_descriptions_in_json_are_refused(tmp_path, refused, description, text, message):
    (tmp_path / "trials.csv").write_text("optimizer,learning_rate,validation_error\nsgd,0.1,0.5\n")
    words = ("tables", "--trials", tmp_path / "trials.csv", "--description", description(text, "study.json"))
    assert message in refused(*words)


def test_a_description_may_be_json(tmp_path, taken, description):
    space = '{"learning_rate": {"low": 0.01, "high": 1, "scale": "log"}}'
    path = description(f'{{"num_epochs": 5, "optimizers": {{"sgd": {{"space": {space}}}}}}}', "study.json")
    (tmp_path / "trials.csv").write_text("optimizer,learning_rate,validation_error\nsgd,0.1,0.5\n")
    ledger = load(taken("tables", "--trials", tmp_path / "trials.csv", "--description", path))
    assert ledger.study.num_epochs == 5
    assert ledger.trials.select(KEY).rows() == [("sgd", "explore", 1, 0)]


def test_steps_per_epoch_fill_in_the_steps(words, taken, description):
    description('steps_per_epoch = 10\ndataset = "x"\n' + description().read_text().partition("\n")[2])
    ledger = load(taken(*words))
    assert ledger.epochs["steps"].unique().to_list() == [10]
    assert ledger.trials["steps"].unique().to_list() == [30]


def test_our_own_ledgers_may_not_leave_anything_unknown(words, taken):
    """What is relaxed for other programs stays required of ours."""
    import json

    from analysis.ledger.study import LedgerError

    folder = taken(*words)
    path = folder / "study.json"
    content = json.loads(path.read_text())
    del content["imported"], content["crc32"]
    path.write_text(json.dumps(content))
    with pytest.raises(LedgerError, match="published of 'sgd' names"):
        load(folder)
    for entry in content["optimizers"].values():
        entry["published"] = {"learning_rate": 0.1}
    path.write_text(json.dumps(content))
    with pytest.raises(LedgerError, match=r"trials: steps must be given in every row, it is null in 12"):
        load(folder)
