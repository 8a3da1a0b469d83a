"""What CONTRIBUTING.md and docs/ print is code that works: in a copy of the tree, through the contract of its kind."""

import fnmatch
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections import defaultdict

import pytest

from analysis.claims.file import parse_claims
from analysis.ingest.description import read_description
from analysis.ledger.load import load
from analysis.verdicts.default_vocabulary import VOCABULARY

ROOT = pathlib.Path(__file__).parent.parent
PAGE = ROOT / "CONTRIBUTING.md"
CODE = re.compile(r"(?:<!-- (?P<verb>create|append to) (?P<path>\S+) -->\n)?```python\n(?P<code>.*?)```", re.DOTALL)
HEADING = re.compile(r"^## Add (?P<kind>.+): (?P<files>\d+) files?$", re.MULTILINE)

KINDS = (
    *("an optimizer", "a metric of a run", "a metric of a study", "a claim", "a search algorithm"),
    *("a section of the report", "a source of ingest", "a benchmark"),
)
CONTRACTS = {
    "tests/trainables/test_contract.py": "sign_descent",
    "tests/analysis/metrics/test_contract.py": "rising_share",
    "tests/analysis/ingest/sources/test_contract.py": "json_lines or json-lines",
    "tests/study/search/test_search.py": "kronecker",
    "tests/analysis/verdicts/test_study_metrics.py": "undiverged_share",
    "tests/analysis/report/test_sections.py": "section",
    "tests/analysis/report/figures/test_figures.py": "is_drawn or every_figure or every_question",
    "tests/test_layers.py": "layer_may or floor or arrow or few_places",
    "tests/study/request/test_options.py": "(unknown and not huge) or names_every",
}
"""Tests that look at whatever lies in a folder, and which of them."""


def recipes():
    """Text of each recipe by its kind."""
    found = list(HEADING.finditer(text := PAGE.read_text(encoding="utf-8")))
    ends = [*(heading.start() for heading in found[1:]), len(text)]
    return {
        heading["kind"]: (int(heading["files"]), text[heading.end() : end])
        for heading, end in zip(found, ends, strict=True)
    }


PRINTED = {block["path"]: block for block in CODE.finditer(PAGE.read_text(encoding="utf-8"))}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the program and its tests with every recipe carried out."""
    tree = tmp_path_factory.mktemp("tree")
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("analysis", "benchmarks", "study", "tests", "trainables"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tree)
    for path, block in PRINTED.items():
        is_new = block["verb"] == "create"
        assert (tree / path).exists() != is_new, path
        with (tree / path).open("a", encoding="utf-8") as file:
            file.write(block["code"] if is_new else f"\n\n{block['code']}")
    return tree


def run(tree, *command):
    """What a command prints in the copy."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_is_a_recipe_for_every_kind():
    assert tuple(recipes()) == KINDS


def test_every_printed_block_says_which_file_it_is():
    assert None not in PRINTED
    assert len(PRINTED) == PAGE.read_text(encoding="utf-8").count("```python")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "a claim"])
def test_a_recipe_counts_the_files_that_it_touches(kind):
    num_files, text = recipes()[kind]
    touched = re.findall(r"`([\w/<>]+\.py)`", re.split(r"\bTouches\s", text)[1].split("\n\n")[0])
    assert len(touched) == num_files
    for path in touched:
        place = ROOT / path
        assert place.parent.is_dir() if "<" in path else place.is_file(), path
    patterns = [re.sub("<.*>", "*", path) for path in touched]
    for block in CODE.finditer(text):
        assert any(fnmatch.fnmatch(block["path"], pattern) for pattern in patterns), block["path"]


def test_recipes_pass_the_linter_and_the_formatter(tree):
    run(tree, "ruff", "check", "--no-cache", *PRINTED)
    run(tree, "ruff", "format", "--no-cache", "--check", *PRINTED)


def test_recipes_pass_the_type_checker(tree, pytestconfig):
    cache = pytestconfig.cache.mkdir("recipes-mypy")
    run(tree, "mypy", "--cache-dir", str(cache), *PRINTED)


def test_recipes_keep_the_contract_of_their_kind(tree):
    chosen = " or ".join(f"({names})" for names in CONTRACTS.values())
    printed = run(tree, "pytest", "-n", "0", "-q", "-rA", "-p", "no:cacheprovider", "-k", chosen, *CONTRACTS)
    passed = defaultdict(set)
    for line in printed.splitlines():
        if found := re.match(r"PASSED (\S+?)::(.*)", line):
            passed[found[1]].add(found[2])
    assert set(passed) == set(CONTRACTS)
    for file in list(CONTRACTS)[:5]:
        assert any(CONTRACTS[file].split(" or ")[-1] in name for name in passed[file])


def test_the_printed_benchmark_measures(tree):
    table = tree / "benchmarks.parquet"
    assert "time per point" in run(tree, "benchmarks", "--small", "--output", str(table), "proposal")
    assert table.exists()


def test_the_printed_source_makes_a_ledger(tree, tmp_path):
    (tmp_path / "study.toml").write_text(
        'num_epochs = 1\n[optimizers.sgd]\nspace.learning_rate = {low = 0.0, high = 1.0, scale = "linear"}\n',
        encoding="utf-8",
    )
    line = '{"optimizer": "sgd", "hyperparameters": {"learning_rate": 0.1}, "seed": %d, "validation_error": 0.4}\n'
    runs = tmp_path / "runs.jsonl"
    runs.write_text(line % 0 + line % 1, encoding="utf-8")
    words = ("json-lines", str(runs), "--description", str(tmp_path / "study.toml"))
    run(tree, "analysis.ingest", *words, "--output", str(tmp_path / "out"))
    rows = load(tmp_path / "out").trials.select("optimizer", "number", "replicate", "validation_error").rows()
    assert rows == [("sgd", 1, 0, 0.4), ("sgd", 1, 1, 0.4)]
    for text, message in {
        b"[]": "line 1 must be a run",
        (line % 0)
        .replace('{"learning_rate": 0.1}', "[1]")
        .encode(): "line 1: hyperparameters must be a mapping of nam",
        (line % 0).encode("utf-16"): f"{runs} must be text in UTF-8, it is not (",
    }.items():
        runs.write_bytes(text)
        command = [sys.executable, "-m", "analysis.ingest", *words, "--output", str(tmp_path / "refused")]
        refused = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert message in refused.stderr
        assert not (tmp_path / "refused").exists()


def test_the_printed_files_of_claims_and_descriptions_are_read(tmp_path):
    (claims,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/claims.md").read_text(encoding="utf-8"), re.DOTALL)
    assert parse_claims(claims, VOCABULARY).optimizers == ["adam", "my_optimizer", "sgd"]
    (text,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/other_results.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    assert list(read_description(tmp_path / "study.toml").optimizers) == ["sgd", "adam"]


def test_the_code_of_the_pages_is_run():
    """That of docs/ledger.md is run on a ledger, by tests/analysis/ledger/test_schema.py."""
    pages = {path.name: path for path in (ROOT / "docs").rglob("*.md") if "```python" in path.read_text("utf-8")}
    assert sorted(pages) == ["data.md", "ledger.md"]
    for block in CODE.finditer(pages["data.md"].read_text(encoding="utf-8")):
        exec(compile(block["code"], "data.md", "exec"), {})
