"""The files of examples/ do what they are examples of."""

import pathlib

import pytest

from analysis.claims.file import read_claims
from analysis.verdicts.default_vocabulary import VOCABULARY
from study.run import main
from trainables.contract import check_optimizer, check_resumable
from trainables.optimizers import DEFAULTS, load_optimizer_source

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"
OPTIMIZERS = sorted(EXAMPLES.glob("*.py"))
CLAIMS = sorted(EXAMPLES.glob("*.toml"))


def test_there_is_one_of_each():
    assert OPTIMIZERS
    assert CLAIMS
    assert {path.suffix for path in EXAMPLES.iterdir() if path.is_file()} == {".py", ".toml"}


@pytest.mark.parametrize("path", OPTIMIZERS, ids=lambda path: path.stem)
def test_an_optimizer_keeps_the_contract(path):
    spec = load_optimizer_source(path.stem, path.read_text(encoding="utf-8"))
    check_optimizer(path.stem, spec)
    check_resumable(path.stem, spec)


@pytest.mark.parametrize("path", CLAIMS, ids=lambda path: path.stem)
def test_claims_name_an_example_and_known_rivals(path):
    claims = read_claims(path, VOCABULARY)
    claims.check_names({*DEFAULTS, *(example.stem for example in OPTIMIZERS)})
    assert path.stem in claims.optimizers


@pytest.mark.parametrize("path", OPTIMIZERS, ids=lambda path: path.stem)
def test_a_study_accepts_an_optimizer_with_its_claims(path, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["--search", "optuna", "--repeats", "1", "--optimizers", "sgd,adam", "--optimizer-file", str(path)]
    small = ["--train-images", "50", "--batch-size", "10", "--epochs", "1", "--dry-run"]
    assert main([*words, "--claims", str(path.with_suffix(".toml")), *small]) == 0
    assert "3 optimizers" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
