"""Text that a spreadsheet would run is quoted in CSV, and read back as it was."""

import io

import polars as pl
import pytest

from analysis.spreadsheet import quoted, unquoted

FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-x", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://a")', "'=1", "''+x"]
HARMLESS = ["", "sgd", "a=b", "'quoted'", "-0.5", "+1", "-1e-3", ".5", "1-2"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_begins_with_a_quote_and_comes_back_as_it_was(text):
    rows = pl.DataFrame({text: [text], "a": ["b"]})
    assert quoted(rows).to_dicts() == [{f"'{text}": f"'{text}", "a": "b"}]
    assert unquoted(quoted(rows)).equals(rows)


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_and_numbers_as_text_stay_as_they_are(text):
    rows = pl.DataFrame({"a": [text]})
    assert quoted(rows).equals(rows)
    assert unquoted(rows).equals(rows)


def test_numbers_and_nothing_are_no_text():
    rows = pl.DataFrame({"n": [-1, None], "x": [-0.5, float("nan")], "t": [None, "-"], "l": [[-1.0], [2.0]]})
    assert quoted(rows).drop("t").equals(rows.drop("t"))
    assert quoted(rows)["t"].to_list() == [None, "'-"]
    assert quoted(rows).schema == rows.schema


def test_the_head_of_a_column_is_text_too():
    assert quoted(pl.DataFrame({"=cmd": [1], "a": [2]})).columns == ["'=cmd", "a"]


def test_no_line_of_the_file_holds_a_cell_that_is_run():
    rows = pl.DataFrame({"a": FORMULAS, "=b": FORMULAS})
    read = pl.read_csv(io.StringIO(quoted(rows).write_csv()), infer_schema=False)
    assert all(cell.startswith("'") for column in read for cell in column)
