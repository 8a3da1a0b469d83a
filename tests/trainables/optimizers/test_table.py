"""The README shows what the optimizers declare."""

import pathlib

import pytest

from trainables.optimizers import DEFAULTS, OPTIMIZERS
from trainables.optimizers.__main__ import main
from trainables.optimizers._table import HEAD, replace_table, table

README = pathlib.Path(__file__).parents[3] / "README.md"


def test_the_readme_has_the_table_of_today():
    text = README.read_text(encoding="utf-8")
    assert replace_table(text) == text, "write it anew: python -m trainables.optimizers README.md"


def test_every_optimizer_has_a_row_and_the_default_ones_come_first():
    rows = table().splitlines()[len(HEAD) :]
    names = [row.split("`")[1] for row in rows]
    assert sorted(names) == OPTIMIZERS.names_in_folder()
    assert tuple(names[: len(DEFAULTS)]) == DEFAULTS
    assert [row.endswith("| yes |") for row in rows] == [name in DEFAULTS for name in names]
    assert {row.count("|") for row in rows} == {HEAD[0].count("|")}


def test_a_range_is_written_in_the_measure_in_which_it_is_searched():
    (row,) = (line for line in table().splitlines() if line.startswith("| `momentum`"))
    assert "learning_rate 1e-5 … 0.3; momentum 1 − (0.01 … 1)" in row
    assert "learning_rate 0.01, momentum 0.9" in row


def test_the_command_prints_the_table_or_writes_it_into_a_file(tmp_path, capsys):
    assert main([]) == 0
    assert capsys.readouterr().out == table()
    path = tmp_path / "page.md"
    path.write_text(f"before\n\n{HEAD[0]}\n|---|\n| old |\n\nafter\n", encoding="utf-8")
    assert main([str(path)]) == 0
    assert path.read_text(encoding="utf-8") == f"before\n\n{table()}\nafter\n"


@pytest.mark.parametrize("text", ["no table\n", f"{HEAD[0]}\n|a|\n\n{HEAD[0]}\n|b|\n"])
def test_a_page_without_one_table_is_refused_and_left_alone(text, tmp_path, capsys):
    path = tmp_path / "page.md"
    path.write_text(text, encoding="utf-8")
    assert main([str(path)]) == 2
    assert "must hold one table" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == text
