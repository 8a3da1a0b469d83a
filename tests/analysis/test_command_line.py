"""What the command lines share: options given once, paths, and the answer to Ctrl-C."""

import argparse
import pathlib

import pytest

from analysis.command_line import Parser, path, stoppable
from analysis.ledger.folders import OWN_FOLDERS, refuse_own_folders

NO_REPEATS = ("repeats", "repeats/9", "repeats/9/report")


def begin_repeat(study):
    """Let the first repeat of a study have begun."""
    (study / "repeats" / "1").mkdir(parents=True)
    (study / "repeats" / "1" / "study.json").touch()


@pytest.mark.parametrize("word", ["", " "])
def test_an_empty_word_is_no_path(word):
    with pytest.raises(argparse.ArgumentTypeError, match=f"must be a path, got '{word}'; name one or leave the option"):
        path(word)
    assert path("a b") == pathlib.Path("a b")


@pytest.mark.parametrize(
    "place",
    [*OWN_FOLDERS, "trials/deep", "repeats/1/epochs", "report/../log", *NO_REPEATS],
)
def test_nothing_is_written_among_the_rows_of_a_study(place, tmp_path):
    begin_repeat(tmp_path)
    message = (
        r"^--output must lie outside of the ledger's own folders \(trials, .*\) and, in repeats, in a repeat that has "
        r"begun, got '.*'; choose another, as in"
    )
    with pytest.raises(ValueError, match=message):
        refuse_own_folders(tmp_path / place, [tmp_path / "other", tmp_path])


@pytest.mark.parametrize("place", ["", "report", "repeats/1", "repeats/1/report", "report/trials", "../trials"])
def test_other_folders_of_a_study_may_be_written(place, tmp_path):
    begin_repeat(tmp_path)
    refuse_own_folders(tmp_path / place, [tmp_path])


def test_an_option_given_twice_is_refused_and_a_parser_may_be_used_again(capsys):
    parser = Parser(prog="command")
    parser.add_argument("place", nargs="+")
    parser.add_argument("--number", type=int)
    parser.add_argument("--words", action="append")
    for _ in range(2):
        assert parser.parse_args(["a", "b", "--number", "1", "--words", "c", "--words", "d"]).words == ["c", "d"]
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["a", "--number", "1", "--number=2"])
    said = "command: error: argument --number: must be given once, got '1' and '2'; leave one out\n"
    assert capsys.readouterr().err == said


def test_ctrl_c_is_answered_in_one_line(capsys):
    @stoppable("command")
    def main(status=None):
        if status is None:
            raise KeyboardInterrupt
        return status

    assert (main(), main(3)) == (130, 3)
    assert capsys.readouterr().err == "command: stopped.\n"
