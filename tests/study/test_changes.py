"""A study that goes on with other code or other versions than those that made its rows."""

import polars as pl

from study.ledger import read_study, write_study
from study.request.changes import has_changed

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
