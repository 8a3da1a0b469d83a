"""The timing phase: who is timed and when, real steps on a real Ray, and the command from its end to a larger study."""

import signal
import time

import polars as pl
import pytest

from analysis.ledger.load import load
from analysis.tables.cost import step_cost_ratio
from study.job import Job
from study.ledger import Ledger, read_study
from study.queue.trial_queue import TrialQueue
from study.request.study import Study
from study.spec import OptimizerDefinition
from study.tune.launch import put_dataset, time_on_cluster
from study.tune.step_timing import contenders, is_due, time_winners
from tests.user_optimizers import FAILING, faulty_sgd
from trainables.data.dataset import load_dataset
from trainables.optimizers import load_optimizer
from trainables.randomness import replicate_seed
from trainables.training.trial import TrialConfig

RESOURCES = {"CPU": 1.0}
NO_IMAGES = dict.fromkeys(
    ("num_train_images", "num_validation_images", "num_evaluation_images", "num_test_images"), 0
)  # fmt: skip
PATIENCE_SECONDS = 200


@pytest.fixture
def job_of(listening, tmp_path):
    """Makes the job of a study, its training not begun."""

    def make(spec):
        ledger = Ledger(tmp_path / "study", spec)
        study = Study(spec=spec, optimizers={}, directory=tmp_path / "study", place="here")
        return Job(study=study, ledger=ledger, queue=TrialQueue(spec, listening()), outcomes=())

    return make


@pytest.fixture
def ended(job_of, simulate, surface):
    """Makes the job of a study whose training has ended."""

    def make(spec, response=surface):
        job = job_of(spec)
        simulate(job.queue, response=response)
        return job

    return make


def found(configs, num_blocks=6):
    """What a worker that has timed returns."""
    measured = {"replicates": 1, "steps": 3, "seconds": 0.5, "device": "cpu", "node": "10.0.0.1"}
    return [
        {"optimizer": config.optimizer, "block": block, "batch_size": batch_size, **measured}
        for config in configs
        for batch_size, number in ((32, num_blocks), (100, num_blocks - 1))
        for block in range(number)
    ]


def test_winners_are_timed_as_one_network_each(ended, make_spec):
    job = ended(make_spec())
    configs = contenders(job)
    assert [config.optimizer for config in configs] == ["sgd", "momentum"]
    for config in configs:
        assert config.hyperparameters == job.queue.best(config.optimizer)[1]
        assert config.seeds == (replicate_seed(0, fresh=False, replicate=0),)
    assert is_due(job)


def test_nothing_is_timed_before_training_has_ended(job_of, make_spec):
    assert not is_due(job_of(make_spec()))


@pytest.mark.parametrize("error", [None, 1.0])
def test_an_optimizer_that_always_fails_or_diverges_is_not_timed(ended, make_spec, surface, error):
    def response(task, replicate):
        return error if task.key.optimizer == "sgd" else surface(task, replicate)

    job = ended(make_spec(), response)
    assert [config.optimizer for config in contenders(job)] == ["momentum"]
    assert not is_due(job)


def test_one_optimizer_alone_is_not_timed(ended, make_spec):
    assert not is_due(ended(make_spec(optimizers=("sgd",))))


def test_a_study_that_trains_nothing_is_not_timed(ended, make_spec):
    job = ended(make_spec(dataset="synthetic", **NO_IMAGES))
    assert contenders(job) == []
    assert not is_due(job)


def test_what_was_timed_is_stored_and_not_due_again(ended, make_spec, tmp_path):
    job, said = ended(make_spec()), []
    time_winners(job, found, said.append)
    rows = pl.read_parquet(tmp_path / "study" / "timings" / "*.parquet")
    assert rows.height == 2 * (6 + 5)
    assert rows.select("replicates", "device", "node", "steps", "seconds").unique().rows() == [
        (1, "cpu", "10.0.0.1", 3, 0.5)
    ]
    assert not is_due(job)
    assert said == [
        "Timing steps of 2 optimizers in turn on one worker, for less than 30 seconds.",
        "Timed: 6 blocks at batch 32, 5 blocks at batch 100.",
    ]


def test_an_optimizer_that_joins_has_all_timed_again_behind_the_blocks_before(ended, make_spec, tmp_path):
    time_winners(ended(make_spec()), found, lambda _: None)
    job = ended(make_spec(optimizers=("sgd", "momentum", "sign")))
    assert is_due(job)
    time_winners(job, found, lambda _: None)
    rows = pl.read_parquet(tmp_path / "study" / "timings" / "*.parquet")
    assert set(rows["optimizer"]) == {"sgd", "momentum", "sign"}
    assert set(rows["block"]) == set(range(6, 12))
    assert not is_due(job)
    assert not is_due(ended(make_spec()))


def test_a_worker_that_fails_gets_a_note_and_nothing_is_stored(ended, make_spec, tmp_path):
    def measure(_):
        raise RuntimeError("the fan stands still")

    job, said = ended(make_spec()), []
    time_winners(job, measure, said.append)
    assert "could not be timed (the fan stands still); the same command tries again" in said[-1]
    assert not (tmp_path / "study" / "timings").exists()
    assert is_due(job)


def test_a_machine_that_is_too_slow_gets_a_note(ended, make_spec):
    job, said = ended(make_spec()), []
    time_winners(job, lambda _: found([]), said.append)
    assert said[-1].startswith("Note: 30 seconds were too short to time steps; the same command tries again")
    assert is_due(job)


# --- on a real Ray


@pytest.fixture(scope="module")
def images():
    return load_dataset("cifar10-mini").subset(200)


def real_job(ended, make_spec, *names):
    definitions = {name: OptimizerDefinition.of(load_optimizer(name), source=None, values={}) for name in names}
    return ended(make_spec(optimizers=names, definitions=definitions))


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_steps_are_timed_on_a_worker_within_the_time_given(ended, make_spec, images):
    configs = contenders(real_job(ended, make_spec, "sgd", "langevin"))
    rows = pl.DataFrame(time_on_cluster(configs, put_dataset(images), {}, RESOURCES, seconds=60.0))
    assert rows.select("device", "replicates").unique().rows() == [("cpu", 1)]
    assert rows["node"][0].count(".") == 3
    for (_, _), own in rows.group_by("batch_size", "block"):
        assert sorted(own["optimizer"]) == ["langevin", "sgd"]
    assert 0 < rows["seconds"].sum() < 60.0
    assert (rows["seconds"] > 0).all()


@pytest.mark.usefixtures("cluster")
def test_no_time_gives_no_timings(ended, make_spec, images):
    configs = contenders(real_job(ended, make_spec, "sgd", "langevin"))
    assert time_on_cluster(configs, put_dataset(images), {}, RESOURCES, seconds=0.0) == []


@pytest.mark.usefixtures("cluster")
def test_an_optimizer_that_raises_ends_the_timing_in_one_line(images):
    point = {"learning_rate": 0.1}
    configs = [
        TrialConfig(optimizer=name, hyperparameters=point, seeds=(0,), batch_size=20, num_epochs=1)
        for name in ("sgd", "failing")
    ]
    with pytest.raises(
        RuntimeError, match=r"^RuntimeError: optimizer 'failing' has failed: it raises RuntimeError\('enough'\)$"
    ):
        time_on_cluster(configs, put_dataset(images), {"failing": faulty_sgd(FAILING)}, RESOURCES, seconds=60.0)


# --- the command

WORDS = (
    *(
        "--search",
        "optuna",
        "--repeats",
        "1",
        "--train-images",
        "40",
        "--batch-size",
        "20",
        "--epochs",
        "1",
        "--trials",
        "2",
    ),
    *("--seeds", "1", "--confirm-seeds", "6", "--no-sweep", "--max-concurrent", "1"),
    *("--output", "out"),
)
TWO = ("--optimizers", "sgd,langevin")


@pytest.fixture
def until_timed(study_command):
    """Runs a command as often as it says that it had too little time, as it may have beside other tests."""

    def run(*words):
        for _ in range(5):
            done = study_command(*words)
            if "30 seconds were too short" not in done.stdout:
                break
        return done

    return run


@pytest.fixture
def interrupted_timing(start, tmp_path):
    """Sends a signal to a command while it times; gives its exit status, output and errors."""

    def run(number, *words):
        process = start(tmp_path, *words)
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Timing steps"):
                break
        time.sleep(3)  # the worker is up, or is starting: both are within what may be interrupted
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, "".join(lines) + out, err

    return run


@pytest.mark.slow
def test_the_command_times_once_whatever_signals_end_it_and_again_when_an_optimizer_joins(
    study_command, until_timed, interrupted_timing, tmp_path
):
    skipped = study_command(*WORDS, *TWO, "--no-timing")
    assert (skipped.returncode, skipped.stderr) == (0, "")
    assert "Tim" not in skipped.stdout
    assert not (tmp_path / "out" / "timings").exists()
    trials = pl.read_parquet(tmp_path / "out" / "trials" / "*.parquet")

    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        returncode, out, err = interrupted_timing(number, *WORDS, *TWO)
        assert returncode == status, (out, err)
        assert err == ""
        _, timing, after = out.partition("Timing steps")
        assert timing
        assert "Not finished; go on with: python -m study.run --search optuna" in after
        assert "Report: " in after
        assert not (tmp_path / "out" / "timings").exists()

    timed = until_timed(*WORDS, *TWO)
    assert (timed.returncode, timed.stderr) == (0, "")
    assert pl.read_parquet(tmp_path / "out" / "trials" / "*.parquet").equals(trials)
    assert "0 networks to train, " in timed.stdout
    assert "Timing steps of 2 optimizers in turn" in timed.stdout
    (path,) = (tmp_path / "out" / "timings").iterdir()
    before = path.read_bytes()
    rows = pl.read_parquet(path)
    assert rows["seconds"].sum() < 30
    assert set(rows["batch_size"]) >= {32}
    runs = read_study(tmp_path / "out")["runs"]
    assert len(runs) >= 2
    found = step_cost_ratio(load(tmp_path / "out").timings, "langevin", "sgd", 32)
    assert found.estimate > 0

    again = study_command(*WORDS, *TWO)
    assert (again.returncode, again.stderr) == (0, "")
    assert "Timing" not in again.stdout
    assert path.read_bytes() == before
    assert read_study(tmp_path / "out")["runs"] == runs

    larger = until_timed(*WORDS, "--optimizers", "adam")
    assert (larger.returncode, larger.stderr) == (0, "")
    assert "Timing steps of 3 optimizers in turn" in larger.stdout
    (path,) = (tmp_path / "out" / "timings").iterdir()
    joined = pl.read_parquet(path)
    assert set(joined["optimizer"]) == {"sgd", "langevin", "adam"}
    assert joined["block"].min() == rows["block"].max() + 1
    (kept,) = (tmp_path / "out" / "attempts" / "timings").iterdir()
    assert pl.read_parquet(kept).equals(rows)
    assert load(tmp_path / "out").timings.height == joined.height
