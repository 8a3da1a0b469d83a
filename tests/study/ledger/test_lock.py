"""One writer at a time, however the last one ended."""

import subprocess
import sys

import pytest

from study.ledger import locked

HOLD = """
import pathlib, sys
from study.ledger import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "study")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_a_second_writer_is_refused_in_one_line(holder, tmp_path):
    message = r"study is in use by another run of the study; wait until it has ended, or take another"
    with pytest.raises(ValueError, match=message), locked(tmp_path / "study"):
        pass
    holder.communicate()
    with locked(tmp_path / "study"):
        pass


def test_a_killed_writer_leaves_nothing_to_clean_up(holder, tmp_path):
    holder.kill()
    holder.wait()
    assert (tmp_path / "study" / ".lock").exists()
    with locked(tmp_path / "study"):
        (tmp_path / "study" / "study.json").touch()
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["study.json"]


def test_folders_made_for_nothing_are_removed(tmp_path):
    with locked(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b" / ".lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_folders_that_were_there_stay(tmp_path):
    (tmp_path / "a").mkdir()
    with locked(tmp_path / "a"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(ValueError, match=r"--output must be a directory, .*file is a file; choose another"),
        locked(tmp_path / "file"),
    ):
        pass
