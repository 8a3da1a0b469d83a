"""The wheel holds every file that is needed, and study, report, ingest and ledger run from it, far from the sources."""

import os
import pathlib
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import version

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = ("analysis", "study", "trainables")
PATIENCE_SECONDS = 400

TABLE = """optimizer,learning_rate,seed,validation_error
sgd,0.01,0,0.5
sgd,0.01,1,0.4
sgd,0.1,0,0.3
sgd,0.1,1,0.2
"""
DESCRIPTION = 'num_epochs = 2\n[optimizers.sgd]\nspace.learning_rate = {low = 1e-4, high = 1.0, scale = "log"}\n'
EVERY_MODULE = """
import importlib, pathlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    assert pathlib.Path(package.__file__).is_relative_to(sys.prefix), package.__file__
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""
BANK = "from study.audit.bank import NUM_POINTS, Bank; [Bank.of(optimizer) for optimizer in NUM_POINTS]"


def tracked():
    """Files of the packages that a commit would hold, as far as they are there."""
    done = subprocess.run(["git", "ls-files", "-z", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"which files belong to the packages is known to git alone: {done.stderr.strip()}")
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).exists()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built of the tracked files alone."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in (*tracked(), "pyproject.toml", "README.md", "LICENSE"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    words = (
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--wheel-dir",
        folder,
        source,
    )
    run([sys.executable, "-m", *words], folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A fresh virtual environment with the wheel; what it depends on is that of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
    run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel],
        folder,
    )
    return folder


def run(words, directory, **variables):
    """What a command says, run far from the sources; it must succeed."""
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "RAY_ADDRESS"}}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=directory,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_wheel_holds_the_tracked_files_of_the_packages_and_no_others(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == set(tracked())


@pytest.mark.slow
def test_every_module_is_there_and_finds_what_it_reads(installed, tmp_path):
    run([installed / "bin" / "python", "-c", EVERY_MODULE, *PACKAGES], tmp_path)
    run([installed / "bin" / "python", "-c", BANK], tmp_path)


@pytest.mark.slow
def test_study_report_and_ledger_run_from_the_wheel(installed, tmp_path):
    """On the images of the package; their convolutions are compiled anew."""
    words = (
        *("--search", "random", "--repeats", "1", "--optimizers", "sgd", "--trials", "1", "--seeds", "1"),
        *("--confirm-seeds", "6", "--train-images", "20", "--epochs", "1", "--output", "out"),
    )
    script, python = installed / "bin" / PROJECT["name"], installed / "bin" / "python"
    assert run([script, "--version"], tmp_path) == f"{PROJECT['name']} {version(PROJECT['name'])}\n"
    run([script, *words], tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    if shutil.which(os.environ.get("CC", "cc")):
        assert list(tmp_path.glob("cache/optimizer-study/convolutions-*.so"))
    run([python, "-m", "analysis.report", "out"], tmp_path)
    report = tmp_path / "out" / "report"
    assert {"report.html", "report.md", "figures", "verdicts.json"} <= {path.name for path in report.iterdir()}
    run([python, "-m", "study.ledger", "out", "check"], tmp_path)


@pytest.mark.slow
def test_ingest_and_report_run_from_the_wheel(installed, tmp_path):
    (tmp_path / "trials.csv").write_text(TABLE, encoding="utf-8")
    (tmp_path / "study.toml").write_text(DESCRIPTION, encoding="utf-8")
    python = installed / "bin" / "python"
    words = ("tables", "--trials", "trials.csv", "--description", "study.toml", "--output", "out")
    run([python, "-m", "analysis.ingest", *words], tmp_path)
    run([python, "-m", "analysis.report", "out"], tmp_path)
    assert (tmp_path / "out" / "report" / "report.html").exists()
