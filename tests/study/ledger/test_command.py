"""`python -m study.ledger`: what it says of sound and of broken ledgers, and what it refuses."""

import os
import pathlib
import re
import shutil

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.ledger.durable import write_part
from analysis.ledger.folders import OWN_FOLDERS
from analysis.report.__main__ import main as report
from study.ledger import Ledger, locked, read_study
from study.ledger.__main__ import main
from study.ledger.attempt import ATTEMPTS
from study.ledger.log import LOGS
from study.ledger.mirror.outdated import OUTDATED
from study.ledger.recovery import DAMAGED
from study.spec import StudySpec

V1 = pathlib.Path(__file__).with_name("ledger_v1")
TRIALS, EPOCHS = ("sgd-explore-00001-000-0.parquet" for _ in range(2))


@pytest.fixture
def study(tmp_path):
    return pathlib.Path(shutil.copytree(V1, tmp_path / "study"))


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def double(path):
    write_part(pq.read_table(path), path.parent, "again")


BROKEN = {
    "truncated trials": (
        lambda study: cut(study / "trials" / TRIALS),
        [r"Damaged: .*/trials/sgd-explore-00001-000-0\.parquet: .+", r"Gap: sgd explore 1 replicate 0 has 2 epochs .*"],
    ),
    "truncated epochs": (
        lambda study: cut(study / "epochs" / EPOCHS),
        [r"Damaged: .*/epochs/sgd-explore-00001-000-0\.parquet: .+", r"Gap: sgd explore 1 replicate 0 .*, of 0 steps"],
    ),
    "missing epochs": (
        lambda study: (study / "epochs" / EPOCHS).unlink(),
        [r"Gap: sgd explore 1 replicate 0 is complete after 4 steps, but has 0 epochs up to number 0, of 0 steps"],
    ),
    "doubled trials": (
        lambda study: double(study / "trials" / TRIALS),
        [r"Twice: trials: sgd explore 1 replicate 0 stands 2 times"],
    ),
    "doubled epochs": (
        lambda study: double(study / "epochs" / EPOCHS),
        [r"Twice: epochs: sgd explore 1 replicate 1 epoch 2 stands 2 times"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_check_names_what_is_wrong_and_changes_nothing(case, study, capsys):
    change, patterns = BROKEN[case]
    change(study)
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    assert main([str(study), "check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    for pattern in patterns:
        assert any(re.fullmatch(pattern, line) for line in lines), lines
    assert lines[-1].startswith("Not sound")
    assert {path: path.read_bytes() for path in study.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("case", BROKEN)
def test_no_report_is_made_of_a_broken_ledger_unnoticed(case, study, capsys):
    BROKEN[case][0](study)
    status = report([str(study)])
    text = capsys.readouterr().err
    if case == "missing epochs":  # curves lack a trial; the report is of what is there
        assert status == 0
        return
    assert status == 2
    assert len(text.splitlines()) == 1
    assert "damaged" in text or "each key must stand once" in text


def test_check_counts_a_sound_ledger_and_says_what_is_still_to_train(study, capsys):
    (study / "trials" / TRIALS).unlink()
    (study / "epochs" / EPOCHS).unlink()
    assert main([str(study), "check"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^trials +6 rows in 3 files$", out, re.MULTILINE)
    assert re.search(r"^epochs +12 rows in 3 files$", out, re.MULTILINE)
    assert "Still to train: 2 of 8 networks\nStill to train: sgd: tuning trials 1\n" in out
    assert out.endswith("Sound.\n")


def test_compact_merges_and_keeps_every_row(study, capsys):
    before = pl.read_parquet(study / "epochs" / "*.parquet").sort(pl.all().exclude("step_losses"))
    assert main([str(study), "compact"]) == 0
    assert capsys.readouterr().out == "8 files before, 2 files now.\n"
    assert pl.read_parquet(study / "epochs" / "*.parquet").sort(pl.all().exclude("step_losses")).equals(before)
    assert main([str(study), "compact"]) == 0
    assert main([str(study), "check"]) == 0


def test_export_writes_every_row_and_every_step(study, capsys):
    assert main([str(study), "export", "--csv"]) == 0
    names = ("trials", "epochs", "timings")
    assert capsys.readouterr().out.splitlines() == [f"{study}/export/{name}.csv" for name in names]
    assert pl.read_csv(study / "export" / "timings.csv").shape == (0, 8)
    trials, epochs = (pl.read_csv(study / "export" / f"{name}.csv") for name in ("trials", "epochs"))
    stored = pl.read_parquet(study / "epochs" / "*.parquet").sort("optimizer", "phase", "number", "replicate", "epoch")
    assert trials.height == 8
    assert epochs["validation_loss"].to_list() == stored["validation_loss"].to_list()
    losses = [[float(loss) for loss in text.split()] for text in epochs["step_losses"]]
    assert losses == [pytest.approx(row) for row in stored["step_losses"].to_list()]


@pytest.fixture
def timed(study):
    """A study whose steps have been timed; the path of the file."""
    row = {"replicates": 1, "steps": 7, "seconds": 0.25, "device": "cpu", "node": "127.0.0.1"}
    names = ("sgd", "momentum")
    rows = [{"optimizer": name, "block": block, "batch_size": 32, **row} for name in names for block in range(4)]
    Ledger(study, StudySpec.from_dict(read_study(study))).store_timings(rows)
    (path,) = (study / "timings").iterdir()
    return path


def test_check_counts_timings_and_export_writes_them(study, timed, capsys):
    assert main([str(study), "check"]) == 0
    assert re.search(r"^timings +8 rows in 1 file$", capsys.readouterr().out, re.MULTILINE)
    assert main([str(study), "export", "--csv"]) == 0
    written = pl.read_csv(study / "export" / "timings.csv")
    assert written.select("optimizer", "block").rows() == [(n, b) for n in ("momentum", "sgd") for b in range(4)]
    assert set(written["seconds"]) == {0.25}
    assert main([str(study), "compact"]) == 0
    assert timed.exists()


def test_check_names_timings_that_are_damaged_or_stand_twice(study, timed, capsys):
    double(timed)
    assert main([str(study), "check"]) == 1
    assert "Twice: timings: momentum block 0 batch_size 32 stands 2 times\n" in capsys.readouterr().out
    cut(timed)
    assert main([str(study), "check"]) == 1
    assert re.search(rf"^Damaged: {re.escape(str(timed))}: ", capsys.readouterr().out, re.MULTILINE)


REFUSED = {
    "no action": ([], 2, r"the following arguments are required: ACTION"),
    "unknown action": (["mend"], 2, r"argument ACTION: invalid choice: 'mend' \(choose from .*\)"),
    "export without a format": (["export"], 2, r"the following arguments are required: --csv"),
    "unknown option": (["check", "--fix"], 2, r"unrecognized arguments: --fix"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_command_gets_one_line(case, study, capsys):
    words, status, pattern = REFUSED[case]
    with pytest.raises(SystemExit) as left:
        main([str(study), *words])
    assert left.value.code == status
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(rf"python -m study\.ledger.*: error: {pattern}", line)


@pytest.mark.parametrize("action", [["check"], ["compact"], ["export", "--csv"]])
@pytest.mark.parametrize("name", ["nowhere", "study/trials", "study/study.json"])
def test_a_folder_without_a_study_gets_one_line_and_stays_as_it_is(study, action, name, capsys):
    before = sorted(study.parent.rglob("*"))
    assert main([str(study.parent / name), *action]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(rf"STUDY_DIR must be the folder of a study, .*/{name} has no study\.json; give the folder", line)
    assert sorted(study.parent.rglob("*")) == before


def test_compact_sets_a_damaged_file_aside_and_merges_the_others(study, capsys):
    cut(study / "trials" / TRIALS)
    assert main([str(study), "compact"]) == 0
    note, merged = capsys.readouterr().out.splitlines()
    assert re.match(rf"Note: .*/trials/{TRIALS} is damaged \(.*\) and now .*/damaged/trials/{TRIALS}; what no", note)
    assert merged == "8 files before, 2 files now."
    assert main([str(study), "check"]) == 0


def test_compact_after_a_merge_that_was_cut_short_doubles_nothing(study, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "unlink", lambda *_, **__: None)
        main([str(study), "compact"])
    assert len(list((study / "trials").iterdir())) == 5
    assert main([str(study), "compact"]) == 0
    assert main([str(study), "check"]) == 0
    assert re.search(r"^trials +8 rows in 1 file$", capsys.readouterr().out, re.MULTILINE)


def test_a_damaged_file_is_named_and_nothing_is_exported(study, capsys):
    cut(study / "trials" / TRIALS)
    before = sorted(study.rglob("*"))
    assert main([str(study), "export", "--csv"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "trials/sgd-explore-00001-000-0.parquet' is damaged (" in line
    assert sorted(study.rglob("*")) == before


@pytest.mark.parametrize("action", ["check", "compact"])
def test_rows_of_another_study_are_refused(study, action, capsys):
    table = pq.read_table(study / "trials" / TRIALS)
    place = table.column_names.index("optimizer")
    foreign = table.set_column(place, table.schema.field("optimizer"), pa.array(["../\x1b[31m"] * table.num_rows))
    write_part(foreign, study / "trials", "foreign")
    assert main([str(study), action]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert r"must have an optimizer among sgd, momentum, got '../\x1b[31m'; remove the files" in line


@pytest.mark.parametrize("action", ["check", "compact"])
def test_a_ledger_in_use_is_left_alone(study, action, capsys):
    with locked(study):
        assert main([str(study), action]) == 2
    assert "is in use by another run of the study" in capsys.readouterr().err


def test_an_export_that_cannot_be_written_gets_one_line(study, capsys):
    assert main([str(study), "export", "--csv", "--output", str(study / "study.json")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"python -m study.ledger: error: --output must be a folder that can be written, got '{study / 'study.json'}' "
        "(Not a directory); choose another."
    )


def test_nothing_is_exported_among_the_rows(study, capsys):
    assert main([str(study), "export", "--csv", "--output", str(study / "trials")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m study.ledger: error: --output must lie outside of the ledger's own folders (")
    assert not list((study / "trials").glob("*.csv"))


def test_every_folder_of_a_ledger_is_kept_from_what_else_is_written():
    assert {*OWN_FOLDERS} == {"trials", "epochs", "timings", LOGS, ATTEMPTS, DAMAGED, OUTDATED}
