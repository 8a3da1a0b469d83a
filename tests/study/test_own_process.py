"""What a function returns or raises in a process of its own, and what is said where that process is ended."""

import os
import pathlib

import pytest

from study.own_process import in_own_process

WORDS = {"work": "looked", "remedy": "Look again."}


def process_of(_):
    return os.getpid()


def test_the_function_is_called_in_another_process():
    assert in_own_process(process_of, pathlib.Path(), **WORDS) != os.getpid()


def test_what_the_function_raises_is_raised(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        in_own_process(pathlib.Path.read_text, tmp_path / "nowhere", **WORDS)


def test_a_process_that_is_ended_is_told_in_one_line():
    said = (
        r"^the process that looked was ended from outside, perhaps for its memory; what is stored stays\. Look again\.$"
    )
    with pytest.raises(OSError, match=said):
        in_own_process(os._exit, 9, **WORDS)
