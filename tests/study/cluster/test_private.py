"""The Ray of a local study: a token and a folder of its own, of which nothing stays."""

import os
import pathlib
import re
import tempfile

import pytest

from study.cluster.private import LONGEST_PARENT, private_ray

VARIABLES = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "TORCHINDUCTOR_CACHE_DIR")


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No settings of Ray, and the folder for temporary files is looked up anew."""
    for name in (*VARIABLES, "RAY_TMPDIR", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_every_ray_has_a_token_of_its_own_in_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    tokens = []
    for _ in range(2):
        with private_ray():
            assert os.environ["RAY_AUTH_MODE"] == "token"
            tokens.append(os.environ["RAY_AUTH_TOKEN"])
    assert all(re.fullmatch("[0-9a-f]{64}", token) for token in tokens)
    assert tokens[0] != tokens[1]
    assert list(tmp_path.iterdir()) == []


def test_a_mode_without_tokens_is_for_clusters_alone(monkeypatch):
    given = {"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": "mine"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with private_ray():
        assert os.environ["RAY_AUTH_MODE"] == "token"
        assert os.environ["RAY_AUTH_TOKEN"] != "mine"
    assert {name: os.environ.get(name) for name in VARIABLES} == {**dict.fromkeys(VARIABLES), **given}


def test_the_folder_is_closed_whatever_the_umask_and_removed():
    before = os.umask(0)
    try:
        with private_ray() as arguments:
            folder = pathlib.Path(arguments["_temp_dir"]).parent
            mode, compiled = folder.stat().st_mode & 0o777, os.environ["TORCHINDUCTOR_CACHE_DIR"]
    finally:
        os.umask(before)
    assert (mode, pathlib.Path(compiled).parent) == (0o700, folder)
    assert not folder.exists()


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_the_folder_lies_where_temporary_files_belong(variable, monkeypatch):
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="t-") as parent:
        monkeypatch.setenv(variable, parent)
        monkeypatch.setattr(tempfile, "tempdir", None)
        with private_ray() as arguments:
            assert pathlib.Path(arguments["_temp_dir"]).parents[1] == pathlib.Path(parent)


def test_a_place_too_deep_for_sockets_is_passed_over(tmp_path, monkeypatch):
    deep = tmp_path / ("x" * LONGEST_PARENT)
    deep.mkdir()
    monkeypatch.setenv("TMPDIR", str(deep))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with private_ray() as arguments:
        assert pathlib.Path(arguments["_temp_dir"]).parents[1] == pathlib.Path("/tmp")
