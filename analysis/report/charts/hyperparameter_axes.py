"""Axes of charts over hyperparameters, and the marks of the published setting and the winner on them."""

import math
from typing import Any

import altair as alt
import polars as pl

from analysis.ledger.study import Axis
from analysis.report.charts.chart import INK, Tables, opacity, trial_tips

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def marks(tables: Tables, points: pl.DataFrame, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Rings around the published setting, named above it, and the winner, named below it."""
    layers = []
    for name, below in (("published", False), ("winner", True), ("published = winner", True)):
        marked = points.filter(mark=name)
        if marked.is_empty():
            continue
        base = alt.Chart(tables.keep(marked)).encode(x=x, y=y, opacity=opacity(1))
        text: dict[str, Any] = {"dy": 17 if below else -16, "fontSize": 10.5, "fontWeight": 600}
        layers += [
            base.mark_point(size=190, stroke=INK, strokeWidth=1.6, filled=False).encode(tooltip=trial_tips()),
            # Written twice: the white outline keeps the word readable on top of points and lines.
            base.mark_text(**text, stroke="white", strokeWidth=3.5).encode(text=alt.Text("mark:N")),
            base.mark_text(**text, color=INK).encode(text=alt.Text("mark:N")),
        ]
    return layers


def axis_name(hyperparameter: str, axis: Axis) -> str:
    """What stands at the axis: what the scale is even in."""
    return f"1 − {hyperparameter}" if axis.scale == "log_complement" else hyperparameter


def across(points: pl.DataFrame, hyperparameter: str, axis: Axis, max_labels: int = 7, column: str = "x") -> alt.X:
    """The horizontal axis of a hyperparameter, which spans the column `x` of the points."""
    return alt.X(f"{column}:Q", title=axis_name(hyperparameter, axis), **scaled(points["x"], axis, max_labels))


def scaled(values: pl.Series, axis: Axis, max_labels: int) -> dict[str, Any]:
    """Scale and axis: logarithmic with powers of ten where the hyperparameter was sampled so."""
    if axis.scale == "linear":
        return {"scale": alt.Scale(zero=False, nice=True, padding=8), "axis": alt.Axis(grid=True, tickCount=5)}
    low, high = math.log10(float(values.min())), math.log10(float(values.max()))  # type: ignore[arg-type]
    decades = range(math.floor(low), math.ceil(high) + 1)
    shown = decades[:: math.ceil(len(decades) / max_labels)]
    names = ", ".join(f"'{power}': '{_power_of_ten(power)}'" for power in shown)
    ends = [10 ** (low - 0.15), 10 ** (high + 0.15)]
    return {
        "scale": alt.Scale(type="log", domain=ends, nice=False),
        "axis": alt.Axis(
            values=[10.0**power for power in shown],
            labelExpr=f"({{{names}}})[toString(round(log(datum.value) / LN10))]",
            grid=True,
        ),
    }


def _power_of_ten(power: int) -> str:
    return f"10{str(power).translate(SUPERSCRIPTS)}" if abs(power) > 2 else f"{10.0**power:g}"
