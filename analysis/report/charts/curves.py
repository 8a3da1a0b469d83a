"""Charts of seeds, of curves over epochs and of times."""

import math
from typing import Any

import altair as alt
import polars as pl

from analysis.report.charts.chart import (
    FORMATS,
    MUTED,
    Chart,
    Number,
    Tables,
    colour,
    dash,
    finished,
    height_of,
    opacity,
    rows_of,
    tips,
)
from analysis.report.charts.palette import Palette


def plot_seeds(
    seeds: pl.DataFrame,
    means: pl.DataFrame,
    palette: Palette,
    *,
    title: str,
    axis_title: str,
    kind: Number,
    side: str = "setting",
    sides: tuple[str, str] = ("tuned", "published"),
) -> Chart:
    """A number of every seed, with mean and interval: one row per optimizer, one side above the other.

    Args:
        seeds: Columns `optimizer`, `setting`, `replicate`, `status`, `value`.
        means: Columns `optimizer`, `setting`, `mean`, `low`, `high`, `tip`.
        palette: Colours.
        title: Title of the chart.
        axis_title: What is drawn, with its unit.
        kind: How numbers are written.
        side: What the column `setting` tells apart.
        sides: Its two values: circles above, diamonds below.
    """
    tables = Tables()
    axis = alt.Axis(format=FORMATS[kind], title=axis_title, grid=True, tickCount=6)
    shape = alt.Shape(
        "setting:N",
        title=None,
        scale=alt.Scale(domain=list(sides), range=["circle", "diamond"]),
        legend=alt.Legend(orient="top", symbolStrokeColor=MUTED),
    )
    name = alt.Tooltip("setting:N", title=side)
    offset = alt.YOffset("setting:N", sort=list(sides))
    place: dict[str, Any] = {"y": rows_of(palette), "yOffset": offset, "color": colour(palette)}
    dots = (
        alt.Chart(tables.keep(seeds))
        .mark_point(size=28, strokeWidth=1)
        .encode(
            x=alt.X("value:Q", axis=axis, scale=alt.Scale(zero=False)),
            shape=shape,
            opacity=opacity(0.6),
            tooltip=[*tips("optimizer"), name, *tips("replicate", "status"), alt.Tooltip("value:Q", format=".4~g")],
            **place,
        )
    )
    base = alt.Chart(tables.keep(means)).encode(**place)
    spans = base.mark_rule(strokeWidth=11).encode(
        x=alt.X("low:Q", axis=axis), x2=alt.X2("high:Q"), opacity=opacity(0.28)
    )
    centres = base.mark_point(filled=True, size=85, stroke="white", strokeWidth=1).encode(
        x=alt.X("mean:Q"), shape=shape, opacity=opacity(1), tooltip=[*tips("optimizer"), name, mean_tip()]
    )
    return finished([spans, dots, centres], tables, title=title, height=46 * seeds["optimizer"].n_unique())


def plot_curves(
    means: pl.DataFrame,
    seeds: pl.DataFrame,
    palette: Palette,
    *,
    title: str,
    kind: Number,
    limits: tuple[float, float],
) -> Chart:
    """A quantity over epochs: mean with band, every seed as a thin line behind it.

    Args:
        means: Columns `optimizer`, `epoch`, `mean`, `low`, `high`, `tip`.
        seeds: Columns `optimizer`, `replicate`, `epoch`, `value`.
        palette: Colours and dashes.
        title: What is drawn.
        kind: How numbers are written.
        limits: Ends of the vertical axis; curves beyond them are cut.
    """
    tables = Tables()
    epochs = means["epoch"].unique().sort().to_list()
    axis = alt.Axis(values=epochs[:: math.ceil(len(epochs) / 10)], format="d", grid=False)
    x = alt.X("epoch:Q", title="epoch", axis=axis, scale=alt.Scale(nice=False, zero=False))
    thin = (
        alt.Chart(tables.keep(seeds))
        .mark_line(strokeWidth=0.8, clip=True)
        .encode(
            x=x,
            y=height_of("value", limits, kind),
            detail=alt.Detail("replicate:N"),
            color=colour(palette),
            opacity=opacity(0.25),
        )
    )
    base = alt.Chart(tables.keep(means)).encode(x=x, color=colour(palette))
    y = height_of("mean", limits, kind)
    band = base.mark_area(clip=True).encode(
        y=height_of("low", limits, kind), y2=alt.Y2("high:Q"), opacity=opacity(0.15)
    )
    line = base.mark_line(strokeWidth=2.2, clip=True).encode(y=y, strokeDash=dash(palette), opacity=opacity(1))
    hover = base.mark_point(size=90, filled=True, clip=True).encode(
        y=y, opacity=alt.OpacityValue(0), tooltip=[*tips("optimizer", "epoch"), mean_tip()]
    )
    return finished([band, thin, line, hover], tables, title=title, height=210)


def plot_step_times(times: pl.DataFrame, palette: Palette, *, title: str) -> Chart:
    """Wall time per step: median, middle half (thick) and middle 90 % (thin) of the groups of each optimizer.

    Args:
        times: Columns of `step_times` in milliseconds, and `tip`.
        palette: Colours.
        title: Title of the panel.
    """
    tables = Tables()
    axis = alt.Axis(title="milliseconds per step of the group", tickCount=5)
    base = alt.Chart(tables.keep(times)).encode(y=rows_of(palette), color=colour(palette), opacity=opacity(1))
    low = alt.X("low:Q", axis=axis, scale=alt.Scale(zero=True))
    layers = [
        base.mark_rule(strokeWidth=1.5).encode(x=low, x2=alt.X2("high:Q")),
        base.mark_rule(strokeWidth=8).encode(x=alt.X("lower:Q"), x2=alt.X2("upper:Q"), opacity=opacity(0.4)),
        base.mark_point(filled=True, size=90, stroke="white").encode(
            x=alt.X("median:Q"), tooltip=[*tips("optimizer"), alt.Tooltip("tip:N", title="step")]
        ),
    ]
    return finished(layers, tables, title=title, height=30 * times.height)


def mean_tip() -> alt.Tooltip:
    """The line of a tooltip that shows a mean with its interval."""
    return alt.Tooltip("tip:N", title="mean")
