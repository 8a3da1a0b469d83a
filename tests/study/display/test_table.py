"""What a terminal shows that is too narrow for a table."""

import pytest
from rich.console import Console
from rich.table import Table

from study.display.table import fits, print_table


def table():
    result = Table(box=None, pad_edge=False)
    for title in ("optimizer", "best setting", "test accuracy"):
        result.add_column(title, justify="right" if title == "test accuracy" else "left")
    result.add_row("adam", "learning_rate 0.001\nbeta1 0.9", "61.7% ± 1.0%")
    result.add_row("a_long_name_of_one", "-", "")
    return result


def shown(width):
    console = Console(record=True, width=width)
    print_table(console, table())
    return console.export_text()


@pytest.mark.parametrize("width", [20, 40, 80])
def test_no_number_is_cut(width):
    text = " ".join(shown(width).split())
    for word in ("learning_rate", "0.001", "beta1", "0.9", "61.7%", "1.0%", "a_long_name_of_one"):
        assert word in text
    assert "…" not in text


def test_rows_stand_one_below_the_other_where_there_is_no_room():
    assert shown(32) == (
        "adam\n  best setting: learning_rate \n0.001, beta1 0.9\n  test accuracy: 61.7% ± 1.0%\n"
        "a_long_name_of_one\n  best setting: -\n"
    )


def test_a_table_fits_from_the_sum_of_its_longest_words_on():
    needed = len("a_long_name_of_one") + 2 + len("learning_rate") + 2 + len("accuracy")
    assert [fits(Console(width=width), table()) for width in (needed - 1, needed)] == [False, True]
