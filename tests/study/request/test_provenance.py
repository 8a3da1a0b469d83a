"""Where rows come from: what a run writes about itself."""

import json
import pathlib
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime

import pytest
import torch

from study.request import provenance as module
from study.request.provenance import PACKAGES, command, provenance, resume_command


def test_a_run_says_when_how_and_on_what_it_began():
    before = datetime.now(UTC).replace(microsecond=0)
    run = provenance(["--search", "optuna", "--output", "with space"])
    assert before <= datetime.fromisoformat(run["started"]) <= datetime.now(UTC)
    assert run["command"] == "python -m study.run --search optuna --output 'with space'"
    assert run["versions"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert set(run["versions"]) == {"python", *PACKAGES}
    assert run["hardware"]["cores"] >= 1
    assert run["hardware"]["memory_bytes"] > 2**28
    assert json.loads(json.dumps(run)) == run


def test_the_command_is_one_that_a_shell_takes_back():
    words = ["--values", "a.b=1", "", "x y", "quote's", "ü"]
    assert shlex.split(command(words))[3:] == words


@pytest.mark.parametrize("given", [[], ["--output", "here"], ["--output=here"]])
def test_the_way_on_from_a_fresh_start_names_its_folder_once(given):
    words = ["--search", "optuna", *given, "--fresh", "--trials", "3"]
    on = "python -m study.run --search optuna --trials 3 --output here-2"
    assert resume_command(words, "here-2") == on


def test_the_commit_is_that_of_this_source_tree():
    root = pathlib.Path(module.__file__).parent
    commit = provenance([])["commit"]
    git = ["git", "-C", str(root), "ls-files", "--error-unmatch", "provenance.py"]
    if subprocess.run(git, capture_output=True, check=False).returncode == 0:
        assert re.fullmatch(r"[0-9a-f]{40}(\+changes)?", commit)
    else:
        assert commit is None


def test_a_copy_inside_another_repository_has_no_commit(tmp_path):
    """As when this package is installed into a virtual environment that lies in the user's own repository."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True, capture_output=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "theirs"], check=True, capture_output=True)
    folder = tmp_path / "site-packages" / "study" / "request"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "provenance.py").write_bytes(pathlib.Path(module.__file__).read_bytes())
    code = "from study.request.provenance import provenance; print(provenance([])['commit'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder.parents[1], capture_output=True, text=True, check=True
    )
    assert done.stdout == "None\n"
