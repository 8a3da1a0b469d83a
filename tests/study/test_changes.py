"""A study that goes on with other code, other versions, or files that are none of a study."""

import os

import polars as pl
import pytest

from study.ledger import read_study, write_study
from study.ledger.__main__ import main as look_after
from study.request.changes import has_changed
from study.run import main
from tests.processes import overriding

WORDS = (
    *("--search", "random", "--dataset", "synthetic", "--optimizers", "sgd", "--repeats", "1", "--seeds", "1"),
    *("--confirm-seeds", "0", "--no-timing", "--max-concurrent", "1", "--output", "out"),
)


def runs_of(directory):
    rows = pl.read_parquet(directory / "trials", glob=True, missing_columns="insert")
    return dict(rows.group_by("run").len().sort("run").iter_rows())


def forget(directory, **versions):
    """Have the first run of a study be of other versions."""
    stored = read_study(directory)
    first, *others = stored["runs"]
    first = {**first, "versions": {**first["versions"], **versions}}
    write_study(directory, {**{k: v for k, v in stored.items() if k != "crc32"}, "runs": [first, *others]})


@pytest.mark.slow
def test_a_change_is_named_before_training_and_goes_on_only_when_it_is_accepted(study_command, tmp_path):
    directory = tmp_path / "out"
    done = study_command(*WORDS, "--trials", "2")
    assert done.returncode == 0, done.stderr
    torch = read_study(directory)["runs"][0]["versions"]["torch"]
    forget(directory, torch="1.0")
    before = {path: path.read_bytes() for path in directory.rglob("*.*") if "report" not in path.parts}

    refused = study_command(*WORDS, "--trials", "3")
    assert refused.returncode == 2
    assert refused.stderr == (
        "python -m study.run: error: out holds rows that were made otherwise than new ones would be: torch was 1.0 and "
        f"is {torch}. Go back to what made them, choose another --output, or add --accept-changes: then the report "
        "says at its top which rows are of which.\n"
    )
    assert refused.stdout == ""
    assert before == {path: path.read_bytes() for path in directory.rglob("*.*") if "report" not in path.parts}
    assert study_command(*WORDS, "--trials", "2").returncode == 0  # nothing is left to train
    planned = study_command(*WORDS, "--trials", "3", "--dry-run")
    assert (planned.returncode, planned.stderr) == (2, refused.stderr)

    accepted = study_command(*WORDS, "--trials", "3", "--accept-changes")
    assert accepted.returncode == 0, accepted.stderr
    said = f"2 of 3 trained networks as the first; 1 (sgd 1 of 3) where torch was 1.0 and is {torch}."
    assert said in " ".join(accepted.stdout.split())
    assert said in (directory / "report" / "report.md").read_text(encoding="utf-8").split("\n## ")[0]
    assert runs_of(directory) == {0: 2, 1: 1}
    assert "--accept-changes" in read_study(directory)["runs"][1]["command"]
    assert study_command(*WORDS, "--trials", "4").returncode == 0  # no mixture that is not there already
    assert runs_of(directory) == {0: 2, 1: 1, 2: 1}


def test_the_last_run_that_has_begun_is_the_one_whose_trials_were_cut_off(make_spec, tmp_path):
    old, new = ({"versions": {"python": "3.11.4", "torch": torch}, "code": {}} for torch in ("2.3.1", "2.4.0"))
    assert not has_changed(old, tmp_path / "nothing")
    write_study(tmp_path, {**make_spec().to_dict(), "runs": [old, new], "looks": []})
    assert has_changed(old, tmp_path)
    assert not has_changed(new, tmp_path)
    write_study(tmp_path, {**make_spec().to_dict(), "runs": [], "looks": []})
    assert not has_changed(new, tmp_path)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_description_that_is_no_file_is_refused_without_waiting(make, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    make(tmp_path / "out" / "study.json")
    for run, words in ((main, [*WORDS, "--dry-run"]), (main, WORDS), (look_after, ["out", "check"])):
        assert run(list(words)) == 2
        said = capsys.readouterr().err
        assert "out/study.json must describe a study, but cannot be read" in said
        assert "it must be a regular file, and is a folder, pipe, socket or device" in said
        assert said.count("\n") == 1


def test_a_table_that_is_no_file_is_set_aside_and_no_one_waits_for_it(make_spec, tmp_path, capsys):
    write_study(tmp_path, {**make_spec().to_dict(), "runs": [], "looks": []})
    for folder in ("trials", "epochs", "timings", "attempts/trials"):
        (tmp_path / folder).mkdir(parents=True)
        os.mkfifo(tmp_path / folder / "x.parquet")
    (tmp_path / "log").mkdir()
    os.mkfifo(tmp_path / "log" / "sgd-explore-00001-000-0.arrows")
    assert look_after([str(tmp_path), "check"]) == 1
    assert capsys.readouterr().out.count("it must be a regular file") == 5
    assert look_after([str(tmp_path), "compact"]) == 0
    assert sorted(path.parent.name for path in (tmp_path / "damaged").rglob("x.parquet*")) == [
        *("epochs", "timings", "trials")
    ]


def test_an_export_is_not_written_through_a_link_that_a_study_brings_along(make_spec, tmp_path, capsys):
    write_study(tmp_path / "study", {**make_spec().to_dict(), "runs": [], "looks": []})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "study" / "export").symlink_to(tmp_path / "elsewhere")
    assert look_after([str(tmp_path / "study"), "export", "--csv"]) == 2
    assert "study/export' is a link to " in capsys.readouterr().err
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("word", ["--trials", "--seeds", "--confirm-seeds", "--sweep-seeds", "--epochs"])
def test_a_plan_that_no_ledger_could_hold_is_refused(word, capsys):
    assert main(overriding(*WORDS, "--dry-run", word, str(10**9))) == 2
    assert capsys.readouterr().err == (
        f"python -m study.run: error: {word} must be at most 1,000,000, got 1000000000; lower it.\n"
    )


def test_a_stored_plan_without_bound_is_refused_before_anything_is_planned(make_spec, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path / "out", {**make_spec(num_trials=10**12).to_dict(), "runs": [], "looks": []})
    assert main([*WORDS, "--dry-run"]) == 2
    assert "extent.num_trials must be less than or equal to 1000000, got 1000000000000" in capsys.readouterr().err
