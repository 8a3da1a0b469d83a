"""A study at a URI: the folder of any machine and the URI come to hold the same, whatever ended the run before."""

import random
import re
import shutil
import signal
import subprocess
import time

import polars as pl
import pytest

from analysis.ledger.parts import read_parts
from study.ledger import Ledger, MirroredLedger, read_study
from study.ledger.check import check_ledger
from study.ledger.mirror.mirror import Mirror, MirrorError
from study.ledger.rows import TrialEnd, trial_rows
from study.queue.tasks import Task, TrialKey
from study.request.output import open_output
from study.run import main
from tests.processes import overriding, wait_for
from trainables.storage.object_store import Storage
from trainables.training.trial import ReplicateEpoch

KEY = ["optimizer", "phase", "number", "replicate"]
MEASURED = ["seconds", "attempt", "run", "node"]
COMMITTED = ("study.json", "trials", "epochs", "timings", "attempts")
TIMING = {"batch_size": 8, "replicates": 1, "steps": 3, "device": "cpu", "node": "here"}

SYNTHETIC = (
    *("--search", "optuna", "--repeats", "1"),
    *("--dataset", "synthetic", "--optimizers", "sgd,momentum", "--seeds", "1"),
    *("--confirm-seeds", "0", "--no-sweep", "--no-timing", "--max-concurrent", "1"),
)
PATIENCE_SECONDS = 240


def task_of(number):
    return Task(
        key=TrialKey("sgd", "explore", number),
        sampler="sobol",
        point={"learning_rate": 0.1 * (number + 1)},
        replicates=(0, 1),
        seeds=(7, 8),
    )


def records_of(epoch, seconds):
    measured = {"train_loss": 2.0, "train_error": 0.5, "validation_loss": 2.0, "validation_error": 0.5}
    norms = {"gradient_norm": 1.0, "update_norm": 1.0, "weight_norm": 1.0, "step_losses": [2.0] * 20}
    effort = {"seconds": seconds, "steps": 20, "images": 400, "diverged_step": None}
    return [ReplicateEpoch(replicate=replicate, epoch=epoch, **measured, **norms, **effort) for replicate in (0, 1)]


class FailingStorage(Storage):
    """A storage in which a limited number of changes succeed."""

    left = 0

    def put(self, name, content):
        self._count()
        super().put(name, content)

    def delete(self, name):
        self._count()
        super().delete(name)

    def _count(self):
        self.left -= 1
        if self.left < 0:
            raise OSError("the line is dead")


class Machine:
    """A working folder and what it does to the study at a URI."""

    def __init__(self, folder, uri, spec, seconds=0.5):
        self.folder, self.uri, self.spec, self.seconds = folder, uri, spec, seconds

    def open(self, storage=None):
        """The ledger at the start of a run."""
        mirror = Mirror(storage or Storage(self.uri, "--output"), self.folder, self.uri)
        mirror.stored_study()
        mirror.fetch()
        ledger = MirroredLedger(self.folder, self.spec, mirror)
        self.notes = ledger.recover()
        ledger.record_run({"command": str(self.folder)})
        return ledger

    def run(self, numbers, storage=None):
        """Train what is missing of some trials, and end the run."""
        ledger = self.open(storage)
        self.train(ledger, numbers)
        ledger.close()

    def train(self, ledger, numbers):
        """Train what is missing."""
        done = {outcome.key.number for outcome in ledger.outcomes()}
        for task in (task_of(number) for number in numbers if number not in done):
            attempt = ledger.begin(task)
            for epoch in (1, 2):
                attempt.append(records_of(epoch, self.seconds))
            rows = trial_rows(task, attempt.number, attempt.rows, TrialEnd(device="cpu", node="here"))
            ledger.commit(attempt, rows)


@pytest.fixture
def target(tmp_path):
    """The folder that the URI names."""
    return tmp_path / "target" / "study"


@pytest.fixture
def machine(tmp_path, target, make_spec):
    """Makes a machine with a working folder of its own."""

    def make(name, **options):
        return Machine(tmp_path / name, target.as_uri(), make_spec(), **options)

    return make


def committed(directory):
    """Bytes of the files that are mirrored."""
    found = [path for name in COMMITTED for path in (directory / name, *(directory / name).rglob("*"))]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in found if path.is_file()}


def is_sound(directory, spec, num_trials):
    check = check_ledger(directory, spec)
    assert (check.damaged, check.duplicates, check.gaps) == ([], [], [])
    return [check.counts[name][1] for name in ("trials", "epochs")] == [2 * num_trials, 4 * num_trials]


def timings(block):
    return [{"optimizer": name, "block": block, "seconds": 0.1, **TIMING} for name in ("sgd", "momentum")]


def table(directory, name):
    parts = [pl.DataFrame(pl.from_arrow(part.rows)) for part in read_parts(directory / name)]
    order = [*KEY, "epoch"] if name == "epochs" else KEY
    return pl.concat(parts, how="diagonal").sort(order)


def results(directory):
    """Everything but what may differ between two runs."""
    return {name: table(directory, name).drop(MEASURED, strict=False) for name in ("trials", "epochs")}


def test_a_commit_is_at_the_uri_when_it_has_ended_and_logs_never_are(machine, target):
    one = machine("one")
    ledger = one.open()
    assert committed(target) == committed(one.folder)
    one.train(ledger, [0, 1])
    assert committed(target) == committed(one.folder)
    assert {path.name for path in target.iterdir()} == {"study.json", "trials", "epochs"}
    half = ledger.begin(task_of(2))
    half.append(records_of(1, 0.5))
    ledger.close()
    assert committed(target) == committed(one.folder)
    assert len(list((target / "trials").iterdir())) == 1
    assert len(list((target / "attempts" / "epochs").iterdir())) == 1
    assert not any(path.name.startswith(".") or path.suffix == ".arrows" for path in target.rglob("*"))


def test_another_machine_goes_on_from_an_empty_folder(machine, target):
    one, two = machine("one"), machine("two")
    one.run(range(3))
    two.run(range(5))
    assert two.notes == []
    assert committed(two.folder) == committed(target)
    assert is_sound(target, two.spec, 5)
    assert [run["command"] for run in read_study(target)["runs"]] == [str(one.folder), str(two.folder)]


def test_a_folder_that_is_several_merges_behind_catches_up(machine, target):
    """A merged file names those that it was made of, but not those that they were made of."""
    one, two = machine("one"), machine("two")
    one.train(one.open(), range(2))
    two.run(range(4))
    two.run(range(6))
    one.run(range(6))
    assert one.notes == [
        f"4 files of {one.folder} were out of date, another run has gone on at {one.uri}; "
        f"they are now in {one.folder / 'outdated'}."
    ]
    assert committed(one.folder) == committed(target)
    assert is_sound(target, one.spec, 6)


def test_what_could_not_be_put_before_a_run_ended_is_put_by_the_next(machine, target):
    one = machine("one")
    one.run(range(2))
    one.train(Ledger(one.folder, one.spec), [2])
    assert is_sound(target, one.spec, 2)
    one.open()
    assert is_sound(target, one.spec, 3)
    assert one.notes == []


def test_a_merge_that_was_cut_short_before_the_uri_followed_is_not_undone(machine, target):
    one = machine("one")
    one.train(one.open(), range(3))
    Ledger(one.folder, one.spec).merge()
    merged = committed(one.folder)
    one.open()
    assert one.notes == []
    assert committed(one.folder).keys() == merged.keys() == committed(target).keys()


def test_trials_of_two_machines_count_once_and_the_uri_decides(machine, target):
    one, two = machine("one"), machine("two", seconds=9.0)
    one.run([0])
    one.train(Ledger(one.folder, one.spec), [1, 2])
    two.run(range(2))
    one.run(range(4))
    assert re.fullmatch(rf"4 files of {re.escape(str(one.folder))} were out of date, .*", one.notes[0])
    assert is_sound(target, one.spec, 4)
    assert table(target, "trials").group_by("number").agg(pl.col("seconds").first()).sort("number").rows() == [
        *((0, 1.0), (1, 18.0)),
        *((2, 1.0), (3, 1.0)),
    ]
    assert committed(one.folder) == committed(target)


def test_timings_of_another_run_stand_for_those_of_a_folder(machine, target):
    one, two = machine("one"), machine("two")
    one.open().store_timings(timings(0))
    for _ in range(2):
        two.open().store_timings(timings(0))
    ledger = one.open()
    assert ledger.timed_optimizers() == {"sgd", "momentum"}
    assert committed(one.folder) == committed(target)
    assert len(list((target / "timings").iterdir())) == 1
    assert len(list((target / "attempts" / "timings").iterdir())) == 2


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_file_damaged_in_the_folder_comes_back_from_the_uri(machine, target):
    one = machine("one")
    one.run(range(2))
    before = committed(target)
    for path in (one.folder / "trials").iterdir():
        flip(path)
    one.run(range(2))
    assert [note.partition(" was damaged")[0] for note in one.notes] == [
        str(one.folder / name) for name in before if name.startswith("trials/")
    ]
    assert {**before, "study.json": b""} == {**committed(target), "study.json": b""}


@pytest.mark.parametrize("name", ["trials", "epochs"])
def test_a_file_damaged_at_the_uri_is_set_aside_and_its_trials_are_trained_again(machine, target, name):
    one, two = machine("one"), machine("two")
    one.train(one.open(), range(3))
    damaged = sorted((target / name).iterdir())[0]
    flip(damaged)
    two.run(range(3))
    assert len(two.notes) == 1
    assert "its checksum is not that of its name" in two.notes[0]
    assert not damaged.exists()
    assert is_sound(target, two.spec, 3)
    assert committed(two.folder) == committed(target)


def test_a_file_cut_short_at_the_uri_is_put_again_by_a_folder_that_has_it_whole(machine, target):
    one = machine("one")
    one.run(range(2))
    before = committed(target)
    (path,) = (target / "epochs").iterdir()
    path.write_bytes(path.read_bytes()[:100])
    one.run(range(2))
    assert before.keys() == committed(target).keys()
    assert path.read_bytes() == before[f"epochs/{path.name}"]


def test_a_damaged_description_is_refused(machine, target):
    one = machine("one")
    one.run([0])
    flip(target / "study.json")
    with pytest.raises(ValueError, match=rf"^{re.escape(one.uri)}/study.json must describe a study, but cannot be"):
        machine("two").open()


@pytest.mark.slow
def test_wherever_the_line_goes_dead_every_machine_ends_with_every_row_once(machine, target, tmp_path):
    """After any number of changes at the URI: this machine goes on, or another one and then this one."""
    for num_changes in range(200):
        for go_on in (["one"], ["two", "one"]):
            one = machine("one")
            storage = FailingStorage(one.uri, "--output")
            storage.left = num_changes
            error = None
            try:
                one.run(range(2), storage)
                one.run(range(3), storage)
            except MirrorError as raised:
                error = raised
                assert str(error) == f"{one.uri} does not serve: the line is dead"
            for name in go_on:
                machine(name).run(range(3))
            last = machine(go_on[-1])
            assert committed(last.folder) == committed(target), num_changes
            assert is_sound(target, last.spec, 3), num_changes
            for name in ("one", "two", "target"):
                shutil.rmtree(tmp_path / name, ignore_errors=True)
        if error is None:
            break
    assert 15 < num_changes < 199


def test_a_run_that_is_not_alone_stops_at_its_next_commit_and_the_other_goes_on(machine, target):
    one, two = machine("one"), machine("two", seconds=9.0)
    first = one.open()
    one.train(first, [0])
    second = two.open()
    with pytest.raises(MirrorError, match=rf"^{re.escape(one.uri)}/study.json was written by somebody else while"):
        one.train(first, [1])
    two.train(second, range(3))
    second.close()
    one.run(range(4))
    assert is_sound(target, one.spec, 4)
    assert table(target, "trials").filter(number=1)["seconds"].to_list() == [18.0, 18.0]


def test_what_others_keep_at_the_uri_stays(machine, target):
    one = machine("one")
    one.run([0])
    others = {"notes.txt", "trials/readme.md", "repeats/1/other", "damaged/trials/x.parquet", "trials/.x.tmp"}
    for name in others:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text("mine")
    left = target / "trials" / ".half.parquet.draft"
    left.write_text("of a killed run")
    machine("two").run(range(2))
    assert all((target / name).read_text() == "mine" for name in others)
    assert not left.exists()


def test_a_report_takes_the_place_of_the_one_before(machine, target):
    one = machine("one")
    one.open()
    mirror = Mirror(Storage(one.uri, "--output"), one.folder, one.uri)
    mirror.fetch()
    for names in (("report.html", "tables/old.csv"), ("report.html", "tables/new.csv")):
        shutil.rmtree(one.folder / "report", ignore_errors=True)
        for name in names:
            (one.folder / "report" / name).parent.mkdir(parents=True, exist_ok=True)
            (one.folder / "report" / name).write_text(name)
        mirror.put_report()
        found = {path.relative_to(target / "report").as_posix() for path in (target / "report").rglob("*.*")}
        assert found == set(names)
    two = machine("two")
    two.open()
    assert (target / "report" / "report.html").exists()
    assert not (two.folder / "report").exists()


def refusal(capsys, *words):
    assert main(overriding(*SYNTHETIC, *words)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err.removeprefix("python -m study.run: error: ")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("file://relative/x", "got 'file://relative/x'"),
        ("file:///", "and names a folder, got 'file:///'"),
        ("file:///tmp/a b", "Cannot parse URI"),
        ("file:///tmp/a?b", "write %23 for a # in a name, and %3F for a ?."),
        ("file:///tmp/a#b", "write %23 for a # in a name, and %3F for a ?."),
        ("file:/tmp/x", "write file://..., or ./file:/tmp/x for a folder of this name."),
        ("file://[", "got 'file://[': Invalid IPv6 URL; mend it."),
        ("hdfs://host/x", "starts with file://, s3:// or gs:// and names a folder, got 'hdfs://host/x'"),
        ("s3://", "names a folder, got 's3://'"),
        ("s3:bucket/x", "write s3://..., or ./s3:bucket/x for a folder of this name."),
        ("s3://key:secret@bucket/x", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment instead."),
    ],
)
@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--fresh",)])
def test_an_odd_uri_is_refused_in_one_line(capsys, tmp_path, monkeypatch, uri, message, more):
    monkeypatch.chdir(tmp_path)
    said = refusal(capsys, "--output", uri, *more)
    assert said.startswith("--output must ")
    assert message in said
    assert "key:secret" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_uri_that_cannot_be_a_study_is_refused_and_nothing_is_written(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "file"
    file.touch()
    assert "Not a directory" in refusal(capsys, "--output", file.as_uri())
    assert "Not a directory" in refusal(capsys, "--output", f"{file.as_uri()}/below")
    assert refusal(capsys, "--output", tmp_path.as_uri(), "--dry-run") == (
        f"--output must be new or hold a study, {tmp_path.as_uri()} holds other files; choose another.\n"
    )
    assert list(tmp_path.iterdir()) == [file]


def test_a_uri_that_holds_another_study_is_refused(capsys, machine, target, tmp_path, monkeypatch):
    machine("one").run([0])
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    said = refusal(capsys, "--output", target.as_uri())
    assert re.match(rf"{re.escape(target.as_uri())} \(working folder results/.*\) holds a different study: ", said)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_working_folder_of_another_study_is_refused(machine, make_spec, tmp_path):
    one = machine("one")
    one.run([0])
    Ledger(tmp_path / "other", make_spec(seed=1)).record_run({"command": "another"})
    with pytest.raises(ValueError, match=r"its working folder .* study [0-9a-f]+; move that folder away"):
        Machine(tmp_path / "other", one.uri, make_spec(seed=1)).open()


def test_fresh_takes_the_first_uri_that_holds_nothing(tmp_path, target, machine):
    default = tmp_path / "results" / "hash"
    assert open_output(target.as_uri(), default, fresh=True).word == target.as_uri()
    machine("one").run([0])
    second = open_output(f"{target.as_uri()}/", default, fresh=True)
    assert second.word == f"{target.as_uri()}-2"
    second.directory.mkdir(parents=True)
    assert open_output(target.as_uri(), default, fresh=True).word == f"{target.as_uri()}-3"


def test_every_uri_has_a_working_folder_of_its_own_whatever_slashes_it_ends_with(tmp_path):
    default = tmp_path / "results" / "hash"
    uris = [f"file:///{name}" for name in ("a/b", "a-b", "a%20b", "a/b/", "a/b//")]
    folders = [open_output(uri, default, fresh=False).directory for uri in uris]
    assert len({*folders}) == 3
    assert folders[0] == folders[3] == folders[4]
    assert all(re.fullmatch(r"file-a-(20)?b-[0-9a-f]{8}", path.name) for path in folders)
    assert all(path.parent == default.parent for path in folders)


def ended(process):
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out, err


@pytest.mark.slow
def test_a_killed_study_is_completed_from_an_empty_folder_as_if_nothing_had_happened(tmp_path, start):
    chance = random.Random(6)
    words = (*SYNTHETIC, "--trials", "10", "--repeats", "2")
    code, _, err = ended(start(tmp_path / "undisturbed", *words, "--output", "out"))
    assert code == 0, err
    target = tmp_path / "target"
    stored = set()
    for number in range(2):
        process = start(tmp_path / f"machine-{number}", *words, "--output", target.as_uri())
        known, num_commits = commits(target), chance.randrange(1, 16)
        wait_for(lambda known=known, number=num_commits: len(commits(target) - known) >= number, process)
        time.sleep(chance.uniform(0, 0.1))
        with process:
            process.kill()
        assert process.returncode == -signal.SIGKILL
        found = stored_rows(target)
        assert found >= stored
        stored = found
    code, out, err = ended(start(tmp_path / "last", *words, "--output", target.as_uri()))
    assert code == 0, err
    assert f"{len(stored)} are done" in out
    assert f"also at {target.as_uri()}" in out
    assert stored_rows(target) >= stored
    (folder,) = (tmp_path / "last" / "results").iterdir()
    for place in ("", "repeats/1"):
        mine, theirs = results(target / place), results(tmp_path / "undisturbed" / "out" / place)
        assert all(mine[name].equals(theirs[name]) for name in mine)
        assert committed(folder / place) == committed(target / place)
    assert (target / "report" / "report.html").exists()


def commits(target):
    """Names of the trials' files that a run has put, whether it merges them or not."""
    return {path.relative_to(target) for path in target.glob("**/trials/*-*-*-*.parquet")}


def stored_rows(target):
    """What must never change of the trials at the URI."""
    rows = set()
    for place in ("", "repeats/1"):
        if any((target / place / "trials").glob("*.parquet")):
            rows |= {(place, *row) for row in table(target / place, "trials").select(*KEY, "seconds", "attempt").rows()}
    return rows


@pytest.mark.slow
def test_a_target_that_is_full_ends_the_run_in_one_line_and_the_same_command_completes_it(tmp_path, start):
    mounted = tmp_path / "disk"
    mounted.mkdir()

    def resize(options):
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(mounted)]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    if not shutil.which("mount") or resize("size=64k").returncode:
        pytest.skip("a file system of a small size cannot be mounted")
    try:
        words = (*SYNTHETIC, "--trials", "20", "--output", f"{mounted.as_uri()}/study")
        code, _, err = ended(start(tmp_path / "one", *words))
        assert code == 1, err
        assert re.fullmatch(
            r"python -m study\.run: error: file:\S+ does not serve: .*No space left on device.* All that is stored is "
            rf"in results/\S+; go on with: python -m study\.run .*{re.escape(words[-1])}\n",
            err,
        ), err
        (folder,) = (tmp_path / "one" / "results").iterdir()
        assert table(folder, "trials").height >= table(mounted / "study", "trials").height > 0
        assert resize("remount,ro").returncode == 0
        code, _, err = ended(start(tmp_path / "one", *words))
        assert (code, err.count("\n")) == (2, 1)
        assert "--output must be a folder that can be written, read and deleted from" in err
        assert resize("remount,rw,size=8m").returncode == 0
        code, _, err = ended(start(tmp_path / "one", *words))
        assert (code, err) == (0, "")
        assert committed(folder) == committed(mounted / "study")
        assert table(folder, "trials").select(KEY).is_unique().all()
        assert table(folder, "trials").height == 40
    finally:
        subprocess.run(["umount", "--lazy", str(mounted)], check=True)
