"""Studies under real faults: full disks, rival runs, workers without memory, lost nodes, damaged files, odd clocks."""

import ast
import errno
import os
import pathlib
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import polars as pl
import pyarrow.parquet as pq
import pytest

from analysis.ledger.parts import read_parts
from study.ledger import Ledger, read_study, write_study
from study.ledger.check import check_ledger
from study.ledger.rows import TrialEnd, trial_rows
from study.queue.tasks import Task, TrialKey
from study.run import main
from tests.processes import wait_for
from tests.user_optimizers import (
    ABORTING,
    DIVERGING,
    DYING_AT_A_CHANGE,
    FAILING_TWICE,
    HELD,
    HELD_UNLESS_PUBLISHED,
    HUNGRY,
    SLOW,
    WITNESS,
    faulty_sgd,
)
from trainables.training.trial import ReplicateEpoch

ROOT = pathlib.Path(__file__).parents[2]
KEY = ["optimizer", "phase", "number", "replicate"]
MEASURED = ["seconds", "attempt", "run", "node"]
"""All that may differ between two runs of one study."""

PATIENCE_SECONDS = 200

SIZE = (
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
        "4",
        "--trials",
        "2",
    ),
    *("--seeds", "1", "--confirm-seeds", "0", "--no-sweep", "--no-timing", "--max-concurrent", "1"),
)
"""On one worker: most of what a tiny study takes is the start of its processes."""
TINY = (*SIZE, "--optimizers", "sgd")
"""Two steps an epoch, so the fifth step is the first of the third epoch."""
BOTH_NODES = ("--max-concurrent", "2")


@pytest.fixture
def folder(tmp_path):
    """Where faulty optimizers leave traces and look for files."""
    path = tmp_path / "traces"
    path.mkdir()
    return path


@pytest.fixture
def faulty(user_file, folder):
    """Writes a file of an optimizer with a fault; returns the words that add it."""

    def write(name, fault, more=""):
        return ("--optimizer-file", str(user_file(name, faulty_sgd(fault, folder) + more)))

    return write


@pytest.fixture(scope="session")
def finished(made_once):
    """The directory of a tiny study that has ended."""

    def run(parent):
        words = [sys.executable, "-m", "study.run", *TINY, "--output", "out"]
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        subprocess.run(words, cwd=parent, env=environment, check=True, capture_output=True, timeout=PATIENCE_SECONDS)

    return made_once("finished", run) / "out"


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of it."""
    return pathlib.Path(shutil.copytree(finished, tmp_path / "out"))


@pytest.fixture
def disk(tmp_path):
    """An empty file system of its own and what gives it another size, in KiB."""
    mounted = tmp_path / "disk"
    mounted.mkdir()

    def mount(*options):
        return subprocess.run(
            ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(mounted)],
            capture_output=True,
            text=True,
            check=False,
        )

    done = mount("size=4k") if shutil.which("mount") else None
    if done is None or done.returncode:
        pytest.skip(f"a file system of a small size cannot be mounted: {done.stderr.strip() if done else 'no mount'}")

    def resize(kib):
        assert mount("remount", f"size={kib}k").returncode == 0

    yield mounted, resize
    subprocess.run(["umount", "--lazy", str(mounted)], check=True)


EMPTY = pl.DataFrame(
    schema={"optimizer": pl.String, "phase": pl.String, "number": pl.Int32, "replicate": pl.Int32, "epoch": pl.Int32}
)


def table(directory, name):
    """The rows that count, in the order of their keys."""
    parts = [pl.DataFrame(pl.from_arrow(part.rows)) for part in read_parts(directory / name)]
    order = [*KEY, "epoch"] if name == "epochs" else KEY
    return pl.concat(parts, how="diagonal").sort(order) if parts else EMPTY.select(order)


def results(directory):
    """Everything but what may differ between two runs."""
    return {name: table(directory, name).drop(MEASURED, strict=False) for name in ("trials", "epochs")}


def same_results(directory, other):
    mine, theirs = results(directory), results(other)
    return all(mine[name].equals(theirs[name]) for name in mine)


def has_rows_of(after, before):
    """Whether a table holds all rows of an earlier one unchanged."""
    return before.is_empty() or before.join(after, on=before.columns, how="anti", nulls_equal=True).is_empty()


def stored_trials(directory):
    """All rows of stored trials, by table."""
    trials = table(directory, "trials")
    return {"trials": trials, "epochs": table(directory, "epochs").join(trials.select(KEY), on=KEY, how="semi")}


def every_key_once(directory):
    trials, epochs = table(directory, "trials"), table(directory, "epochs")
    return trials.select(KEY).is_unique().all() and epochs.select(*KEY, "epoch").is_unique().all()


def is_one_line(text, pattern):
    return re.fullmatch(rf"python -m study\.run: error: [^\n]*{pattern}[^\n]*\n", text) is not None


def contents(directory):
    return {path.relative_to(directory): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def check(directory):
    """What `python -m study.ledger DIR check` says."""
    words = [sys.executable, "-m", "study.ledger", str(directory), "check"]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)


def task_of(number):
    return Task(
        key=TrialKey("sgd", "explore", number),
        sampler="sobol",
        point={"learning_rate": 0.1 * (number + 1)},
        replicates=(0, 1),
        seeds=(7, 8),
    )


def records_of(epoch):
    """What a worker reports of an epoch."""
    measured = {"train_loss": 2.0, "train_error": 0.5, "validation_loss": 2.0, "validation_error": 0.5}
    norms = {"gradient_norm": 1.0, "update_norm": 1.0, "weight_norm": 1.0, "step_losses": [2.0] * 20}
    effort = {"seconds": 0.5, "steps": 20, "images": 400, "diverged_step": None}
    return [ReplicateEpoch(replicate=replicate, epoch=epoch, **measured, **norms, **effort) for replicate in (0, 1)]


class Writing:
    """What a study of some tasks writes.

    Attributes:
        step: What is being written.
        stored: All rows of stored trials as of the last step that has ended.
    """

    def __init__(self, directory, spec, tasks, before_merge=lambda: None):
        self.directory, self.ledger, self.tasks = directory, Ledger(directory, spec), tasks
        self.before_merge = before_merge
        self.step, self.stored = "", {}

    def error(self):
        """Write, and return the error that has ended it."""
        try:
            self._write()
        except OSError as error:
            return error
        return None

    def _write(self):
        self._begin("study.json")
        self.ledger.record_run({"command": "a test"})
        for task in self.tasks:
            attempt = self.ledger.begin(task)
            for epoch in (1, 2):
                self._begin("log")
                attempt.append(records_of(epoch))
            self._begin("commit")
            rows = trial_rows(task, attempt.number, attempt.rows, TrialEnd(device="cpu", node="here"))
            self.ledger.commit(attempt, rows)
        self._begin("merge")
        self.before_merge()
        self.ledger.close()
        self._begin("nothing")

    def _begin(self, step):
        self.step, self.stored = step, stored_trials(self.directory)


@pytest.mark.slow
def test_a_ledger_on_a_disk_of_any_size_keeps_what_it_has_stored_and_goes_on(make_spec, disk):
    mounted, resize = disk
    spec, tasks = make_spec(), [task_of(number) for number in range(2)]
    hit = set()
    for kib in (*range(4, 72, 4), 1024):
        resize(kib)
        (mounted / "other").write_bytes(bytes(4096))
        directory = mounted / "study"

        def fill(kib=kib):
            if kib == 1024:
                resize((shutil.disk_usage(mounted).used + 1023) // 1024)

        writing = Writing(directory, spec, tasks, before_merge=fill)
        error = writing.error()
        assert error is None or error.errno == errno.ENOSPC
        before, found = writing.stored, stored_trials(directory)
        assert all(has_rows_of(found[name], before[name]) for name in before)
        is_half = table(directory, "epochs").height > found["epochs"].height
        hit.add({"commit": "trials file" if is_half else "epochs file"}.get(writing.step, writing.step))
        with suppress(OSError):  # there may be no room to bring it in order either
            Ledger(directory, spec).recover()
        resize(1024)
        ledger = Ledger(directory, spec)
        notes = ledger.recover()
        assert all("/damaged/log/" in note and note.endswith(" rows before are kept.") for note in notes)
        ended = {outcome.key for outcome in ledger.outcomes()}
        again = Writing(directory, spec, [task for task in tasks if task.key not in ended])
        again.ledger.recover()
        assert again.error() is None
        assert all(has_rows_of(again.stored[name], before[name]) for name in before)
        check = check_ledger(directory, spec)
        assert (check.damaged, check.duplicates, check.gaps) == ([], [], [])
        assert (check.counts["trials"], check.counts["epochs"]) == ((1, 4), (1, 8))
        shutil.rmtree(directory)
    assert hit == {"study.json", "log", "epochs file", "trials file", "merge", "nothing"}


@pytest.mark.slow
def test_a_study_whose_disk_is_full_ends_in_one_line_and_the_same_command_completes_it(study_command, disk, finished):
    """Full from the start, after the first trials, and at the report."""
    mounted, resize = disk
    directory = mounted / "out"
    words = (*TINY, "--output", "disk/out")
    other = mounted / "other"
    other.write_bytes(bytes(4096))
    stored = {"trials": pl.DataFrame(), "epochs": pl.DataFrame()}
    for kib, num_trials in ((4, 0), (40, 1), (256, 2)):
        resize(kib)
        done = study_command(*words)
        assert done.returncode == 1, (kib, done.stdout, done.stderr)
        assert is_one_line(done.stderr, f"the disk is full;.* Make room and go on with: .*{' '.join(TINY)}"), (
            done.stderr
        )
        found = stored_trials(directory)
        assert found["trials"].height == num_trials, kib
        assert all(has_rows_of(found[name], stored[name]) for name in stored)
        stored = found
    assert not any(path.is_file() for path in (directory / "report").rglob("*"))  # whole or absent
    resize(8192)
    done = study_command(*words)
    assert done.returncode == 0, done.stderr
    assert all(has_rows_of(table(directory, name), stored[name]) for name in stored)
    assert every_key_once(directory)
    assert same_results(directory, finished)
    assert check(directory).returncode == 0


@pytest.mark.slow
def test_a_disk_that_is_full_at_the_report_or_the_look_ends_in_one_line(finished, disk, capsys, monkeypatch):
    """From no room for the report to no room for the look at it, a block of `study.json`."""
    mounted, resize = disk
    monkeypatch.chdir(mounted.parent)
    resize(8192)
    directory = pathlib.Path(shutil.copytree(finished, mounted / "out", ignore=shutil.ignore_patterns("report")))
    words = [*TINY, "--output", "disk/out"]
    write_study(directory, {**read_study(directory), "looks": []})
    smallest = used_kib(mounted)
    before = contents(directory)
    assert main(words) == 0
    assert len(read_study(directory)["looks"]) == 1
    largest, report = used_kib(mounted), contents(directory / "report").keys()
    assert capsys.readouterr().err == ""
    for kib in (smallest, smallest + 4, *range(smallest + 64, largest, 512), largest - 4, largest):
        shutil.rmtree(directory / "report")
        resize(8192)
        write_study(directory, {**read_study(directory), "looks": []})
        resize(kib)
        assert main(words) == 1, kib
        out, err = capsys.readouterr()
        assert is_one_line(err, "the disk is full;.* Make room and go on with: python -m study.run "), err
        assert "Report: " not in out
        assert kib < largest or contents(directory / "report").keys() == report
        assert {path: content for path, content in contents(directory).items() if path in before} == before
    resize(8192)
    assert main(words) == 0
    assert len(read_study(directory)["looks"]) == 1


def used_kib(mounted):
    status = os.statvfs(mounted)
    return (status.f_blocks - status.f_bfree) * status.f_frsize // 1024


@pytest.mark.slow
def test_a_second_run_is_refused_and_the_first_is_undisturbed(start, study_command, faulty, folder, tmp_path):
    words = (*SIZE, *faulty("held", HELD_UNLESS_PUBLISHED), "--optimizers", "sgd", "--output", "out")
    first = start(tmp_path, *words)
    wait_for(lambda: list(folder.glob("held-*")), first)
    before = contents(tmp_path / "out")
    second = study_command(*words)
    assert second.returncode == 2
    assert is_one_line(second.stderr, "out is in use by another run of the study; wait until it has ended")
    assert contents(tmp_path / "out").keys() >= before.keys()
    (folder / "open").touch()
    _, err = first.communicate(timeout=PATIENCE_SECONDS)
    assert (first.returncode, err) == (0, "")
    assert every_key_once(tmp_path / "out")
    trials = table(tmp_path / "out", "trials")
    assert trials.select("status", "attempt").rows() == [("complete", 0)] * 4
    assert len(read_study(tmp_path / "out")["runs"]) == 1


@pytest.mark.slow
def test_after_the_kill_of_a_run_the_next_works_at_once(start, study_command, faulty, folder, tmp_path):
    words = (*SIZE, *faulty("held", HELD_UNLESS_PUBLISHED), "--optimizers", "held", "--output", "out")
    first = start(tmp_path, *words)
    wait_for(lambda: list(folder.glob("held-*")) and list(tmp_path.glob("out/trials/*.parquet")), first)
    assert study_command(*words).returncode == 2
    before = stored_trials(tmp_path / "out")
    assert before["trials"].height == 1
    (folder / "open").touch()
    first.kill()
    second = study_command(*words)
    assert (second.returncode, second.stderr) == (0, "")
    assert all(has_rows_of(table(tmp_path / "out", name), before[name]) for name in before)
    assert every_key_once(tmp_path / "out")
    assert table(tmp_path / "out", "trials")["status"].to_list() == ["complete"] * 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the address space of a process is limited on Linux alone")
def test_a_worker_without_memory_fails_its_trial_alone(study_command, faulty, folder, tmp_path):
    files = (*faulty("hungry", HUNGRY), *faulty("aborting", ABORTING), *faulty("witness", WITNESS))
    words = (*SIZE, *files, "--max-failures", "1")
    done = study_command(*words, "--optimizers", "hungry,aborting,witness", "--output", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert every_key_once(tmp_path / "out")
    trials = table(tmp_path / "out", "trials")
    assert trials.select("optimizer", "phase", "status", "attempt").rows() == [
        ("aborting", "explore", "failed", 1),
        ("aborting", "published", "complete", 0),
        ("hungry", "explore", "failed", 1),
        ("hungry", "published", "complete", 0),
        ("witness", "explore", "complete", 0),
        ("witness", "published", "complete", 0),
    ]
    messages = trials.filter(status="failed").select("optimizer", "message").rows()
    for optimizer, message in messages:
        expected = "can't allocate memory" if optimizer == "hungry" else "died"
        assert expected in message, message
        assert "\n" not in message
    # A process with the lowered limit trains nothing else: every attempt has had one of its own.
    assert len(list(folder.glob("hungry-*"))) == 2
    witnesses = list(folder.glob("witness-*"))
    assert len(witnesses) == 2
    assert {int(path.read_text()) for path in witnesses} == {resource.getrlimit(resource.RLIMIT_AS)[0]}


@pytest.mark.slow
def test_a_worker_that_is_asked_to_end_is_no_failure_of_its_trial(start, faulty, folder, tmp_path):
    """As every process of a machine is before that is switched off, when Ray does not know yet that its node goes."""
    words = (*SIZE, *faulty("held", HELD), "--optimizers", "held", "--max-failures", "0")
    study = start(tmp_path, *words, "--output", "out")
    wait_for(lambda: list(folder.glob("held-*")), study)
    (path,) = folder.glob("held-*")
    os.kill(int(path.name.partition("-")[2]), signal.SIGTERM)
    wait_for(lambda: len(list(folder.glob("held-*"))) > 1, study)
    (folder / "open").touch()
    _, err = study.communicate(timeout=PATIENCE_SECONDS)
    assert (study.returncode, err) == (0, "")
    assert every_key_once(tmp_path / "out")
    trials = table(tmp_path / "out", "trials")
    assert trials.select("status", "attempt").sort("attempt").rows() == [("complete", 0), ("complete", 1)]


@pytest.mark.slow
@pytest.mark.parametrize("max_failures", [0, 3])
def test_a_trial_is_started_again_as_often_as_asked(study_command, faulty, folder, tmp_path, max_failures):
    """An optimizer whose first two attempts fail in their third epoch."""
    words = (*SIZE, *faulty("failing", FAILING_TWICE), "--optimizers", "failing", "--output", "out")
    done = study_command(*words, "--max-failures", str(max_failures))
    assert done.returncode == 0, done.stderr
    assert every_key_once(tmp_path / "out")
    trials, epochs = (table(tmp_path / "out", name) for name in ("trials", "epochs"))
    superseded = [pl.read_parquet(path) for path in sorted((tmp_path / "out" / "attempts").rglob("*.parquet"))]
    if max_failures:
        assert trials.select("status", "attempt").rows() == [("complete", 2)] * 2
        assert epochs.select("attempt", "epoch").rows() == [(2, epoch) for epoch in (1, 2, 3, 4)] * 2
        kept = pl.concat(superseded).sort(*KEY, "attempt", "epoch")
        assert kept.select("attempt", "epoch").rows() == [(0, 1), (0, 2), (1, 1), (1, 2)] * 2
        assert len(list(folder.iterdir())) == 6
    else:
        assert trials.select("status", "attempt", "message").rows() == [("failed", 0, "RuntimeError: failure 0")] * 2
        assert epochs.select("attempt", "epoch").rows() == [(0, 1), (0, 2)] * 2
        assert superseded == []
        assert len(list(folder.iterdir())) == 2


@pytest.mark.slow
@pytest.mark.parametrize("max_failures", [0, 1])
def test_a_trial_whose_worker_dies_while_it_takes_the_trial_over_is_started_again(
    study_command, faulty, folder, tmp_path, max_failures
):
    """Tune itself would not: to it such a trial has not begun."""
    words = (*SIZE, *faulty("dying", "pass", DYING_AT_A_CHANGE), "--optimizers", "dying", "--output", "out")
    done = study_command(*words, "--max-failures", str(max_failures))
    assert (done.returncode, done.stderr) == (0, "")
    assert every_key_once(tmp_path / "out")
    trials = table(tmp_path / "out", "trials")
    assert trials.select("phase", "status").rows() == [
        ("explore", "complete" if max_failures else "failed"),
        ("published", "complete"),
    ]
    assert len(list(folder.iterdir())) == 1 + max_failures


def lives(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="whether the workers of a node have ended is read in /proc")
def test_a_study_that_loses_a_node_ends_complete(start_cluster, start, faulty, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    address, lose_node = start_cluster({"num_cpus": 1}, {"num_cpus": 1})
    words = (*SIZE, *faulty("held", HELD), "--optimizers", "held", "--trials", "4", "--output", "out")
    study = start(tmp_path, *words, "--address", address, *BOTH_NODES)
    wait_for(lambda: len(list(folder.glob("held-*"))) == 2, study)
    workers = [int(path.name.partition("-")[2]) for path in folder.glob("held-*")]
    lose_node()
    wait_for(lambda: not all(lives(pid) for pid in workers), study)
    (folder / "open").touch()
    _, err = study.communicate(timeout=PATIENCE_SECONDS)
    assert study.returncode == 0, err
    assert every_key_once(tmp_path / "out")
    trials, epochs = (table(tmp_path / "out", name) for name in ("trials", "epochs"))
    assert trials["status"].to_list() == ["complete"] * 4
    assert sorted(trials["attempt"]) == [0, 0, 0, 1]
    assert epochs["epoch"].to_list() == [1, 2, 3, 4] * 4
    assert len(list((tmp_path / "out" / "attempts").rglob("*.parquet"))) == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="whether the workers of a node have ended is read in /proc")
def test_an_epoch_that_is_lost_with_its_node_before_the_driver_has_read_it_is_trained_again(
    start_cluster, start, faulty, folder, tmp_path, monkeypatch
):
    """Results of more than 100 kB stay where they were made until they are read; here all do, and the driver sleeps."""
    monkeypatch.setenv("RAY_max_direct_call_object_size", "0")
    address, lose_node = start_cluster({"num_cpus": 1}, {"num_cpus": 1})
    words = (*SIZE, *faulty("held", HELD), "--optimizers", "held", "--trials", "4", "--max-failures", "0")
    study = start(tmp_path, *words, "--output", "out", "--address", address, *BOTH_NODES)
    wait_for(lambda: len(list(folder.glob("held-*"))) == 2, study)
    workers = [int(path.name.partition("-")[2]) for path in folder.glob("held-*")]
    study.send_signal(signal.SIGSTOP)
    (folder / "open").touch()
    time.sleep(3)
    lose_node()
    wait_for(lambda: not all(lives(pid) for pid in workers), study)
    study.send_signal(signal.SIGCONT)
    out, err = study.communicate(timeout=PATIENCE_SECONDS)
    assert study.returncode == 0, err
    assert out.count("A result was lost with its node: ") == 1
    assert every_key_once(tmp_path / "out")
    trials, epochs = (table(tmp_path / "out", name) for name in ("trials", "epochs"))
    assert trials["status"].to_list() == ["complete"] * 4
    assert epochs["epoch"].to_list() == [1, 2, 3, 4] * 4


def flip_a_bit(path):
    """Change a value of a validation loss."""
    column = next(
        column
        for index in range(pq.read_metadata(path).num_columns)
        if (column := pq.read_metadata(path).row_group(0).column(index)).path_in_schema == "validation_loss"
    )
    content = bytearray(path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(content)


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "damage"), [("trials", flip_a_bit), ("epochs", truncate)])
def test_a_damaged_file_is_named_set_aside_and_its_trials_are_trained_again(
    copied, finished, study_command, name, damage
):
    (path,) = (copied / name).glob("*.parquet")
    damage(path)
    content = path.read_bytes()
    found = check(copied)
    assert found.returncode == 1
    assert re.search(rf"^Damaged: {re.escape(str(path))}: ", found.stdout, re.MULTILINE), found.stdout
    words = [sys.executable, "-m", "analysis.report.__main__", str(copied)]
    refused = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert refused.returncode == 2
    assert re.fullmatch(rf"[^\n]*{re.escape(str(path))}[^\n]* is damaged [^\n]*\n", refused.stderr), refused.stderr

    done = study_command(*TINY, "--output", "out")
    assert (done.returncode, done.stderr) == (0, "")
    (note,) = [line for line in done.stdout.splitlines() if line.startswith("Note: ")]
    assert f"out/{name}/{path.name} is damaged (" in note
    assert note.endswith("what no other file holds is trained again.")
    assert (copied / "damaged" / name / path.name).read_bytes() == content
    assert "2 networks to train;" in done.stdout
    assert every_key_once(copied)
    assert same_results(copied, finished)
    assert set(table(copied, "trials")["attempt"]) == {1}
    found = check(copied)
    assert (found.returncode, found.stdout.splitlines()[-1]) == (0, "Sound.")


@pytest.mark.slow
def test_a_trial_goes_on_from_its_checkpoint_after_the_kill_of_its_driver(
    start, study_command, faulty, folder, tmp_path
):
    """The trial is held in its third epoch; the command without --storage starts it over."""
    words = (*SIZE, *faulty("held", HELD), "--optimizers", "held", "--epochs", "9")
    storage = ("--storage", str(tmp_path / "storage"))
    first = start(tmp_path, *words, *storage, "--output", "with")
    wait_for(lambda: list(folder.glob("held-*")), first)
    first.kill()
    first.wait()
    (folder / "open").touch()
    shutil.copytree(tmp_path / "with", tmp_path / "without")
    for name, storing in (("undisturbed", ()), ("without", ()), ("with", storage)):
        done = study_command(*words, *storing, "--output", name)
        assert (done.returncode, done.stderr) == (0, ""), name
        assert every_key_once(tmp_path / name)
        assert same_results(tmp_path / name, tmp_path / "undisturbed")
    attempts = {name: table(tmp_path / name, "epochs").filter(phase="published") for name in ("with", "without")}
    assert attempts["with"].select("attempt", "epoch").rows() == [(int(epoch > 2), epoch) for epoch in range(1, 10)]
    assert attempts["without"].select("attempt", "epoch").rows() == [(1, epoch) for epoch in range(1, 10)]
    assert table(tmp_path / "with", "trials").sort("number")["attempt"].to_list() == [1, 0]
    assert not list((tmp_path / "with" / "attempts").rglob("*.parquet"))
    (superseded,) = (tmp_path / "without" / "attempts").rglob("*.parquet")
    assert pl.read_parquet(superseded).select("attempt", "epoch").rows() == [(0, 1), (0, 2)]
    assert [path for path in (tmp_path / "storage").rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_a_fresh_study_leaves_the_others_alone_and_is_resumed_without_the_word(
    start, study_command, faulty, folder, tmp_path
):
    words = (*SIZE, *faulty("slow", SLOW), "--optimizers", "slow", "--trials", "4", "--fresh", "--output", "my study")
    (folder / "open").touch()
    assert study_command(*words).returncode == 0
    (folder / "open").unlink()
    before = contents(tmp_path / "my study")
    second = start(tmp_path, *words)
    wait_for(lambda: list(tmp_path.glob("my study-2/trials/*.parquet")), second)
    second.send_signal(signal.SIGINT)
    out, err = second.communicate(timeout=PATIENCE_SECONDS)
    assert (second.returncode, err) == (130, "")
    assert 1 <= table(tmp_path / "my study-2", "trials").height < 4
    (folder / "open").touch()
    resume = shlex.split(re.search(r"^Not finished; go on with: (.*)$", out, re.MULTILINE)[1])
    assert resume[:3] == ["python", "-m", "study.run"]
    assert "--fresh" not in resume
    assert study_command(*resume[3:]).returncode == 0
    assert same_results(tmp_path / "my study-2", tmp_path / "my study")
    middle = contents(tmp_path / "my study-2")
    third = study_command(*words)
    assert third.returncode == 0
    assert " in my study-3: " in third.stdout
    assert same_results(tmp_path / "my study-3", tmp_path / "my study")
    assert contents(tmp_path / "my study") == before
    assert contents(tmp_path / "my study-2") == middle


@pytest.mark.slow
def test_the_report_says_that_every_point_diverged(study_command, faulty, tmp_path):
    words = (*SIZE, *faulty("diverging", DIVERGING), "--optimizers", "diverging", "--confirm-seeds", "6")
    done = study_command(*words, "--output", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert set(table(tmp_path / "out", "trials")["status"]) == {"diverged"}
    assert re.search(r"^diverging .* 2 of 2$", done.stdout, re.MULTILINE)
    text = (tmp_path / "out" / "report" / "report.md").read_text(encoding="utf-8")
    assert "Every fresh seed of every tuned setting diverged: nothing was learned." in text


JUMPING = '''
"""A clock that is a day early, a day late or right, by turns."""

import builtins, datetime, itertools, os, pathlib, time, types

_true, _import, _count = time.time, builtins.__import__, itertools.count()


def _jumping():
    pathlib.Path(os.environ["READERS_OF_THE_CLOCK"], str(os.getpid())).touch()
    return _true() + (86_400, -86_400, 0)[next(_count) % 3]


class _Jumping(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(_jumping(), tz)


_datetime = types.ModuleType("datetime")
vars(_datetime).update(vars(datetime), datetime=_Jumping)


def _importing(name, globals=None, *others, **named):
    """Compiled modules need the real class; these have no compiled ones that use it."""
    reader = (globals or {}).get("__name__", "")
    if name == "datetime" and reader.startswith(("study.", "trainables.", "ray.")):
        return _datetime
    return _import(name, globals, *others, **named)


time.time = _jumping
builtins.__import__ = _importing
'''


@pytest.mark.slow
def test_clocks_that_jump_change_no_result(study_command, folder, finished, faulty, tmp_path):
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(JUMPING, encoding="utf-8")
    env = {"PYTHONPATH": str(tmp_path / "clock"), "READERS_OF_THE_CLOCK": str(folder)}
    witness = faulty("witness", "time.time(); " + WITNESS.strip())
    words = (*SIZE, *witness, "--optimizers", "sgd,witness", "--time-budget", "60", "--output", "out")
    done = study_command(*words, env=env)
    assert done.returncode == 0, done.stderr  # Ray, which names its folder after the time, complains of its dashboard
    readers = {path.name for path in folder.iterdir()}
    assert len(readers) > 2
    assert {path.name.split("-")[1] for path in folder.glob("witness-*")} <= readers
    assert every_key_once(tmp_path / "out")
    mine, theirs = results(tmp_path / "out"), results(finished)
    for name in mine:
        assert mine[name].filter(optimizer="sgd").equals(theirs[name])
    assert table(tmp_path / "out", "trials")["status"].to_list() == ["complete"] * 4
    assert table(tmp_path / "out", "trials")["seconds"].is_between(0, PATIENCE_SECONDS).all()


WALL_CLOCK = {
    *("time.time", "time.time_ns", "time.ctime", "time.localtime", "time.gmtime", "time.strftime"),
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
}


def test_only_the_labels_of_runs_and_looks_read_the_wall_clock():
    """`started` of a run and `time` of a look, which nothing is computed from."""
    reads = {}
    for package in ("study", "trainables"):
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            direct = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "time"]
            assert not direct, f"{path} must name the module where it reads a clock"
            if found := names & WALL_CLOCK:
                reads[path.relative_to(ROOT).as_posix()] = found
    assert reads == {"study/request/provenance.py": {"datetime.now"}, "study/ledger/store.py": {"datetime.now"}}
