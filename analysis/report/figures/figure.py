"""What a figure is: charts, the text to read them by, and the tables that hold their numbers."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from analysis.report import charts
from analysis.wording import LEVEL_NAME, listing


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One chart of a figure; `optimizer` names the only optimizer it shows, if there is just one."""

    chart: charts.Chart
    description: str
    optimizer: str | None = None


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure with its text.

    Args:
        name: Anchor on the page and stem of the SVG file.
        title: Heading.
        text: What the figure shows and what to keep in mind.
        panels: Its charts, in reading order; none if there is nothing to draw yet, and `text` says why.
        tables: Names of the CSV files that hold its numbers.
        columns: Panels side by side in the SVG file.
        width: Width of a panel in the SVG file, in pixels.
    """

    name: str
    title: str
    text: str
    panels: tuple[Panel, ...]
    tables: tuple[str, ...]
    columns: int = 3
    width: int = 280


def reasons(table: pl.DataFrame) -> str:
    """Why some optimizers have no number: a sentence for each reason, with all optimizers that it holds for.

    Args:
        table: Columns `optimizer` and `reason`, which begins with the optimizer's name; null where there is a number.
    """
    groups: dict[str, list[str]] = {}
    for name, reason in table.drop_nulls("reason").select("optimizer", "reason").unique(maintain_order=True).rows():
        groups.setdefault(reason.replace(f"{name} has ", "{} has ", 1), []).append(name)
    texts = []
    for reason, names in groups.items():
        text = reason.replace("{} has ", "{} have ", 1).replace(" its ", " their ") if len(names) > 1 else reason
        texts.append(
            text.replace("{}", listing(names), 1).replace("ped_anova", "PED-ANOVA").replace("fanova", "fANOVA")
        )
    return " ".join(texts)


def tip(row: dict[str, float], text: Callable[[float], str]) -> str:
    """A mean with its interval and number of seeds, as the tooltips show it."""
    seeds = (
        f"{row['num_values']} of {row['num_rows']} seeds"
        if row["num_values"] < row["num_rows"]
        else f"n = {row['num_rows']}"
    )
    if row["low"] is None:
        return f"{text(row['mean'])} ({seeds}, no interval)"
    return f"{text(row['mean'])} ({LEVEL_NAME} {text(row['low'])} to {text(row['high'])}, {seeds})"


def with_tips(means: pl.DataFrame, text: Callable[[float], str]) -> pl.DataFrame:
    """The table with the column `tip`."""
    return means.with_columns(tip=pl.Series("tip", [tip(row, text) for row in means.to_dicts()], dtype=pl.String))
