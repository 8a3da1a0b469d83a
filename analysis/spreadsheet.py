"""Text in CSV files that people open in a spreadsheet: a cell that would be run as a formula begins with a quote."""

import re

import polars as pl

FORMULA = r"^'*[=+\-@\t\r]"
"""How a cell begins that a spreadsheet takes for a formula, or one that was quoted already."""

QUOTED = r"^'+[=+\-@\t\r]"

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def quoted(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a single quote before every text that a spreadsheet would run; numbers stay numbers.

    The names of columns are texts as well.
    """
    cells = [_quoted(name) for name, kind in rows.schema.items() if kind == pl.String]
    heads = {name: f"'{name}" for name in rows.columns if re.match(FORMULA, name)}
    return rows.with_columns(cells).rename(heads)


def _quoted(name: str) -> pl.Expr:
    text = pl.col(name)
    is_formula = text.str.contains(FORMULA) & text.str.contains(NUMBER).not_()
    return pl.when(is_formula).then(pl.concat_str(pl.lit("'"), text)).otherwise(text).alias(name)


def unquoted(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows as they were before `quoted`; all columns are text."""
    is_quoted = pl.all().str.contains(QUOTED)
    plain = rows.with_columns(pl.when(is_quoted).then(pl.all().str.slice(1)).otherwise(pl.all()).name.keep())
    return plain.rename({name: name[1:] for name in plain.columns if re.match(QUOTED, name)})
