"""Claims of a study with an optimizer of the user's own, and the command that writes and checks files of them."""

import json
import pathlib
import subprocess
import sys

import pytest

from analysis.claims.file import packaged_text
from study.claims import main
from study.request.checks import check, claims_by_default
from study.request.options import parse
from study.request.study import build_study
from trainables.optimizers import OPTIMIZERS

LION = str(pathlib.Path(__file__).parents[2] / "examples" / "lion.py")
NEW = ["new", "--optimizers", "sgd, adam", "--optimizer-file", LION]
STUDY = ["--search", "optuna", "--optimizers", "sgd,adam", "--optimizer-file", LION]


def test_what_the_command_prints_is_what_a_study_claims_by_default(tmp_path, capsys):
    assert main(NEW) == 0
    text = capsys.readouterr().out
    claims = build_study(check(*parse(STUDY)), tmp_path / "new").claims
    assert claims["text"] == text
    assert "lion" in claims["known"]
    assert text.startswith("# Default claims on lion, by the article's questions, against sgd, adam.\n")


def test_what_the_command_prints_is_a_file_of_claims(tmp_path, capsys):
    main(NEW)
    file = tmp_path / "claims.toml"
    file.write_text(capsys.readouterr().out, encoding="utf-8")
    assert check(*parse([*STUDY, "--claims", str(file)])).claims == file.read_text(encoding="utf-8")
    assert main(["check", str(file), "--optimizer-file", LION]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert lines[0] == "converges faster: 2 claims on lion against sgd and adam, by restricted_steps_to_target"
    assert lines[-1].startswith("Sound; hash ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "nowhere.toml"], "a file of claims is needed, 'nowhere.toml' is none: No such file or directory"),
        (["new", "--optimizers", "nobody"], "--optimizers must name some of adam, "),
        (
            ["new", "--optimizer-file", "nowhere.py"],
            "--optimizer-file must name a readable text file, got 'nowhere.py'",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(words, message, capsys):
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"python -m study.claims: error: {message}")


def test_claims_of_the_article_are_those_of_a_study_of_our_optimizers(capsys):
    assert main(["new", "--optimizers", "sgd,adam"]) == 0
    assert capsys.readouterr().out == packaged_text()


def test_an_installed_optimizer_is_the_user_s_own(monkeypatch):
    monkeypatch.setattr(type(OPTIMIZERS), "names_in_folder", lambda _: ["sgd"])
    assert "# Default claims on adam, by the article's questions, against sgd.\n" in claims_by_default(["sgd", "adam"])


@pytest.mark.slow
def test_a_study_with_an_own_optimizer_and_no_claims_has_verdicts_on_it(tmp_path):
    small = ["--train-images", "400", "--no-sweep", "--trials", "4", "--seeds", "1", "--confirm-seeds", "9"]
    words = [sys.executable, "-m", "study.run", *STUDY, *small, "--repeats", "1", "--output", "out"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = tmp_path / "out" / "report"
    verdicts = json.loads((report / "verdicts.json").read_text(encoding="utf-8"))
    assert [(entry["a"], entry["b"]) for entry in verdicts] == 6 * [("lion", "sgd"), ("lion", "adam")]
    assert not [entry for entry in verdicts if entry["verdict"] == "NOT TESTED"]
    assert [entry["seeds"] for entry in verdicts if entry["question"] == "classifies better"] == [9, 9]
    page = (report / "report.md").read_text(encoding="utf-8")
    assert "| | lion against sgd | lion against adam |" in page
    assert "They are the default claims on lion: the article's questions, as nobody had given others." in page
    assert "classifies better (2 claims)" in page
