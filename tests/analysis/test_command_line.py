"""What an option that names a folder may say."""

import argparse
import pathlib

import pytest

from analysis.command_line import OWN_FOLDERS, path, refuse_own_folders


@pytest.mark.parametrize("word", ["", " "])
def test_an_empty_word_is_no_path(word):
    with pytest.raises(argparse.ArgumentTypeError, match=f"must be a path, got '{word}'; name one or leave the option"):
        path(word)
    assert path("a b") == pathlib.Path("a b")


@pytest.mark.parametrize("place", [*OWN_FOLDERS, "trials/deep", "repeats/1/epochs", "report/../log"])
def test_nothing_is_written_among_the_rows_of_a_study(place, tmp_path):
    message = r"^--output must lie outside of the ledger's own folders \(trials, .*\), got '.*'; choose another, as in"
    with pytest.raises(ValueError, match=message):
        refuse_own_folders(tmp_path / place, [tmp_path / "other", tmp_path])


@pytest.mark.parametrize("place", ["", "report", "repeats/1", "repeats/1/report", "report/trials", "../trials"])
def test_other_folders_of_a_study_may_be_written(place, tmp_path):
    refuse_own_folders(tmp_path / place, [tmp_path])
