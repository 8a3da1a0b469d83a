"""What lies in a study's folder and is no file, or no file that memory could hold, is refused at once."""

import os
import pathlib
import shutil
import socket

import pytest

from analysis.ledger import regular
from analysis.ledger.load import load
from analysis.ledger.study import LedgerError
from analysis.report.__main__ import main


@pytest.fixture
def copied(ledger_dir, tmp_path):
    return pathlib.Path(shutil.copytree(ledger_dir, tmp_path / "study"))


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def folder(path):
    path.mkdir()


def a_socket(path):
    here = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{here}/{path.name}")  # the name of a socket may not be long
    finally:
        os.close(here)


@pytest.mark.parametrize("make", [pipe, device, folder, a_socket])
@pytest.mark.parametrize("name", ["study.json", "trials/x.parquet", "epochs/x.parquet"])
def test_what_is_no_file_is_refused_without_waiting(copied, make, name, capsys):
    (copied / name).unlink(missing_ok=True)
    make(copied / name)
    assert main([str(copied)]) == 2
    said = capsys.readouterr().err
    assert f"{copied / name}" in said
    assert "it must be a regular file, and is a folder, pipe, socket or device" in said
    assert said.count("\n") == 1


def test_a_link_to_a_file_is_a_file(copied):
    (copied / "study.json").rename(copied / "elsewhere.json")
    (copied / "study.json").symlink_to("elsewhere.json")
    assert load(copied).trials.height


def test_a_description_that_is_too_large_is_not_read(copied, capsys):
    with (copied / "study.json").open("r+b") as file:
        file.truncate(regular.LARGEST_DESCRIPTION + 1)
    assert main([str(copied)]) == 2
    assert "it may have at most 67,108,864 bytes, and has 67,108,865" in capsys.readouterr().err


def test_the_files_of_a_table_are_counted_together(copied, monkeypatch):
    monkeypatch.setattr("analysis.ledger.parts.MOST_ROWS", 10)
    with pytest.raises(LedgerError, match=r"a table may have at most 10 rows, '.*/trials' has 1[12] or more; remove"):
        load(copied)


@pytest.mark.parametrize(
    ("limit", "said"),
    [("MOST_ROWS", "it may have at most 1 rows, and has 3"), ("LARGEST_TABLE_FILE", "it may have at most 1 bytes, ")],
)
def test_more_rows_than_memory_holds_are_refused_before_they_are_unpacked(copied, monkeypatch, limit, said):
    monkeypatch.setattr(f"analysis.ledger.parts.{limit}", 1)
    monkeypatch.setattr("pyarrow.parquet.ParquetFile.read", None)
    with pytest.raises(LedgerError, match=rf"is damaged \({said}"):
        load(copied)
