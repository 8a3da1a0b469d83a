"""Plug-ins are found by file name and by entry points of installed packages, and refused in one line."""

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest

from analysis.ledger.load import load
from analysis.plugins import Plugins, take

ROOT = pathlib.Path(__file__).parents[2]

OPTIMIZER = (ROOT / "trainables" / "optimizers" / "sgd.py").read_text(encoding="utf-8")
SEARCH = """
from study.search import SearchAlgorithm, published

SEARCH = SearchAlgorithm(propose=published)
"""
METRIC = """
from analysis.metrics import Run, metric


@metric(unit="1", better="lower", diverged=None)
def constant(run: Run) -> float:
    return 1.0
"""
SOURCE = """
from analysis.ingest.sources import Source

SOURCE = Source(help="folders of Other", add_options=lambda parser: None, read=lambda options, description: None)
"""
PART = """
def rows():
    return []
"""

KINDS: dict[str, tuple[str, str]] = {
    "optimizers": (OPTIMIZER, "from trainables.optimizers import load_optimizer as f; f('other'); print('fine')"),
    "search": (SEARCH, "from study.search import load_search as f; f('other'); print('fine')"),
    "metrics": (METRIC, "from analysis.metrics import METRICS; METRICS['constant']; print('fine')"),
    "sources": (SOURCE, "from analysis.ingest.sources import load_sources as f; f()['other']; print('fine')"),
    "benchmarks": (PART, "from benchmarks.__main__ import part_names as f; assert 'other' in f(); print('fine')"),
}
"""Of each kind a plug-in as its file, and what a user of it runs."""


@pytest.fixture
def install(tmp_path: pathlib.Path) -> Callable[..., pathlib.Path]:
    """Writes a package with entry points as pip leaves it; gives the folder that belongs on the path."""

    def write(
        groups: Mapping[str, str], source: str = "", *, package: str = "other_plugins", name: str = "other"
    ) -> pathlib.Path:
        site = tmp_path / "site"
        info = site / f"{package}-2.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.0\n", encoding="utf-8")
        lines = [f"[optimizer_study.{group}]\n{name} = {module}\n" for group, module in groups.items()]
        (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
        (site / f"{package}.py").write_text(source, encoding="utf-8")
        return site

    return write


def python(script: str, site: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Runs a script in the repository, with `site` on the path."""
    script = f"import sys; sys.path.append({str(site)!r})\n{script}"
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)


def listing(package: str) -> str:
    """A script that prints the names of a folder, or what refuses them, and whether an installed module is loaded."""
    return f"""
from analysis.plugins import Plugins
try:
    print(Plugins(noun="plug-in", package={package!r}).names(), "other_plugins" in sys.modules)
except ValueError as error:
    print(error)
"""


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plugins]:
    """Makes a folder of plug-ins, a package `drawer`, of files by name."""

    def make(**files: str) -> Plugins:
        for name, text in {"__init__": "", **files}.items():
            path = tmp_path / "drawer" / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        for name in [name for name in sys.modules if name.partition(".")[0] == "drawer"]:
            monkeypatch.delitem(sys.modules, name)
        return Plugins(noun="tool", package="drawer", otherwise=", or make one")

    return make


def test_a_file_is_a_plug_in_and_names_it(folder):
    tools = folder(saw="TOOL = 1", hammer="TOOL = 2", _handle="TOOL = 3")
    assert tools.group == "optimizer_study.drawer"
    assert tools.names() == tools.names_in_folder() == ["hammer", "saw"]
    assert tools.load("saw", "TOOL", int) == 1
    assert tools.where("saw") == "drawer/saw.py"


def test_names_are_known_without_an_import(folder):
    assert folder(saw="1 / 0").names() == ["saw"]


@pytest.mark.parametrize("name", ["drill", "", "_handle", "__init__", "../saw", "saw.py"])
def test_an_unknown_name_lists_the_known_ones(folder, name):
    tools = folder(saw="TOOL = 1", hammer="TOOL = 2", _handle="TOOL = 3")
    with pytest.raises(ValueError, match=r"Unknown tool '.*'; choose one of hammer, saw, or make one\."):
        tools.load(name, "TOOL", int)


@pytest.mark.parametrize(
    ("text", "error"), [("1 / 0", r"ZeroDivisionError\(.*\)"), ("raise SystemExit(0)", r"SystemExit\(0\)")]
)
def test_a_file_that_cannot_be_imported_is_named(folder, text, error):
    """One that would end the program, too: a command that did nothing would have succeeded."""
    message = rf"The tool 'saw' must be importable, drawer/saw\.py raises {error}; mend or remove it\."
    with pytest.raises(ValueError, match=message):
        folder(saw=text).load("saw", "TOOL", int)


@pytest.mark.parametrize(("text", "given"), [("", "NoneType"), ("TOOL = 'saw'", "str")])
def test_a_file_without_its_object_is_named(folder, text, given):
    with pytest.raises(ValueError, match=rf"drawer/saw\.py must define TOOL, a pathlib\.Path, got {given}\."):
        folder(saw=text).load("saw", "TOOL", pathlib.Path)


def test_an_object_of_a_built_in_type_is_asked_for_by_its_short_name():
    with pytest.raises(ValueError, match=r"here must define path, an int, got list\."):
        take(sys, "path", int, "here")


@pytest.mark.parametrize("name", ["Saw", "1st", "s" * 41])
def test_a_file_whose_name_is_not_allowed_is_named(folder, name):
    message = rf"named by a lower-case letter .*, got '{name}' \(drawer/{name}\.py\); rename it\."
    with pytest.raises(ValueError, match=message):
        folder(**{name: ""}).names()


# Packages that are installed


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_installed_package_adds_a_plug_in_of_every_kind(install, kind):
    source, use = KINDS[kind]
    done = python(use, install({kind: "other_plugins"}, source))
    assert (done.stdout, done.returncode) == ("fine\n", 0), done.stderr


def test_an_installed_metric_may_be_imported_before_our_package(install):
    use = "import other_plugins; from analysis.metrics import METRICS; print(METRICS['constant'].unit)"
    assert python(use, install({"metrics": "other_plugins"}, METRIC)).stdout == "1\n"


def test_names_of_installed_plug_ins_are_known_without_an_import(install):
    site = install({"optimizers": "other_plugins"}, "1 / 0")
    names = sorted([*Plugins(noun="optimizer", package="trainables.optimizers").names(), "other"])
    assert python(listing("trainables.optimizers"), site).stdout == f"{names} False\n"


def test_two_plug_ins_of_one_name_are_refused_and_both_named(install):
    site = install({"optimizers": "other_plugins"}, OPTIMIZER, name="sgd")
    assert python(listing("trainables.optimizers"), site).stdout == (
        "Each plug-in needs a name of its own, 'sgd' is trainables/optimizers/sgd.py and other_plugins of the package "
        "other_plugins; rename or uninstall one.\n"
    )


def test_two_installed_plug_ins_of_one_name_are_refused(install):
    install({"search": "other_plugins"}, SEARCH)
    site = install({"search": "more_plugins"}, SEARCH, package="more_plugins")
    assert "'other' is " in (said := python(listing("study.search"), site).stdout)
    assert "other_plugins of the package other_plugins" in said
    assert "more_plugins of the package more_plugins" in said


def test_an_entry_point_of_another_name_is_refused(install):
    done = python(listing("trainables.optimizers"), install({"optimizers": "other_plugins"}, OPTIMIZER, name="Other"))
    assert done.stdout.startswith("A plug-in is named by a lower-case letter and up to 39 more, digits or underscores")
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("value", ["other_plugins:SPEC", "other-plugins", "other.", "a b", ":x", "1st"])
def test_an_entry_point_that_names_no_module_is_refused_to_those_who_ask_for_it(install, value):
    """A hyphen is easily written; other optimizers, `--help` and the check of a ledger have nothing to do with it."""
    use = "from trainables.optimizers import load_optimizer as f; f('sgd')\n"
    use += "try: f('other')\nexcept ValueError as e: print(e)"
    done = python(use, install({"optimizers": value}, OPTIMIZER))
    assert done.stdout == (
        f"An entry point of optimizer_study.optimizers must name a module, as in my_package.lion, got {value} of the "
        "package other_plugins; mend or uninstall it.\n"
    )


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"optimizers", "benchmarks"}))
def test_an_entry_point_that_names_no_module_is_named_in_every_kind(install, kind):
    done = python(KINDS[kind][1], install({kind: "other-plugins"}, KINDS[kind][0]))
    assert done.stderr.splitlines()[-1].startswith(f"ValueError: An entry point of optimizer_study.{kind} must name")


def command(module: str, *words: str) -> str:
    """A script that runs `python -m MODULE WORDS`."""
    return f"import runpy; sys.argv[1:] = {list(words)!r}; runpy.run_module({module!r}, run_name='__main__')"


@pytest.mark.parametrize(
    ("program", "kind", "name"),
    [
        ("analysis.ingest", "sources", "tables"),
        ("study.run", "optimizers", "sgd"),
        ("study.run", "search", "grid"),
        ("benchmarks", "benchmarks", "report"),
    ],
)
def test_a_command_refuses_two_of_one_name_in_one_line(program, kind, name, install):
    done = python(command(program, "--help"), install({kind: "other_plugins"}, name=name))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"python -m {program}: error: Each ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("analysis.report", ["nowhere"]),
        ("analysis.report", ["nowhere", "other", "--compare", "--output", "out"]),
        ("study.run", ["--search", "optuna", "--dry-run"]),
    ],
)
def test_a_broken_metric_of_a_package_is_refused_in_one_line(program, words, install):
    site = install({"metrics": "other_plugins"}, "raise RuntimeError('first\\nsecond')")
    done = python(command(program, *words), site)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"python -m {program}: error: The family of metrics 'other' must be importable, other_plugins of the package "
        "other_plugins raises RuntimeError('first\\nsecond'); mend or remove it.\n"
    )


def test_a_command_refuses_a_broken_package_in_one_line(install):
    site = install({"sources": "other_plugins"}, "raise RuntimeError('first\\nsecond')")
    done = python(command("analysis.ingest", "tables"), site)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "python -m analysis.ingest: error: The source 'other' must be importable, other_plugins of the package "
        "other_plugins raises RuntimeError('first\\nsecond'); mend or remove it.\n"
    )


def test_the_version_of_an_installed_package_is_known(install):
    site = install({"search": "other_plugins", "sources": "other_plugins"}, SEARCH)
    assert python("from analysis.plugins import package_versions as f; print(f())", site).stdout == (
        "{'other_plugins': '2.0'}\n"
    )


@pytest.mark.slow
def test_workers_find_an_installed_optimizer_and_the_study_tells_its_version(install, tmp_path):
    site = install({"optimizers": "other_plugins"}, OPTIMIZER)
    words = [
        *(
            "--search",
            "random",
            "--repeats",
            "1",
            "--optimizers",
            "other",
            "--trials",
            "2",
            "--seeds",
            "1",
            "--confirm-seeds",
            "0",
        ),
        *("--train-images", "100", "--batch-size", "20", "--epochs", "1", "--max-concurrent", "1"),
        *("--no-sweep", "--no-timing", "--output", str(tmp_path / "study")),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "study.run", *words],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(site)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ledger = load(tmp_path / "study")
    assert ledger.trials["optimizer"].to_list() == ["other"] * 2
    assert ledger.study.runs[0]["versions"]["other_plugins"] == "2.0"
