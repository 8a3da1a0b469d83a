"""Charts of one line per optimizer over any axis: time, budget, loss, batch size."""

from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import polars as pl

from analysis.report.charts.chart import INK, Chart, Number, Tables, colour, dash, finished, height_of, opacity, tips
from analysis.report.charts.palette import Palette


@dataclass(frozen=True, kw_only=True)
class Axes:
    """How a chart of lines is laid out.

    Args:
        title: What is drawn.
        x_title: Title of the horizontal axis, with its unit.
        kind: How numbers of the vertical axis are written.
        limits: Ends of the vertical axis; lines beyond them are cut.
        scale: Of the horizontal axis; "falling" has its large values on the left, as training has large losses first.
        shape: Whether a value holds up to the next one ("steps") or lines connect them.
        level: Where a line across the chart marks a limit; None for no line.
        x_values: The only values that the horizontal axis names; None leaves them to the library.
        x_limits: Ends of the horizontal axis; None for those of the rows.
    """

    title: str
    x_title: str
    kind: Number
    limits: tuple[float, float]
    scale: Literal["linear", "log", "falling"] = "linear"
    shape: Literal["straight", "steps"] = "straight"
    level: float | None = None
    x_values: tuple[float, ...] | None = None
    x_limits: tuple[float, float] | None = None


def plot_lines(rows: pl.DataFrame, palette: Palette, axes: Axes, seeds: pl.DataFrame | None = None) -> Chart:
    """A line per optimizer with its band, and single seeds as thin lines behind it.

    Args:
        rows: Columns `optimizer`, `order` (along the line), `x`, `y`, `low`, `high` (null without a band) and `tip`.
        palette: Colours and dashes.
        axes: Layout.
        seeds: Columns `optimizer`, `replicate`, `order`, `x`, `y`, `tip`; none if None.
    """
    tables = Tables()
    x, y = _x(axes), height_of("y", axes.limits, axes.kind)
    order = alt.Order("order:Q")
    bend: dict[str, Any] = {"interpolate": "step-after"} if axes.shape == "steps" else {}
    layers = [] if axes.level is None else [_level(tables, axes)]
    hue = colour(palette)
    banded = rows.drop_nulls(["low", "high"])
    if banded.height:
        low = height_of("low", axes.limits, axes.kind)
        layers.append(
            alt.Chart(tables.keep(banded))
            .mark_area(clip=True, **bend)
            .encode(x=x, y=low, y2=alt.Y2("high:Q"), color=hue, opacity=opacity(0.13))
        )
    if seeds is not None and seeds.height:
        single = alt.Chart(tables.keep(seeds)).encode(x=x, y=y, color=hue, detail=alt.Detail("replicate:N"))
        layers += [
            single.mark_line(strokeWidth=0.8, clip=True, **bend).encode(order=order, opacity=opacity(0.3)),
            single.mark_point(size=40, filled=True, clip=True).encode(
                opacity=alt.OpacityValue(0), tooltip=tips("optimizer", "replicate", "tip")
            ),
        ]
    base = alt.Chart(tables.keep(rows)).encode(x=x, y=y, color=hue)
    layers += [
        base.mark_line(strokeWidth=2.2, clip=True, **bend).encode(
            order=order, strokeDash=dash(palette), opacity=opacity(1)
        ),
        base.mark_point(size=90, filled=True, clip=True).encode(
            opacity=alt.OpacityValue(0), tooltip=tips("optimizer", "tip")
        ),
    ]
    return finished(layers, tables, title=axes.title, height=230)


def plot_marked_lines(rows: pl.DataFrame, palette: Palette, axes: Axes) -> Chart:
    """A line per optimizer through few points, each with its interval, side by side where they would overlap.

    Args:
        rows: Columns `optimizer`, `x` (moved aside for each optimizer), `y`, `low`, `high` (null without an interval),
            `tip`.
        palette: Colours and dashes.
        axes: Layout.
    """
    tables = Tables()
    x, y = _x(axes), height_of("y", axes.limits, axes.kind)
    base = alt.Chart(tables.keep(rows)).encode(x=x, color=colour(palette))
    layers = [] if axes.level is None else [_level(tables, axes)]
    low = height_of("low", axes.limits, axes.kind)
    layers += [
        base.mark_line(strokeWidth=1.6, clip=True).encode(y=y, strokeDash=dash(palette), opacity=opacity(0.6)),
        base.mark_rule(strokeWidth=2.4, clip=True).encode(y=low, y2=alt.Y2("high:Q"), opacity=opacity(1)),
        base.mark_point(size=75, filled=True, stroke="white", strokeWidth=1, clip=True).encode(
            y=y, opacity=opacity(1), tooltip=tips("optimizer", "tip")
        ),
    ]
    return finished(layers, tables, title=axes.title, height=260)


def plot_cloud(points: pl.DataFrame, palette: Palette, axes: Axes) -> Chart:
    """Single runs as points, the mean of each optimizer as a large one.

    Args:
        points: Columns `optimizer`, `x`, `y`, `group` ("seed" or "mean"), `tip`.
        palette: Colours.
        axes: Layout.
    """
    tables = Tables()
    x, y = _x(axes), height_of("y", axes.limits, axes.kind)
    layers = []
    looks: list[tuple[str, dict[str, Any], float]] = [
        ("seed", {"size": 28}, 0.55),
        ("mean", {"size": 150, "stroke": "white"}, 1.0),
    ]
    for group, look, full in looks:
        base = alt.Chart(tables.keep(points.filter(group=group)))
        layers.append(
            base.mark_point(filled=True, clip=True, **look).encode(
                x=x, y=y, color=colour(palette), opacity=opacity(full), tooltip=tips("optimizer", "tip")
            )
        )
    return finished(layers, tables, title=axes.title, height=230)


def _x(axes: Axes) -> alt.X:
    if axes.scale == "log":
        scale = alt.Scale(type="log", nice=False, padding=24)
    else:
        domain: dict[str, Any] = {"domain": list(axes.x_limits)} if axes.x_limits else {}
        scale = alt.Scale(zero=False, nice=False, reverse=axes.scale == "falling", **domain)
    named: dict[str, Any] = {"values": list(axes.x_values)} if axes.x_values else {"tickCount": 6}
    return alt.X("x:Q", title=axes.x_title, scale=scale, axis=alt.Axis(grid=False, format=".6~g", **named))


def _level(tables: Tables, axes: Axes) -> alt.Chart:
    data = tables.keep(pl.DataFrame({"value": [axes.level]}))
    rule: alt.Chart = alt.Chart(data).mark_rule(color=INK, strokeDash=[4, 3])
    return rule.encode(y=height_of("value", axes.limits, axes.kind))
