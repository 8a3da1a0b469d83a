"""Whole studies on a real Ray: real images, real worker processes, real signals."""

import io
import shutil
import signal
import time
from collections import Counter

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import ray
import torch
from rich.console import Console

from analysis.ledger.schema import epochs_schema, trials_schema
from study.cluster.nodes import nodes
from study.display.fleet import Fleet
from study.display.progress import Progress
from study.ledger import Ledger, read_study
from study.queue.time_budget import TimeBudget
from study.queue.trial_queue import TrialQueue
from study.search import load_search
from study.signals import StopRequest
from study.spec import OptimizerDefinition
from study.tune.assignments import Assignments
from study.tune.callback import LedgerCallback
from study.tune.commits import Commits
from study.tune.launch import put_dataset, run_queue
from study.tune.searcher import QueueSearcher
from study.tune.settlement import Settlement
from tests.processes import wait_for
from tests.user_optimizers import (
    CLIPPED_SGD,
    FAILING_UNLESS_PUBLISHED,
    FAILING_WITH_MARKUP,
    KILLED_ONCE,
    faulty_sgd,
)
from trainables.data.dataset import load_dataset
from trainables.optimizers import load_optimizer, load_optimizer_source
from trainables.randomness import replicate_seed
from trainables.training.loop import Training
from trainables.training.trial import TrialConfig

KEY = ["optimizer", "phase", "number", "replicate"]
MEASURED = ["seconds", "node"]  # all that may differ between two runs of one study
MAX_FAILURES = 1


@pytest.fixture(scope="session")
def images():
    return load_dataset("cifar10-mini").subset(200)


@pytest.fixture(scope="session")
def train(cluster, images, new_slots):
    """Runs what a study has left to do on the cluster of the session; returns its queue."""
    del cluster

    def run(spec, directory, *, workers=1, minutes=None):
        ledger = Ledger(directory, spec)
        assert ledger.recover() == []
        outcomes = ledger.outcomes()
        queue = TrialQueue(spec, load_search(spec.identity.search), outcomes)
        sources = {name: stored.source for name, stored in spec.optimizers.items() if stored.source}
        assignments = Assignments(queue, new_slots(workers), TimeBudget(minutes))
        ledger.record_run({"command": "a test"})
        with Progress(queue, spec.extent.optimizers, outcomes, Fleet(nodes), Console(file=io.StringIO())) as progress:
            settlement = Settlement(Commits(ledger, None), assignments, progress)
            searcher = QueueSearcher(assignments, spec.identity, settlement.settle)
            callback = LedgerCallback(ledger, assignments, settlement, progress, max_failures=MAX_FAILURES)
            run_queue(searcher, callback, settlement, put_dataset(images), sources, StopRequest())
        ledger.close()
        return queue

    return run


@pytest.fixture(scope="session")
def real_spec(make_spec):
    """Makes a spec whose optimizers are those of the package, or of sources by name."""

    def make(*names, sources=None, values=None, **changes):
        sources, values = sources or {}, values or {}
        definitions = {
            name: OptimizerDefinition.of(
                load_optimizer_source(name, sources[name]) if name in sources else load_optimizer(name),
                source=sources.get(name),
                values=values.get(name, {}),
            )
            for name in names
        }
        return make_spec(optimizers=names, definitions=definitions, **changes)

    return make


@pytest.fixture(scope="session")
def study(train, real_spec, tmp_path_factory):
    """The ledger of a small study that two workers have trained to its end."""
    directory = tmp_path_factory.mktemp("study")
    spec = real_spec("langevin", "adam", num_trials=3, sweep=False)
    assert train(spec, directory, workers=2).finished
    return spec, directory


def table(directory, folder):
    return pl.read_parquet(directory / folder / "*.parquet")


def points(directory):
    trials = table(directory, "trials")
    names = [name for name in trials.columns if name in ("learning_rate", "diffusion", "beta1", "beta2", "momentum")]
    return trials.select(*KEY[:3], *names, "sampler").unique().sort(KEY[:3])


def tables(directory):
    """Every row, with all that was measured."""
    return {folder: table(directory, folder) for folder in ("trials", "epochs")}


def holds(after, before):
    """Whether tables still have every row of earlier ones."""
    return all(
        rows.is_empty() or rows.join(after[name], on=rows.columns, how="anti", nulls_equal=True).is_empty()
        for name, rows in before.items()
    )


def rows(directory, folder):
    """All that is determined by the spec, in the order of the key."""
    found = table(directory, folder)
    order = [*KEY, "epoch"] if folder == "epochs" else KEY
    return found.drop(MEASURED, strict=False).sort(order)


def test_every_replicate_of_every_trial_is_stored_once_with_all_its_epochs(study):
    _, directory = study
    trials, epochs = table(directory, "trials"), table(directory, "epochs")
    assert trials.select(KEY).is_unique().all()
    assert epochs.select(*KEY, "epoch").is_unique().all()
    per_phase = Counter(trials["phase"])
    confirmed = trials.filter(phase="confirm").select("optimizer", "number").n_unique()
    assert per_phase == {"published": 4, "explore": 8, "confirm": 6 * confirmed, "ablation": 6}
    complete = trials.filter(status="complete").select(KEY)
    reached = epochs.group_by(KEY).agg(pl.col("epoch").sort())
    assert complete.join(reached, on=KEY)["epoch"].to_list() == [[1, 2]] * complete.height
    assert reached.height == trials.height


def test_the_columns_are_those_of_the_schema(study):
    _, directory = study
    expected = {"trials": trials_schema(["beta1", "beta2", "diffusion", "learning_rate"]), "epochs": epochs_schema()}
    for folder, schema in expected.items():
        for path in (directory / folder).iterdir():
            assert pq.read_schema(path).equals(schema)
            pq.read_table(path).validate(full=True)


def test_rows_hold_what_the_spec_fixes(study):
    _, directory = study
    trials, epochs = table(directory, "trials"), table(directory, "epochs")
    assert set(epochs["steps"]) == {10}
    assert set(epochs["images"]) == {200}
    assert epochs["step_losses"].list.len().to_list() == [10] * epochs.height
    assert (trials["steps"] == 20).all()
    assert (trials["attempt"] == 0).all()
    for phase, fresh in (("explore", False), ("confirm", True), ("ablation", True)):
        own = trials.filter(phase=phase)
        for replicate, seed in own.select("replicate", "seed").unique().rows():
            assert seed == replicate_seed(0, fresh=fresh, replicate=replicate)
    is_tested = pl.col("phase").is_in(["confirm", "ablation"])
    assert trials.filter(~is_tested).select("test_loss", "test_error", "test_correct").null_count().row(0) == (
        12,
        12,
        12,
    )
    tested = trials.filter(is_tested)
    wrong = [1 - np.unpackbits(np.frombuffer(bits, np.uint8))[:1000].mean() for bits in tested["test_correct"]]
    assert tested["test_error"].to_list() == pytest.approx(wrong)


def test_one_worker_asks_the_same_points_and_gets_the_same_bits_as_two(study, train, tmp_path):
    """One worker trains all in one process, one trial after another: a used process gives what any other does."""
    spec, directory = study
    train(spec, tmp_path, workers=1)
    assert points(tmp_path).equals(points(directory))
    for folder in ("trials", "epochs"):
        assert rows(tmp_path, folder).equals(rows(directory, folder))


@pytest.mark.parametrize(
    ("phase", "number", "optimizer", "names"),
    [
        ("explore", 2, "langevin", ("learning_rate", "diffusion")),
        ("ablation", 0, "sgd", ("learning_rate",)),
    ],
    ids=["itself", "without noise: sgd"],
)
def test_a_trial_on_the_cluster_equals_the_same_trial_in_this_process(study, images, phase, number, optimizer, names):
    _, directory = study
    row = table(directory, "trials").filter(optimizer="langevin", phase=phase, number=number).sort("replicate")
    config = TrialConfig(
        optimizer=optimizer,
        hyperparameters={name: row[name][0] for name in names},
        seeds=tuple(row["seed"]),
        batch_size=20,
        num_epochs=2,
    )
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    training = Training(config, load_optimizer(optimizer), images)
    records = [record for _ in range(2) for record in training.run_epoch()]
    torch.set_num_threads(before)
    stored = rows(directory, "epochs").filter(optimizer="langevin", phase=phase, number=number)
    assert len(records) == stored.height
    for record in records:
        (there,) = stored.filter(replicate=record.replicate, epoch=record.epoch).to_dicts()
        assert there["validation_loss"] == record.validation_loss
        assert there["step_losses"] == record.step_losses.tolist()
        assert there["weight_norm"] == record.weight_norm


@pytest.mark.slow
def test_a_larger_study_trains_what_is_new_and_nothing_else(train, real_spec, tmp_path):
    small = real_spec("sgd", num_trials=2, num_confirm_seeds=0, sweep=False)
    large = real_spec("sgd", num_trials=4, num_confirm_seeds=0, sweep=False)
    train(small, tmp_path / "grown")
    before = tables(tmp_path / "grown")
    queue = train(large, tmp_path / "grown")
    assert queue.finished
    after = tables(tmp_path / "grown")
    assert holds(after, before)
    assert after["trials"].height == 2 * before["trials"].height
    train(large, tmp_path / "direct")
    assert points(tmp_path / "grown").equals(points(tmp_path / "direct"))


@pytest.mark.slow
def test_a_grid_trains_exactly_its_points(train, real_spec, tmp_path):
    values = {"momentum": {"momentum": [0.5, 0.0], "learning_rate": [0.1, 0.01]}}
    spec = real_spec(
        "momentum", values=values, search="grid", num_trials=4, num_confirm_seeds=0, sweep=False, num_epochs=1
    )
    train(spec, tmp_path)
    trained = points(tmp_path)
    assert trained["phase"].to_list() == ["grid"] * 4
    assert trained.select("number", "momentum", "learning_rate").rows() == [
        (0, 0.5, 0.1),
        (1, 0.5, 0.01),
        (2, 0.0, 0.1),
        (3, 0.0, 0.01),
    ]


@pytest.mark.slow
def test_own_optimizers_run_on_the_workers_and_one_that_fails_stops_nobody(train, real_spec, tmp_path):
    sources = {"clipped": CLIPPED_SGD, "failing": faulty_sgd(FAILING_UNLESS_PUBLISHED)}
    spec = real_spec("clipped", "failing", sources=sources, num_trials=2, sweep=False)
    queue = train(spec, tmp_path)
    assert queue.finished
    trials = table(tmp_path, "trials")
    assert set(trials.filter(optimizer="clipped")["status"]) == {"complete"}
    failing = trials.filter(optimizer="failing")
    assert failing.group_by("phase", "status").len().sort("phase").rows() == [
        ("confirm", "complete", 6),
        ("explore", "failed", 2),
        ("published", "complete", 2),
    ]
    failed = failing.filter(status="failed")
    assert set(failed["message"]) == {"RuntimeError: the fan stands still <script>alert(1)</script>"}
    assert set(failed["attempt"]) == {MAX_FAILURES}
    assert failed["validation_error"].null_count() == 2
    stored = read_study(tmp_path)
    assert stored["optimizers"]["clipped"]["source"] == CLIPPED_SGD
    assert queue.best("failing")[1] == {"learning_rate": 0.1}


@pytest.mark.slow
def test_a_trial_whose_worker_is_killed_is_trained_again_and_counts_once(train, real_spec, tmp_path):
    """In its second epoch: the first one's records of the lost attempt are superseded."""
    sources = {"dying": faulty_sgd(KILLED_ONCE, tmp_path)}
    spec = real_spec("dying", sources=sources, num_trials=2, num_confirm_seeds=0, sweep=False)
    assert train(spec, tmp_path / "study").finished
    assert (tmp_path / "killed").exists()
    trials, epochs = table(tmp_path / "study", "trials"), table(tmp_path / "study", "epochs")
    assert trials["status"].to_list() == ["complete"] * 4
    assert sorted(trials["attempt"].to_list()) == [0, 0, 1, 1]
    assert epochs.select(*KEY, "epoch").is_unique().all()
    assert epochs.height == 2 * 2 * 2
    attempts = trials.select(*KEY, "attempt").join(epochs.select(*KEY, "attempt"), on=[*KEY, "attempt"], how="semi")
    assert attempts.height == 4
    train(spec, tmp_path / "undisturbed")
    assert (
        rows(tmp_path / "study", "epochs")
        .drop("attempt")
        .equals(rows(tmp_path / "undisturbed", "epochs").drop("attempt"))
    )


def test_a_study_in_which_every_point_diverges_ends(train, real_spec, tmp_path):
    values = {"langevin": {"learning_rate": [1e6, 1e7], "diffusion": [1e9]}}
    options = {"shared_order": True, "precision": "bf16"}
    spec = real_spec("langevin", values=values, search="grid", num_trials=2, sweep=False, **options)
    assert train(spec, tmp_path).finished
    trials = table(tmp_path, "trials")
    assert set(trials.filter(phase="grid")["status"]) == {"diverged"}
    assert set(trials.select("phase", "shared_order").unique().rows()) == {
        *(("grid", True), ("confirm", False), ("ablation", False))
    }
    diverged = trials.filter(status="diverged")
    assert set(diverged["validation_error"]) == {1.0}
    assert diverged["validation_loss"].null_count() == diverged.height
    assert (diverged["diverged_step"] >= 1).all()
    assert set(trials.filter(phase="confirm", number=1)["test_error"]) == {1.0}
    assert set(trials.filter(phase="ablation")["diffusion"]) == {0.0}


@pytest.mark.slow
def test_a_time_budget_that_is_over_leaves_confirmation(train, real_spec, tmp_path):
    spec = real_spec("sgd", "adam", num_trials=50, num_epochs=1)
    assert train(spec, tmp_path, minutes=0.03).finished
    trials = table(tmp_path, "trials")
    assert set(trials.filter(phase="confirm")["optimizer"]) == {"sgd", "adam"}
    tuned = trials.filter(~pl.col("phase").is_in(["confirm", "sweep"]))
    counts = tuned.group_by("optimizer").agg(pl.col("number").n_unique())["number"].to_list()
    assert len(set(counts)) <= 1
    assert "sweep" not in set(trials["phase"])


WORDS = (
    *("--search", "optuna", "--repeats", "1"),
    *("--optimizers", "sgd", "--train-images", "200", "--batch-size", "20"),
    *("--epochs", "2", "--seeds", "2", "--confirm-seeds", "6", "--no-sweep", "--no-timing"),
)
ONE_WORKER = ("--max-concurrent", "1")


def bytes_of(directory):
    return {path: path.read_bytes() for path in sorted(directory.rglob("*.parquet"))}


@pytest.mark.usefixtures("cluster")
def test_the_command_joins_a_cluster_trains_reports_and_does_nothing_twice(study_command, tmp_path):
    words = (*WORDS, "--trials", "2", "--address", ray.get_runtime_context().gcs_address, "--output", "Größe 1")
    done = study_command(*words, env={"RAY_AUTH_MODE": "token"})
    assert done.returncode == 0, done.stderr
    directory = tmp_path / "Größe 1"
    for name in ("report.html", "report.md"):
        assert (directory / "report" / name).stat().st_size > 1000
    assert list((directory / "report").rglob("*.csv"))
    assert list((directory / "report").rglob("*.svg"))
    assert "Report: Größe 1/report/report.html" in done.stdout
    assert "16 networks to train" in done.stdout
    assert "best setting" in done.stdout
    assert done.stderr == ""
    before = bytes_of(directory)
    again = study_command(*words, env={"RAY_AUTH_MODE": "token"})
    assert again.returncode == 0, again.stderr
    assert "0 networks to train, " in again.stdout
    assert bytes_of(directory) == before
    stored = read_study(directory)
    assert len(stored["runs"]) == 1
    assert "--trials 2" in stored["runs"][0]["command"]


@pytest.mark.slow
def test_the_command_starts_a_ray_of_its_own_and_extends_a_study(study_command, tmp_path):
    small = study_command(*WORDS, "--trials", "2", "--output", "out")
    assert small.returncode == 0, small.stderr
    before = tables(tmp_path / "out")
    large = study_command(*WORDS, "--trials", "4", *ONE_WORKER, "--output", "out")
    assert large.returncode == 0, large.stderr
    after = tables(tmp_path / "out")
    assert holds(after, before)
    assert after["trials"].filter(pl.col("phase") != "confirm").height == 8
    assert len(read_study(tmp_path / "out")["runs"]) == 2


@pytest.mark.slow
def test_the_command_trains_an_optimizer_of_another_folder(study_command, user_file, tmp_path):
    path = user_file("clipped", CLIPPED_SGD)
    words = (*WORDS, *ONE_WORKER, "--optimizer-file", str(path), "--trials", "2", "--output", "out")
    done = study_command(*words)
    assert done.returncode == 0, done.stderr
    assert set(table(tmp_path / "out", "trials")["optimizer"]) == {"sgd", "clipped"}
    assert read_study(tmp_path / "out")["optimizers"]["clipped"]["source"] == CLIPPED_SGD
    path.write_text(CLIPPED_SGD + "\n# changed\n", encoding="utf-8")
    changed = study_command(*words)
    assert changed.returncode == 2
    assert "out holds a different study: clipped.source is " in changed.stderr


LEARNING = (
    *("--search", "grid", "--values", "sgd.learning_rate=0.03,0.05", "langevin.learning_rate=0.05"),
    *("langevin.diffusion=1e-6,1e-5", "--optimizers", "sgd,langevin", "--train-images", "400", "--batch-size", "10"),
    *("--epochs", "8", "--seeds", "2", "--confirm-seeds", "9", "--repeats", "1", "--no-sweep", "--no-timing"),
)


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_the_command_trains_the_winner_without_its_noise_and_says_what_that_shows(study_command, tmp_path):
    address = ray.get_runtime_context().gcs_address
    done = study_command(*LEARNING, "--output", "out", "--address", address, env={"RAY_AUTH_MODE": "token"})
    assert done.returncode == 0, done.stderr
    assert "1 ablation, 9 confirmation seeds, without sweep" in done.stdout
    assert "53 networks to train" in done.stdout
    trials = table(tmp_path / "out", "trials").sort("replicate")
    winner = trials.filter(optimizer="langevin", phase="confirm", number=1)
    ablation = trials.filter(phase="ablation")
    assert ablation["optimizer"].to_list() == ["langevin"] * 9
    assert set(ablation["diffusion"]) == {0.0}
    for name in ("learning_rate", "seed"):
        assert ablation[name].to_list() == winner[name].to_list()
    report = tmp_path / "out" / "report"
    nested = pl.read_csv(report / "tables" / "nested.csv").filter(question="classifies better")
    by_part = dict(nested.select("part", "estimate").rows())
    assert by_part["optimizer"] == pytest.approx((ablation["test_error"] - winner["test_error"]).mean())
    assert by_part["total"] == pytest.approx(by_part["optimizer"] + by_part["setting"])
    assert "langevin at diffusion 0 is sgd" in (report / "report.md").read_text(encoding="utf-8")
    assert read_study(tmp_path / "out")["looks"][0]["ablated"] == {"langevin": 9}


@pytest.mark.slow
def test_the_command_ends_well_when_every_trial_fails(study_command, user_file, tmp_path):
    path = user_file("failing", faulty_sgd(FAILING_WITH_MARKUP))
    words = ("--optimizer-file", str(path), "--trials", "2", "--max-failures", "0", "--output", "out")
    done = study_command(*WORDS, *ONE_WORKER, *words)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out" / "report" / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)</script>" not in page
    assert set(table(tmp_path / "out", "trials").filter(optimizer="failing")["status"]) == {"failed"}


@pytest.fixture
def running(start, tmp_path):
    """Starts a study that takes a while, or goes on with it, and waits until a trial is stored."""
    words = [*WORDS, *ONE_WORKER, "--trials", "12", "--epochs", "6", "--output", "out"]

    def stored():
        """Names of the files of single trials; those of earlier runs are merged."""
        return {path.name for path in tmp_path.glob("out/trials/sgd-*.parquet")}

    def run():
        before = stored()
        process = start(tmp_path, *words)
        wait_for(lambda: stored() - before, process)
        return process, words

    return run


@pytest.mark.slow
def test_a_signal_ends_the_study_with_a_report_and_the_same_command_completes_it(running, study_command, tmp_path):
    before = {name: pl.DataFrame() for name in ("trials", "epochs")}
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process, words = running()
        process.send_signal(number)
        out, err = process.communicate(timeout=200)
        assert process.returncode == status, err
        assert err == ""
        assert "Not finished; go on with: python -m study.run --search optuna" in out
        assert (tmp_path / "out" / "report" / "report.html").exists()
        shutil.rmtree(tmp_path / "out" / "report")
        assert list((tmp_path / "out" / "log").iterdir()) == []
        found = tables(tmp_path / "out")
        assert holds(found, before)
        assert found["trials"].height > before["trials"].height
        before = found
    done = study_command(*words)
    assert done.returncode == 0, done.stderr
    assert holds(tables(tmp_path / "out"), before)
    trials = table(tmp_path / "out", "trials")
    assert trials.select(KEY).is_unique().all()
    assert trials.filter(pl.col("phase") != "confirm").height == 12 * 2
    assert (trials["status"] == "complete").all()


@pytest.mark.slow
def test_a_second_signal_ends_the_study_at_once(running, tmp_path):
    process, _ = running()
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 143
    assert "Not finished" not in out
    assert table(tmp_path / "out", "trials").height >= 2
