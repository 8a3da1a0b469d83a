"""After any end of a run the ledger reads back to exactly the rows that were acknowledged, or names what it lost."""

import os
import pathlib
import re
import shutil
from collections import Counter
from contextlib import suppress

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.ledger.durable import write_part
from analysis.ledger.parts import read_parts
from analysis.ledger.schema import timings_schema
from study.ledger import Ledger, read_study
from study.ledger.log import EpochLog, read_log
from study.ledger.rows import TrialEnd, epoch_rows, trial_rows
from study.queue.tasks import Task, TrialKey
from study.spec import StudySpec
from trainables.training.trial import ReplicateEpoch

V1 = pathlib.Path(__file__).with_name("ledger_v1")
KEY = ["optimizer", "phase", "number", "replicate"]
END = TrialEnd(device="cpu", node="127.0.0.1")
NUM_EPOCHS = 3

examples = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class CrashError(BaseException):
    """The process ends here."""


def task_of(number, optimizer="sgd"):
    point = {"learning_rate": 0.1 * (number + 1)} | ({"momentum": 0.9} if optimizer == "momentum" else {})
    return Task(
        key=TrialKey(optimizer, "explore", number), sampler="sobol", point=point, replicates=(0, 1), seeds=(7, 8)
    )


def records_of(task, epoch):
    """What a worker reports: the same at every attempt."""
    return [
        ReplicateEpoch(
            replicate=replicate,
            epoch=epoch,
            train_loss=2 / epoch if replicate else None,
            train_error=0.5,
            validation_loss=2.0 / (epoch + task.key.number + 1),
            validation_error=0.25 * replicate,
            step_losses=np.arange(epoch, dtype=np.float32) + task.key.number,
            gradient_norm=1.0,
            update_norm=0.1,
            weight_norm=9.0,
            seconds=0.5,
            steps=epoch,
            images=20,
            diverged_step=None,
        )
        for replicate in range(len(task.replicates))
    ]


def train(ledger, task, *, checkpoint=None):
    attempt = ledger.begin(task, checkpoint=checkpoint)
    for epoch in range(1, NUM_EPOCHS + 1):
        attempt.append(records_of(task, epoch))
    ledger.commit(attempt, trial_rows(task, attempt.number, attempt.rows, END))


def rows(directory, *folders):
    """All rows below some folders, in the order of their keys."""
    paths = sorted(path for folder in folders for path in (directory / folder).rglob("*.parquet"))
    if not paths:
        return pl.DataFrame()
    table = pl.concat([pl.read_parquet(path) for path in paths], how="diagonal")
    return table.sort([name for name in (*KEY, "epoch", "attempt") if name in table.columns])


def reported(directory, *folders):
    """(optimizer, number, replicate, epoch) of every row."""
    found = rows(directory, *folders)
    return found.select("optimizer", "number", "replicate", "epoch").rows() if found.height else []


@pytest.fixture
def spec(make_spec):
    return make_spec(num_epochs=NUM_EPOCHS)


@pytest.fixture(scope="module")
def stored(make_spec, tmp_path_factory):
    """A ledger of four trials, one of them in files of its own, the others merged."""
    directory = tmp_path_factory.mktemp("stored")
    ledger = Ledger(directory, make_spec(num_epochs=NUM_EPOCHS))
    ledger.record_run({"command": "a test"})
    for number in range(3):
        train(ledger, task_of(number))
    ledger.merge()
    train(ledger, task_of(0, "momentum"))
    return directory


@pytest.fixture
def copied(stored, tmp_path):
    return pathlib.Path(shutil.copytree(stored, tmp_path / "study"))


def flip(path, position, bit):
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= 1 << bit
    path.write_bytes(content)


def test_merged_files_hold_every_row_once(stored):
    assert len(list((stored / "trials").iterdir())) == len(list((stored / "epochs").iterdir())) == 2
    assert rows(stored, "trials").height == 8
    assert len(set(reported(stored, "epochs"))) == len(reported(stored, "epochs")) == 8 * NUM_EPOCHS


@examples
@given(data=st.data(), bit=st.integers(0, 7), table=st.sampled_from(["trials", "epochs"]))
def test_a_flipped_bit_changes_no_row_unnoticed(stored, spec, tmp_path_factory, data, bit, table):
    """Wherever it is: the file is named and set aside, and every row that is left is unchanged."""
    directory = tmp_path_factory.mktemp("flip") / "study"
    shutil.copytree(stored, directory)
    path = data.draw(st.sampled_from(sorted((directory / table).iterdir())))
    flip(path, data.draw(st.integers(0, path.stat().st_size - 1)), bit)
    (note,) = Ledger(directory, spec).recover()
    assert f"{path.name} is damaged (" in note
    assert (directory / "damaged" / table / path.name).exists()
    for name in ("trials", "epochs"):
        before, after = rows(stored, name), rows(directory, name)
        if after.height:
            assert before.join(after, on=before.columns, how="semi", nulls_equal=True).height == after.height
    trained = rows(directory, "trials")
    whole = trained.select(KEY).rows() if trained.height else []
    assert Counter((*key[:1], *key[2:]) for key in whole) == Counter(
        row[:3] for row in reported(directory, "epochs") if row[3] == NUM_EPOCHS
    )
    assert Ledger(directory, spec).recover() == []
    shutil.rmtree(directory)


@examples
@given(data=st.data(), table=st.sampled_from(["trials", "epochs"]))
def test_a_truncated_file_is_named_and_set_aside(stored, spec, tmp_path_factory, data, table):
    directory = tmp_path_factory.mktemp("cut") / "study"
    shutil.copytree(stored, directory)
    path = data.draw(st.sampled_from(sorted((directory / table).iterdir())))
    os.truncate(path, data.draw(st.integers(0, path.stat().st_size - 1)))
    (note,) = Ledger(directory, spec).recover()
    assert f"{path.name} is damaged (" in note
    assert not path.exists()
    assert (directory / "damaged" / table / path.name).exists()
    shutil.rmtree(directory)


@pytest.mark.parametrize("table", ["trials", "epochs"])
@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_damage_costs_the_trials_of_its_file_alone(spec, tmp_path, table, damage):
    """Files are merged up to 100 rows of `trials`, so of 60 trials of two networks 10 are in another file."""
    ledger = Ledger(tmp_path, spec)
    for number in range(60):
        train(ledger, task_of(number))
    ledger.merge()
    assert len(list((tmp_path / table).iterdir())) == (2 if table == "trials" else 1)
    victim = sorted((tmp_path / table).iterdir())[0]
    if damage == "flip":
        flip(victim, 500, 3)
    else:
        os.truncate(victim, victim.stat().st_size - 1)
    (note,) = ledger.recover()
    assert f"{victim.name} is damaged (its checksum is not that of its name) and now " in note
    kept = 20 if table == "trials" else 0
    assert rows(tmp_path, "trials").height == len(ledger.outcomes()) == kept
    assert len(reported(tmp_path, "epochs")) == kept * NUM_EPOCHS
    if table == "trials":
        assert len(reported(tmp_path, "attempts/epochs")) == 100 * NUM_EPOCHS


def test_a_trial_whose_epochs_are_damaged_is_trained_again(copied, spec):
    (path,) = (copied / "epochs").glob("momentum-explore-00000-000-0.*")
    path.write_bytes(path.read_bytes()[:-100])
    ledger = Ledger(copied, spec)
    ledger.recover()
    assert {outcome.key.optimizer for outcome in ledger.outcomes()} == {"sgd"}
    assert rows(copied, "attempts/trials")["optimizer"].to_list() == ["momentum"] * 2
    train(ledger, task_of(0, "momentum"))
    assert rows(copied, "trials").filter(optimizer="momentum")["attempt"].to_list() == [1, 1]


def test_a_key_that_stands_twice_is_refused(copied, spec):
    (path,) = (copied / "trials").glob("momentum-explore-00000-000-0.*")
    write_part(pq.read_table(path), copied / "trials", "again")
    with pytest.raises(ValueError, match=r"Each key must stand once in .*, 2 stand more often, the first is "):
        Ledger(copied, spec).recover()


@pytest.mark.parametrize(("column", "name"), [("optimizer", "../../x"), ("phase", "<script>")])
def test_rows_of_another_study_are_refused_before_they_name_a_file(copied, spec, column, name):
    (path,) = (copied / "trials").glob("momentum-explore-00000-000-0.*")
    table = pq.read_table(path)
    place = table.column_names.index(column)
    write_part(
        table.set_column(place, table.schema.field(column), pa.array([name] * table.num_rows)),
        copied / "trials",
        "foreign",
    )
    with pytest.raises(ValueError, match=rf"must have an {column} among .*, got '{name}'; remove the files"):
        Ledger(copied, spec).recover()


def test_a_file_of_a_later_release_is_refused(copied, spec):
    (path,) = (copied / "trials").glob("momentum-explore-00000-000-0.*")
    table = pq.read_table(path)
    path.unlink()
    write_part(table.replace_schema_metadata({"schema_version": "99"}), copied / "trials", "a")
    with pytest.raises(ValueError, match=r"this release reads ledgers up to schema version 4, .* has version 99; use"):
        Ledger(copied, spec).recover()


def test_a_ledger_of_schema_version_1_is_read_extended_and_merged(tmp_path):
    directory = pathlib.Path(shutil.copytree(V1, tmp_path / "study"))
    spec = StudySpec.from_dict(read_study(directory))
    before = rows(directory, "trials")
    ledger = Ledger(directory, spec)
    assert ledger.recover() == []
    assert len(ledger.outcomes()) == before.height == 8
    ledger.record_run({"command": "a test"})
    train(ledger, task_of(7))
    ledger.close()
    after = rows(directory, "trials")
    assert after.filter(pl.col("number") != 7).select(before.columns).equals(before)
    assert after["run"].to_list() == [None] * 6 + [1, 1] + [None] * 2
    assert len(list((directory / "trials").iterdir())) == 1


# --- the write-ahead log


@pytest.fixture
def logged(tmp_path):
    """A log of five batches: its path, its rows, and its size after each batch."""
    task, path = task_of(3), tmp_path / "log" / "sgd-explore-00003-000-0.arrows"
    log, written, sizes = EpochLog(path, "a checkpoint"), [], [0]
    for epoch in range(1, 6):
        batch = epoch_rows(task, 0, records_of(task, epoch))
        log.append(batch)
        written += [{**row, "step_losses": row["step_losses"].tolist()} for row in batch]
        sizes.append(path.stat().st_size)
    log.close()
    return path, written, sizes


def test_a_log_reads_back_to_what_was_appended(logged):
    path, written, _ = logged
    log = read_log(path)
    assert (log.rows, log.checkpoint, log.damage) == (written, "a checkpoint", None)


every_byte = pytest.mark.parametrize("stride", [17, pytest.param(1, marks=pytest.mark.slow)])


@every_byte
def test_a_log_cut_at_any_byte_reads_back_to_the_batches_before(logged, stride):
    path, written, sizes = logged
    content = path.read_bytes()
    for end in sorted({*range(0, len(content), stride), *sizes[:-1], *(size + 1 for size in sizes[:-1])}):
        path.write_bytes(content[:end])
        log = read_log(path)
        complete = sum(size <= end for size in sizes[1:])
        assert log.rows == written[: 2 * complete]
        if end not in sizes and log.damage is None:  # an empty stream, its schema alone
            assert end < sizes[1]


@every_byte
def test_a_flipped_bit_in_a_log_is_noticed_or_changes_nothing(logged, stride):
    path, written, _ = logged
    content = path.read_bytes()
    for position in range(0, len(content), stride):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        log = read_log(path)
        assert log.rows == written[: len(log.rows)]
        assert log.damage is not None or log.rows == written


def test_a_damaged_log_is_named_and_set_aside(tmp_path, spec):
    attempt = Ledger(tmp_path, spec).begin(task_of(0))
    for epoch in (1, 2):
        attempt.append(records_of(task_of(0), epoch))
    (path,) = (tmp_path / "log").iterdir()
    os.truncate(path, path.stat().st_size - 10)
    (note,) = Ledger(tmp_path, spec).recover()
    assert "log/sgd-explore-00000-000-0.arrows is damaged or was cut off while it was written (" in note
    assert "damaged/log/sgd-explore-00000-000-0.arrows; its 2 rows before are kept." in note
    assert (tmp_path / "damaged" / "log" / path.name).exists()
    assert [row[3] for row in reported(tmp_path, "attempts")] == [1, 1]


# --- attempts


def test_what_an_attempt_has_trained_is_kept_when_it_is_started_again(tmp_path, spec):
    ledger, task = Ledger(tmp_path, spec), task_of(0)
    first = ledger.begin(task)
    first.append(records_of(task, 1))
    second = ledger.begin(task, earlier=first)  # its worker dies before the first epoch has ended
    third = ledger.begin(task, earlier=second)
    for epoch in (1, 2, 3):
        third.append(records_of(task, epoch))
    ledger.commit(third, trial_rows(task, third.number, third.rows, END))
    assert rows(tmp_path, "trials")["attempt"].to_list() == [2, 2]
    assert set(rows(tmp_path, "epochs")["attempt"]) == {2}
    assert reported(tmp_path, "attempts") == [("sgd", 0, 0, 1), ("sgd", 0, 1, 1)]
    assert list((tmp_path / "log").iterdir()) == []


def test_an_attempt_goes_on_from_the_epochs_before_its_checkpoint(tmp_path, spec):
    """Killed after epoch 3, whose checkpoint was not yet written: epochs 1 and 2 count, 3 is trained again."""
    ledger, task = Ledger(tmp_path, spec), task_of(0)
    first = ledger.begin(task, checkpoint="here")
    for epoch in (1, 2, 3):
        first.append(records_of(task, epoch))
    second = ledger.begin(task, checkpoint="here", earlier=first)
    second.append(records_of(task, 3))
    ledger.commit(second, trial_rows(task, second.number, second.rows, END))
    epochs = rows(tmp_path, "epochs")
    assert epochs.select("replicate", "epoch", "attempt").rows() == [
        (replicate, epoch, int(epoch == 3)) for replicate in (0, 1) for epoch in (1, 2, 3)
    ]
    assert rows(tmp_path, "trials")["steps"].to_list() == [6, 6]
    assert reported(tmp_path, "attempts") == [("sgd", 0, 0, 3), ("sgd", 0, 1, 3)]


def test_a_log_with_a_checkpoint_of_other_code_is_not_gone_on_with(tmp_path, spec):
    task = task_of(0)
    first = Ledger(tmp_path, spec).begin(task, checkpoint="here")
    first.append(records_of(task, 1))
    ledger = Ledger(tmp_path, spec, continues=True)
    ledger.recover()
    assert ledger.unfinished(task) == ("here", 1)
    assert ledger.restart_unfinished()
    assert ledger.unfinished(task) is None
    assert ledger.begin(task, checkpoint="there").number == 1
    assert reported(tmp_path, "attempts") == [("sgd", 0, 0, 1), ("sgd", 0, 1, 1)]
    assert not Ledger(tmp_path, spec, continues=True).restart_unfinished()


def test_a_later_run_goes_on_with_a_log_that_has_a_checkpoint(tmp_path, spec):
    task = task_of(0)
    first = Ledger(tmp_path, spec).begin(task, checkpoint="here")
    for epoch in (1, 2):
        first.append(records_of(task, epoch))
    ledger = Ledger(tmp_path, spec, continues=True)
    ledger.recover()
    assert ledger.unfinished(task) == ("here", 2)
    assert ledger.unfinished(task_of(1)) is None
    second = ledger.begin(task, checkpoint="there")
    second.append(records_of(task, 3))
    ledger.commit(second, trial_rows(task, second.number, second.rows, END))
    assert [row[3] for row in reported(tmp_path, "epochs")] == [1, 2, 3] * 2
    assert reported(tmp_path, "attempts") == []
    assert list((tmp_path / "log").iterdir()) == []


def test_a_log_cut_off_in_an_append_goes_on_from_the_rows_before(tmp_path, spec):
    task = task_of(0)
    first = Ledger(tmp_path, spec).begin(task, checkpoint="here")
    first.append(records_of(task, 1))
    tear(tmp_path, first, task, 777)
    ledger = Ledger(tmp_path, spec, continues=True)
    assert len(ledger.recover()) == 1
    assert ledger.unfinished(task) == ("here", 1)
    ledger = Ledger(tmp_path, spec, continues=True)
    assert ledger.recover() == []
    assert ledger.unfinished(task) == ("here", 1)
    second = ledger.begin(task, checkpoint="there")
    for epoch in (2, 3):
        second.append(records_of(task, epoch))
    ledger.commit(second, trial_rows(task, second.number, second.rows, END))
    assert [row[3] for row in reported(tmp_path, "epochs")] == [1, 2, 3] * 2
    assert reported(tmp_path, "attempts") == []


def test_a_file_that_is_no_log_is_set_aside(tmp_path, spec):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "notes.arrows").write_text("remember the milk")
    (note,) = Ledger(tmp_path, spec).recover()
    assert "log/notes.arrows is damaged or was cut off while it was written (its name is none of a log)" in note
    assert (tmp_path / "damaged" / "log" / "notes.arrows").read_text() == "remember the milk"


@pytest.mark.parametrize("checkpoint", [None, "here"])
def test_a_log_without_use_is_superseded(tmp_path, spec, checkpoint):
    task = task_of(0)
    Ledger(tmp_path, spec).begin(task, checkpoint=checkpoint).append(records_of(task, 1))
    ledger = Ledger(tmp_path, spec, continues=checkpoint is None)
    ledger.recover()
    assert ledger.unfinished(task) is None
    assert len(reported(tmp_path, "attempts")) == 2
    assert list((tmp_path / "log").iterdir()) == []
    train(ledger, task)
    assert rows(tmp_path, "trials")["attempt"].to_list() == [1, 1]


# --- crashes


class Crashes:
    """Ends the process before the n-th change to the file system, for n = 0, 1, 2, ..."""

    def __init__(self, monkeypatch, after):
        self.left = after
        for owner, name in (
            *((pathlib.Path, name) for name in ("replace", "unlink", "touch", "mkdir")),
            (os, "fsync"),
            (pathlib.Path, "write_bytes"),
        ):
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, call):
        def counted(*arguments, **options):
            if self.left == 0:
                raise CrashError
            self.left -= 1
            return call(*arguments, **options)

        return counted


@pytest.mark.parametrize("stride", [3, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("continues", [False, True])
def test_a_crash_at_any_step_loses_no_stored_trial_and_doubles_none(spec, tmp_path, monkeypatch, continues, stride):
    """Retry, commit, recovery and merge are cut short before every single change that they make to the disk."""
    checkpoint = "here" if continues else None
    for after in range(0, 200, stride):
        directory = tmp_path / str(after)
        stored = []
        with monkeypatch.context() as patch:
            crashes = Crashes(patch, after)
            with suppress(CrashError):
                for number in range(2):
                    ledger = Ledger(directory, spec, continues=continues)
                    ledger.recover()
                    task = task_of(number)
                    first = ledger.begin(task, checkpoint=checkpoint)
                    first.append(records_of(task, 1))
                    attempt = ledger.begin(task, checkpoint=checkpoint, earlier=first)
                    for epoch in range(1 + continues, NUM_EPOCHS + 1):
                        attempt.append(records_of(task, epoch))
                    ledger.commit(attempt, trial_rows(task, attempt.number, attempt.rows, END))
                    stored.append(number)
                    ledger.begin(task_of(9), checkpoint=checkpoint).append(records_of(task_of(9), 1))
                    ledger.close()
            ended = crashes.left > 0
        ledger = Ledger(directory, spec, continues=continues)
        assert ledger.recover() == []
        found = {outcome.key.number for outcome in ledger.outcomes()}
        assert found >= set(stored)
        for number in range(2):
            if number not in found:
                train(ledger, task_of(number))
        ledger.close(finished=True)
        identity = [*KEY, "epoch", "attempt"]
        assert rows(directory, "epochs", "attempts/epochs").select(identity).is_unique().all()
        assert sorted(reported(directory, "epochs")) == sorted(
            ("sgd", number, replicate, epoch)
            for number in range(2)
            for replicate in range(2)
            for epoch in range(1, NUM_EPOCHS + 1)
        )
        assert rows(directory, "trials").select("number", "replicate").rows() == [(0, 0), (0, 1), (1, 0), (1, 1)]
        if ended:
            assert after > 40
            return
    pytest.fail("the work never ended")


actions = st.lists(
    st.tuples(
        st.sampled_from(["epoch", "epoch", "retry", "crash", "torn", "merge"]),
        st.integers(0, 2),
        st.integers(0, 10_000),
    ),
    max_size=30,
)


@settings(max_examples=50, deadline=None)
@given(actions=actions, continues=st.booleans())
def test_any_interleaving_reads_back_to_exactly_the_acknowledged_rows(make_spec, tmp_path_factory, actions, continues):
    """Three trials in training, workers that die, and a driver that dies between or within two appends to a log.

    An attempt begins anew or, with checkpoints, behind any epoch that the one before has reported.
    """
    directory, spec = tmp_path_factory.mktemp("interleaving"), make_spec(num_epochs=NUM_EPOCHS)
    checkpoint = "here" if continues else None
    ledger, running, committed = Ledger(directory, spec, continues=continues), {}, set()
    acknowledged, logged = Counter(), Counter()
    for action, number, offset in actions:
        task = task_of(number)
        if action in ("crash", "torn"):
            if action == "torn" and number in running and running[number].rows:
                tear(directory, running[number], task, offset)
            ledger, running = Ledger(directory, spec, continues=continues), {}
            ledger.recover()
            logged = logged if continues else Counter()
        elif action == "merge":
            ledger.merge()
        elif number not in committed:
            attempt = running.get(number)
            if attempt is None or action == "retry":
                running[number] = attempt = ledger.begin(task, checkpoint=checkpoint, earlier=attempt)
            first = 1 + offset % (logged[number] + 1) if continues else 1
            epoch = attempt.rows[-1]["epoch"] + 1 if attempt.rows else min(first, NUM_EPOCHS)
            attempt.append(records_of(task, epoch))
            logged[number] = epoch
            acknowledged[number, epoch] += 2
            if epoch == NUM_EPOCHS:
                ledger.commit(attempt, trial_rows(task, attempt.number, attempt.rows, END))
                committed.add(number)
                del running[number]
    ledger = Ledger(directory, spec)
    ledger.recover()
    assert {outcome.key.number for outcome in ledger.outcomes()} == committed
    assert Counter((row[1], row[3]) for row in reported(directory, "epochs")) == Counter(
        {(number, epoch): 2 for number in committed for epoch in range(1, NUM_EPOCHS + 1)}
    )
    assert Counter((row[1], row[3]) for row in reported(directory, "epochs", "attempts")) == acknowledged
    shutil.rmtree(directory)


def tear(directory, attempt, task, offset):
    """The driver dies while it writes the next epoch: any first part of it is in the log, and none is acknowledged."""
    path = directory / "log" / f"{attempt.name}.arrows"
    before = path.stat().st_size
    attempt.append(records_of(task, len(attempt.rows) // 2 + 1))
    os.truncate(path, before + offset % (path.stat().st_size - before))


# --- timings


def timings_of(*optimizers, num_blocks=3):
    """Rows as they are measured: every optimizer in every block at two batch sizes."""
    return [
        {
            "optimizer": name,
            "block": block,
            "batch_size": batch_size,
            "replicates": 1,
            "steps": 7,
            "seconds": 0.1 * batch_size + 0.01 * block,
            "device": "cpu",
            "node": "127.0.0.1",
        }
        for name in optimizers
        for block in range(num_blocks)
        for batch_size in (32, 500)
    ]


def timed(directory):
    """Optimizer, block, batch size and seconds of every row that a reader counts."""
    return [
        (row["optimizer"], row["block"], row["batch_size"], row["seconds"])
        for part in read_parts(directory / "timings")
        for row in part.rows.to_pylist()
    ]


def expected(*optimizers, first=0):
    rows = timings_of(*optimizers)
    return [(row["optimizer"], first + row["block"], row["batch_size"], row["seconds"]) for row in rows]


def test_timings_stand_in_one_file_with_the_columns_of_the_schema(spec, tmp_path):
    ledger = Ledger(tmp_path, spec)
    assert ledger.timed_optimizers() == set()
    ledger.store_timings(timings_of("sgd", "momentum"))
    (path,) = (tmp_path / "timings").iterdir()
    assert re.fullmatch(r"blocks-00000-00002\.[0-9a-f]{8}\.parquet", path.name)
    assert pq.read_schema(path).equals(timings_schema())
    assert timed(tmp_path) == expected("sgd", "momentum")
    assert ledger.timed_optimizers() == {"sgd", "momentum"}
    assert ledger.recover() == []
    ledger.close(finished=True)
    assert list((tmp_path / "timings").iterdir()) == [path]


def test_new_timings_count_in_the_place_of_the_old_ones_which_are_kept(spec, tmp_path):
    ledger = Ledger(tmp_path, spec)
    for first, optimizers in ((0, ("sgd",)), (3, ("sgd", "momentum")), (6, ("momentum", "sgd"))):
        ledger.store_timings(timings_of(*optimizers))
        assert timed(tmp_path) == expected(*optimizers, first=first)
        assert ledger.timed_optimizers() == set(optimizers)
    kept = rows_of_timings(tmp_path / "attempts" / "timings")
    assert kept == [*expected("sgd"), *expected("sgd", "momentum", first=3)]
    assert ledger.recover() == []


def rows_of_timings(folder):
    columns = ("optimizer", "block", "batch_size", "seconds")
    return [row for path in sorted(folder.iterdir()) for row in pl.read_parquet(path).select(columns).rows()]


def test_a_crash_while_timings_are_stored_leaves_the_old_ones_or_the_new_ones(spec, tmp_path, monkeypatch):
    """Cut short before every single change to the disk; the same command then times and stores again."""
    left = set()
    for after in range(60):
        directory = tmp_path / str(after)
        Ledger(directory, spec).store_timings(timings_of("sgd"))
        with monkeypatch.context() as patch:
            crashes = Crashes(patch, after)
            with suppress(CrashError):
                Ledger(directory, spec).store_timings(timings_of("sgd", "momentum"))
            ended = crashes.left > 0
        old, new = expected("sgd"), expected("sgd", "momentum", first=3)
        assert timed(directory) in (old, new)
        ledger = Ledger(directory, spec)
        assert ledger.recover() == []
        assert timed(directory) in (old, new)
        assert len(list((directory / "timings").iterdir())) == 1
        left.add(len(ledger.timed_optimizers()))
        if "momentum" not in ledger.timed_optimizers():
            ledger.store_timings(timings_of("sgd", "momentum"))
        assert timed(directory) == new
        assert rows_of_timings(directory / "attempts" / "timings") == old
        if ended:
            assert after > 8
            assert left == {1, 2}
            return
    pytest.fail("the work never ended")


@examples
@given(data=st.data(), bit=st.integers(0, 7))
def test_a_flipped_bit_in_timings_is_named_and_they_are_timed_again(make_spec, tmp_path_factory, data, bit):
    directory, spec = tmp_path_factory.mktemp("timings") / "study", make_spec(num_epochs=NUM_EPOCHS)
    Ledger(directory, spec).store_timings(timings_of("sgd", "momentum"))
    train(Ledger(directory, spec), task_of(0))
    (path,) = (directory / "timings").iterdir()
    flip(path, data.draw(st.integers(0, path.stat().st_size - 1)), bit)
    ledger = Ledger(directory, spec)
    (note,) = ledger.recover()
    assert re.search(rf"{path.name} is damaged \(.*\) and now .*; steps are timed again\.$", note)
    assert (directory / "damaged" / "timings" / path.name).exists()
    assert ledger.timed_optimizers() == set()
    assert len(ledger.outcomes()) == 2
    ledger.store_timings(timings_of("sgd"))
    assert timed(directory) == expected("sgd", first=3)
    shutil.rmtree(directory)


def test_timings_of_another_study_and_rows_that_stand_twice_are_refused(spec, tmp_path):
    ledger = Ledger(tmp_path, spec)
    ledger.store_timings(timings_of("sgd"))
    (path,) = (tmp_path / "timings").iterdir()
    again = write_part(pq.read_table(path), tmp_path / "timings", "again")
    with pytest.raises(
        ValueError, match=r"once in .*timings, 6 stand more often, the first is sgd block 0 batch_size 32"
    ):
        ledger.recover()
    again.unlink()
    write_part(pa.Table.from_pylist(timings_of("adamax"), schema=timings_schema()), tmp_path / "timings", "foreign")
    with pytest.raises(ValueError, match=r"timings must have an optimizer among sgd, momentum, got 'adamax'; remove"):
        ledger.recover()


# --- merging


def test_merging_leaves_large_files_alone(spec, tmp_path, monkeypatch):
    ledger = Ledger(tmp_path, spec)
    train(ledger, task_of(0))
    monkeypatch.setattr("study.ledger.merge.FULL", {"trials": 2, "epochs": 6})
    train(ledger, task_of(1))
    ledger.merge()
    assert len(list((tmp_path / "trials").iterdir())) == 2


def test_a_reader_sees_every_row_once_while_files_are_merged(spec, tmp_path, monkeypatch):
    """Between the new file and the end of the old ones."""
    ledger = Ledger(tmp_path, spec)
    for number in range(2):
        train(ledger, task_of(number))
    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "unlink", lambda *_, **__: None)
        ledger.merge()
    assert len(list((tmp_path / "trials").iterdir())) == 3
    assert len(ledger.outcomes()) == 4
    assert ledger.recover() == []
    assert len(list((tmp_path / "trials").iterdir())) == 1
    assert pa.Table.from_batches(pq.read_table(tmp_path / "trials").to_batches()).num_rows == 4
