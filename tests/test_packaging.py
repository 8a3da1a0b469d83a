"""What pyproject.toml promises, and that the hooks of a commit are the commands of the gate."""

import pathlib
import re
import tomllib
from importlib.metadata import EntryPoint

import pytest
import yaml

from study import __version__

ROOT = pathlib.Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = ("analysis", "study", "trainables")


def test_the_console_script_is_the_command_line_of_a_study(capsys):
    ((name, target),) = PROJECT["project"]["scripts"].items()
    assert name == PROJECT["project"]["name"]
    main = EntryPoint(name, target, "console_scripts").load()
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"{name} {__version__}\n"
    assert main(["--search", "optuna", "--optimizers", "adamax"]) == 2  # a console script exits with it


@pytest.mark.parametrize("package", PACKAGES)
def test_every_installed_package_says_that_it_is_typed(package):
    assert (ROOT / package / "py.typed").read_bytes() == b""
    assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"]["*"]
    assert f"{package}*" in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]


def test_hooks_contributing_and_gate_run_the_same_commands():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    hooks = {hook["entry"] for hook in repository["hooks"]}
    block = re.search(r"```\n(pytest .*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    assert hooks == {line.partition("#")[0].strip() for line in block[1].splitlines()}
    gate = {line.strip() for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()}
    assert hooks - gate == {"pytest -n 2"}
    # The gate takes this one from the README.
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^pip install .* && pytest -n 2$", readme, re.MULTILINE)) == 1
