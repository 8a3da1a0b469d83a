"""A table on a terminal of any width: where a number would be cut, each row becomes lines of its own."""

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

WIDEST = 10_000
"""Columns that no table needs."""


def fits(console: Console, table: Table) -> bool:
    """Whether there is room for every word of a table."""
    return Measurement.get(console, console.options.update(max_width=WIDEST), table).minimum <= console.width


def print_table(console: Console, table: Table) -> None:
    """Print a table, or its rows one below the other where the terminal is too narrow."""
    console.print(table if fits(console, table) else stacked(table), highlight=False, markup=False)


def stacked(table: Table) -> Text:
    """The rows of a table one below the other, a line for each cell that is not empty, after its title.

    The first column, whose cells name the rows, stands alone.
    """
    titles = [str(column.header) for column in table.columns]
    rows = zip(*(column.cells for column in table.columns), strict=True)
    lines = []
    for first, *others in rows:
        lines.append(str(first))
        for title, cell in zip(titles[1:], others, strict=True):
            if text := str(cell).replace("\n", ", "):
                lines.append(f"  {title}: {text}" if title else f"  {text}")
    return Text("\n".join(lines))
