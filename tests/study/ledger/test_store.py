"""The ledger on disk: schema, whole files, nothing overwritten, and readers that know nothing of this package."""

import dataclasses
import json
import resource

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.ledger.durable import write_part
from analysis.ledger.schema import SCHEMA_VERSION, epochs_schema, trials_schema
from analysis.ledger.study import ErrorPlan
from analysis.ledger.study_file import read_study as analysed
from study.ledger import Ledger, read_study, write_study
from study.ledger.rows import TrialEnd, failed_rows, trial_rows
from study.queue.tasks import Outcome, Task, TrialKey
from study.spec import StudySpec
from trainables.training.trial import ReplicateEpoch

POINT = {"learning_rate": 0.1 + 0.2, "momentum": 0.9}  # 0.30000000000000004: no digit may be lost


@pytest.fixture
def spec(make_spec):
    return make_spec()


@pytest.fixture
def task():
    return Task(
        key=TrialKey("momentum", "explore", 3), sampler="sobol", point=POINT, replicates=(0, 1), seeds=(11, 2**63 - 1)
    )


def record(replicate, epoch, *, diverged_step=None):
    diverged = diverged_step is not None
    return ReplicateEpoch(
        replicate=replicate,
        epoch=epoch,
        train_loss=None if diverged else 1.5,
        train_error=1.0 if diverged else 0.5,
        validation_loss=None if diverged else 1.6 - 0.1 * epoch,
        validation_error=1.0 if diverged else 0.6 - 0.1 * epoch,
        step_losses=np.array([2.0, 1.5], dtype=np.float32),
        gradient_norm=None if diverged else 1.0,
        update_norm=None if diverged else 0.1,
        weight_norm=None if diverged else 9.0,
        seconds=0.25,
        steps=10,
        images=200,
        diverged_step=diverged_step,
    )


END = TrialEnd(device="cpu", node="127.0.0.1")


def train(ledger, task, *epochs):
    """Report epochs and store the trial."""
    attempt = ledger.begin(task)
    for records in epochs:
        attempt.append(records)
    ledger.commit(attempt, trial_rows(task, attempt.number, attempt.rows, END))


@pytest.fixture
def filled(tmp_path, spec, task):
    """A ledger that holds one trial of two replicates, the second of which diverged in epoch 2."""
    ledger = Ledger(tmp_path, spec)
    ledger.record_run({"command": "python -m study.run"})
    train(ledger, task, [record(0, 1), record(1, 1)], [record(0, 2), record(1, 2, diverged_step=17)])
    return ledger


@pytest.mark.usefixtures("filled")
def test_both_tables_have_the_schema_of_the_reader_and_its_version(tmp_path):
    for folder, schema in (("trials", trials_schema(POINT)), ("epochs", epochs_schema())):
        (path,) = (tmp_path / folder).glob("*")
        stored = pq.read_schema(path)
        assert stored.equals(schema)
        assert stored.metadata[b"schema_version"] == str(SCHEMA_VERSION).encode()


@pytest.mark.usefixtures("filled")
def test_pages_carry_checksums(tmp_path):
    """A flipped bit is found by any reader that verifies them."""
    (path,) = (tmp_path / "trials").glob("*.parquet")
    column = pq.read_metadata(path).row_group(0).column(0)
    start = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
    content = bytearray(path.read_bytes())
    content[start + column.total_compressed_size - 1] ^= 1
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"CRC checksum verification failed"):
        pq.read_table(path, page_checksum_verification=True)


@pytest.mark.usefixtures("filled")
def test_polars_reads_the_tables_without_this_package(tmp_path):
    trials = pl.read_parquet(tmp_path / "trials" / "*.parquet")
    assert trials["learning_rate"].to_list() == [POINT["learning_rate"]] * 2
    assert trials["status"].to_list() == ["complete", "diverged"]
    assert trials["diverged_step"].to_list() == [None, 17]
    assert trials["seed"].to_list() == [11, 2**63 - 1]
    epochs = pl.read_parquet(tmp_path / "epochs" / "*.parquet")
    assert epochs["epoch"].to_list() == [1, 1, 2, 2]
    assert epochs["step_losses"].to_list() == [[2.0, 1.5]] * 4


@pytest.mark.usefixtures("filled")
def test_pyarrow_reads_a_folder_as_one_table(tmp_path):
    assert pq.read_table(tmp_path / "trials").num_rows == 2
    assert pq.read_table(tmp_path / "epochs").num_rows == 4


def test_outcomes_are_what_was_stored(filled, task):
    expected = [("complete", 0.4), ("diverged", 1.0)]
    assert filled.outcomes() == [
        Outcome(key=task.key, point=POINT, replicate=r, status=status, validation_error=pytest.approx(error))
        for r, (status, error) in enumerate(expected)
    ]
    assert filled.outcomes()[0].point == POINT


def test_a_failed_trial_keeps_its_message_and_the_epochs_it_reached(tmp_path, spec, task):
    ledger = Ledger(tmp_path, spec)
    message = "RuntimeError: <b>\n" + 50 * "é"
    first = ledger.begin(task)
    attempt = ledger.begin(task, earlier=first)
    attempt.append([record(0, 1), record(1, 1)])
    ledger.commit(attempt, failed_rows(task, attempt.number, attempt.rows, message))
    trials = pl.read_parquet(tmp_path / "trials" / "*.parquet")
    assert trials["message"].to_list() == [message] * 2
    assert trials["validation_error"].to_list() == [None, None]
    assert trials["attempt"].to_list() == [1, 1]
    assert pl.read_parquet(tmp_path / "epochs" / "*.parquet").height == 2
    assert [(o.status, o.validation_error) for o in ledger.outcomes()] == [("failed", None)] * 2


def test_a_new_directory_has_no_outcomes_and_reading_it_makes_nothing(tmp_path, spec):
    directory = tmp_path / "new"
    assert Ledger(directory, spec).outcomes() == []
    assert not directory.exists()


def test_a_file_is_never_overwritten(tmp_path):
    table = pa.table({"x": [1]})
    write_part(table, tmp_path / "trials", "a")
    with pytest.raises(FileExistsError, match="results are never overwritten, so pick another --output or delete it"):
        write_part(table, tmp_path / "trials", "a")
    assert pq.read_table(tmp_path / "trials")["x"].to_pylist() == [1]


def test_a_file_is_under_its_name_only_when_it_is_whole(tmp_path):
    """The disk takes no more than 1,000 bytes: no reader sees a Parquet file."""
    table = pa.table({"x": np.random.default_rng(0).random(1000)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_part(table, tmp_path / "trials", "a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "trials").glob("*.parquet")) == []
    write_part(table, tmp_path / "trials", "a")
    assert pq.read_table(tmp_path / "trials").num_rows == 1000


def test_the_draft_a_killed_writer_left_is_not_read(filled, tmp_path):
    draft = tmp_path / "trials" / ".a.parquet.draft"
    draft.write_bytes(b"PAR1 and no more")
    assert len(filled.outcomes()) == 2
    assert pq.read_table(tmp_path / "trials").num_rows == 2
    filled.recover()
    assert not draft.exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_damaged_file_is_named(filled, tmp_path, damage):
    (path,) = (tmp_path / "trials").glob("*.parquet")
    path.write_bytes({"cut": path.read_bytes()[:-20], "empty": b"", "text": b"not Parquet at all"}[damage])
    with pytest.raises(ValueError, match=rf"{path.name}' is damaged"):
        filled.outcomes()


def test_study_json_holds_the_spec_and_every_run_and_look(filled, tmp_path, spec):
    filled.record_look(6)
    filled.record_run({"command": "again"})
    stored = json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))
    assert StudySpec.from_dict(stored) == spec
    assert [run["command"] for run in stored["runs"]] == ["python -m study.run", "again"]
    assert [look["num_confirm_seeds"] for look in stored["looks"]] == [6]
    assert stored["study_hash"] == spec.study_hash
    assert read_study(tmp_path) == stored


def test_a_second_look_at_the_same_replicates_is_no_look(filled, tmp_path):
    filled.record_look(6)
    filled.record_look(6)
    filled.record_look(8)
    looks = json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))["looks"]
    assert [(look["num_confirm_seeds"], look["num_replicates"]) for look in looks] == [(6, 2), (8, 2)]
    assert {look["num_replicates"] for look in looks} == {sum(looks[0]["explored"].values())}


def test_a_look_counts_ablations_where_there_are_any(filled, tmp_path, task):
    filled.record_look(6)
    ablation = dataclasses.replace(task, key=TrialKey("momentum", "ablation", 0), sampler="ablation")
    train(filled, dataclasses.replace(ablation, replicates=(0,), seeds=(11,)), [record(0, 1, diverged_step=1)])
    filled.record_look(6)
    looks = json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))["looks"]
    assert [look.get("ablated") for look in looks] == [None, {"momentum": 1}]


def test_a_look_is_stored_in_the_words_and_the_order_of_every_release(filled, tmp_path, task):
    """Golden: other words or another order would make a look of a stored study a new one, which costs significance."""
    for phase in ("ablation", "confirm", "sweep"):
        fresh = dataclasses.replace(task, key=TrialKey("momentum", phase, 0), replicates=(0,), seeds=(11,))
        train(filled, fresh, [record(0, 1, diverged_step=1)])
    filled.record_look(6)
    (look,) = json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))["looks"]
    assert list(look.items())[1:] == [
        ("num_confirm_seeds", 6),
        ("num_replicates", 5),
        ("confirmed", {"momentum": 1}),
        ("explored", {"momentum": 2}),
        ("swept", {"momentum": 1}),
        ("ablated", {"momentum": 1}),
        ("confirmed_seeds", {"momentum": {"0": 1}}),
    ]


def test_the_first_run_fixes_the_claims(tmp_path, spec):
    ledger = Ledger(tmp_path, spec)
    ledger.record_run({"command": "first"}, {"text": "claims", "hash": "abc", "known": ["sgd"]})
    ledger.record_run({"command": "second"}, {"text": "others", "hash": "def", "known": ["sgd"]})
    assert read_study(tmp_path)["claims"] == {"text": "claims", "hash": "abc", "known": ["sgd"]}


def test_the_first_run_fixes_how_error_is_shared_out(tmp_path, spec):
    ledger = Ledger(tmp_path, spec)
    ledger.record_run({"command": "first"}, None, {"counts_every_claim": True, "most_confirm_seeds": 48})
    ledger.record_run({"command": "second"}, None, {"counts_every_claim": True, "most_confirm_seeds": None})
    assert read_study(tmp_path)["error_plan"] == {"counts_every_claim": True, "most_confirm_seeds": 48}
    assert ErrorPlan(most_confirm_seeds=48, counts_every_claim=True) == analysed(tmp_path / "study.json").error_plan


def test_a_study_of_before_gets_no_plan_afterwards(tmp_path, spec):
    ledger = Ledger(tmp_path, spec)
    ledger.record_run({"command": "first"})
    ledger.record_run({"command": "second"}, None, {"counts_every_claim": True, "most_confirm_seeds": 48})
    assert "error_plan" not in read_study(tmp_path)
    assert analysed(tmp_path / "study.json").error_plan == ErrorPlan()


def test_a_study_json_of_another_format_is_refused(tmp_path, spec):
    write_study(tmp_path, {**spec.to_dict(), "format_version": 2, "runs": [], "looks": []})
    with pytest.raises(ValueError, match=r"study\.json must describe a study.*it has format 2, this release writes 1"):
        read_study(tmp_path)


def test_names_beyond_ascii_stay_readable_in_study_json(tmp_path, spec):
    write_study(tmp_path, {**spec.to_dict(), "runs": [{"command": "--output Größe"}], "looks": []})
    assert "Größe" in (tmp_path / "study.json").read_text(encoding="utf-8")


def test_a_missing_or_empty_directory_is_a_new_study(tmp_path):
    assert read_study(tmp_path / "missing") is None
    assert read_study(tmp_path) is None
    (tmp_path / ".hidden").touch()
    assert read_study(tmp_path) is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", 10_000 * "[", '{"identity": {}}', "\x00", '{"identity": 3, "extent": []}']
)
def test_a_study_json_that_describes_no_study_is_named(tmp_path, content):
    (tmp_path / "study.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"study\.json must describe a study, but cannot be read .*; restore it"):
        read_study(tmp_path)
