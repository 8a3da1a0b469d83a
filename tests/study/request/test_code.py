"""Which changes of code count as changes of what rows say."""

import pathlib
import shutil
import sys

import pytest

from study.request import code
from study.request.code import COUNTED, NOT_COUNTED, ROOT, code_of, digest_of
from study.search import SEARCHES

CODE = (
    b'"""A module."""\n\nRATE = 1  # a comment\n"""What it is."""\n\ndef f(x):\n    """Says."""\n    return x + RATE\n'
)


@pytest.mark.parametrize(
    "same",
    [
        b"RATE = 1\ndef f(x):\n    return x + RATE\n",
        b'"""Another."""\nRATE = 1\n\n\ndef f(\n    x\n):\n  # why\n  return (x + RATE)\n',
    ],
)
def test_comments_docstrings_and_layout_are_no_part_of_a_digest(same):
    assert digest_of(same) == digest_of(CODE)


@pytest.mark.parametrize(
    "other",
    [
        CODE.replace(b"1", b"2"),
        CODE.replace(b"1", b"1.0"),
        CODE.replace(b"x + RATE", b"x - RATE"),
        CODE.replace(b"f(x)", b"f(x, *y)"),
        CODE.replace(b"return", b"yield"),
        CODE.replace(b"    return", b"    x = 'text'\n    return"),
    ],
)
def test_whatever_code_does_otherwise_is_part_of_it(other):
    assert digest_of(other) != digest_of(CODE)


def test_folders_that_count_and_those_that_do_not_are_there():
    assert all((ROOT / place).exists() for place in (*COUNTED, *NOT_COUNTED))


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of this project's code, whose files may be changed."""
    for place in ("study", "trainables", "analysis"):
        shutil.copytree(ROOT / place, tmp_path / place, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "ROOT", tmp_path)
    code._own_code.cache_clear()
    yield tmp_path
    code._own_code.cache_clear()


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("trainables/training/loop.py", ["trainables/training"]),
        ("trainables/models/simple_cnn/convolutions.c", ["trainables/models/simple_cnn"]),
        ("trainables/data/cifar10_mini.webp", ["trainables/data"]),
        ("trainables/optimizers/sgd.py", ["trainables/optimizers/sgd.py"]),
        ("study/search/optuna.py", ["study/search/optuna.py"]),
        ("study/search/sobol.py", ["study/search/sobol.py"]),  # which optuna.py imports
        ("analysis/ledger/plan.py", ["analysis/ledger"]),
        ("trainables/optimizers/langevin.py", []),
        ("study/search/grid.py", []),
        ("study/display/console.py", []),
        ("analysis/report/page.py", []),
        ("trainables/optimizers/of_a_user.py", []),
    ],
)
def test_a_change_is_named_where_it_is_and_only_if_the_study_rests_on_it(copied, make_spec, file, names):
    spec = make_spec()  # sgd and momentum by optuna
    before = code_of(spec)
    with (copied / file).open("ab") as changed:
        changed.write(b"\nCHANGED = 1\n")
    code._own_code.cache_clear()
    after = code_of(spec)
    assert set(after) == set(before)
    assert [name for name in after if after[name] != before[name]] == names


def test_the_package_of_a_plug_in_in_use_is_one_of_them(make_spec, monkeypatch, tmp_path):
    package = tmp_path / "my_searches"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "mine.py").write_text("SEARCH = 1\n", encoding="utf-8")
    (package / "template.py").write_text("not python {{ }}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(type(SEARCHES), "module_name", lambda _, name: f"my_searches.{name}")
    monkeypatch.setitem(sys.modules, "my_searches", None)
    del sys.modules["my_searches"]
    before = code_of(make_spec(search="mine"))
    (package / "mine.py").write_text("SEARCH = 2\n", encoding="utf-8")
    after = code_of(make_spec(search="mine"))
    assert {name for name in after if after[name] != before[name]} == {"my_searches"}
    assert not {"study/search/optuna.py", "study/search/sobol.py"} & set(after)
    assert pathlib.Path(tmp_path, "my_searches", "mine.py").is_file()
