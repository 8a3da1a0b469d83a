"""Charts of numbers with intervals, one row each: effects of claims, shares, importance of hyperparameters."""

from typing import Any, Literal

import altair as alt
import polars as pl

from analysis.report.charts.chart import (
    FORMATS,
    GRID,
    INK,
    MUTED,
    Chart,
    Number,
    Tables,
    colour,
    finished,
    opacity,
    rows_of,
    tips,
)
from analysis.report.charts.palette import Palette

ROW = 36
"""Height of a row, in pixels."""

CLAIM_ROW = 46
"""Height of the row of a claim, with its name above it."""

EITHER_SIDE = "isolated === null || datum.optimizer === isolated || datum.rival === isolated"


def plot_effects(
    claims: pl.DataFrame,
    seeds: pl.DataFrame,
    palette: Palette,
    *,
    axis_title: list[str],
    limits: tuple[float, float],
    neutral: tuple[float, float, float],
    scale: Literal["linear", "log"] = "linear",
) -> Chart:
    """The effect of each claim with its interval over the effects at single seeds; a band marks what matters to nobody.

    Args:
        claims: Columns `optimizer`, `rival`, `pair`, `mean`, `low`, `high`, `mark`, `tip`.
        seeds: Columns `optimizer`, `rival`, `pair`, `value`; none if there are no seeds.
        palette: Colours.
        axis_title: Lines: what is drawn, with its unit and which side speaks for the claim.
        limits: Ends of the horizontal axis.
        neutral: No effect, and the two ends of the band of effects too small to matter.
        scale: Of the horizontal axis.
    """
    tables = Tables()
    axis = alt.Axis(format=".6~g", title=axis_title, grid=True, tickCount=6, labelOverlap="greedy", labelSeparation=8)
    ends_at: dict[str, Any] = {"domain": list(limits), "nice": False}
    across = alt.Scale(type="log", **ends_at) if scale == "log" else alt.Scale(zero=False, **ends_at)

    def x(column: str) -> alt.X:
        return alt.X(f"{column}:Q", axis=axis, scale=across)

    order = claims["pair"].to_list()
    # Names stand above their rows, inside the chart: beside them they would take half the width of a phone.
    names = alt.Axis(
        labelFontSize=12,
        labelColor=INK,
        labelLimit=330,
        ticks=False,
        domain=False,
        labelAlign="left",
        labelPadding=-2,
        labelOffset=-15,
        zindex=1,
    )
    row: dict[str, Any] = {"y": alt.Y("pair:N", title=None, sort=order, axis=names), "color": colour(palette)}
    ends = tables.keep(pl.DataFrame({"low": [neutral[1]], "high": [neutral[2]], "mean": [neutral[0]]}))
    layers = [
        alt.Chart(ends).mark_rect(color=GRID, opacity=0.6).encode(x=x("low"), x2=alt.X2("high:Q")),
        alt.Chart(ends).mark_rule(color=INK, strokeWidth=1.2).encode(x=x("mean")),
    ]
    if seeds.height:
        layers.append(
            alt.Chart(tables.keep(seeds))
            .mark_point(size=26, strokeWidth=1, clip=True)
            .encode(x=x("value"), opacity=_either(0.55), tooltip=tips("pair", "tip"), **row)
        )
    base = alt.Chart(tables.keep(claims)).encode(**row)
    layers += [
        base.mark_rule(strokeWidth=3, clip=True).encode(x=x("low"), x2=alt.X2("high:Q"), opacity=_either(1)),
        base.mark_point(filled=True, size=95, stroke="white", strokeWidth=1, clip=True).encode(
            x=x("mean"), opacity=_either(1), tooltip=tips("pair", "tip")
        ),
    ]
    return finished(layers, tables, title="", height=CLAIM_ROW * claims.height)


def plot_shares(
    rows: pl.DataFrame,
    palette: Palette,
    *,
    groups: tuple[str, ...],
    title: str,
    axis_title: str,
    kind: Number,
    from_zero: bool = True,
) -> Chart:
    """A number with its interval, one row per optimizer, groups one below the other.

    Args:
        rows: Columns `optimizer`, `group`, `mean`, `low`, `high`, `tip`.
        palette: Colours.
        groups: Values of `group`: circles, diamonds, squares.
        title: Title of the panel.
        axis_title: What is drawn, with its unit.
        kind: How numbers are written.
        from_zero: Whether the axis begins at 0.
    """
    tables = Tables()
    axis = alt.Axis(format=FORMATS[kind], title=axis_title, grid=True, tickCount=5)
    across = alt.Scale(zero=from_zero, nice=True)
    shapes = alt.Scale(domain=list(groups), range=["circle", "diamond", "square"][: len(groups)])
    legend = alt.Legend(orient="top", symbolStrokeColor=MUTED)
    shape = alt.Shape("group:N", title=None, scale=shapes, legend=legend if len(groups) > 1 else None)
    row: dict[str, Any] = {
        "y": rows_of(palette),
        "yOffset": alt.YOffset("group:N", sort=list(groups)),
        "color": colour(palette),
    }
    base = alt.Chart(tables.keep(rows)).encode(**row)
    low = alt.X("low:Q", axis=axis, scale=across)
    layers = [
        base.mark_rule(strokeWidth=2.4).encode(x=low, x2=alt.X2("high:Q"), opacity=opacity(0.55)),
        base.mark_point(filled=True, size=85, stroke="white", strokeWidth=1).encode(
            x=alt.X("mean:Q", axis=axis, scale=across),
            shape=shape,
            opacity=opacity(1),
            tooltip=tips("optimizer", "group", "tip"),
        ),
    ]
    height = (18 * len(groups) + 12) * rows["optimizer"].n_unique()
    return finished(layers, tables, title=title, height=height)


def plot_importance(rows: pl.DataFrame, palette: Palette, *, methods: tuple[str, str], title: str) -> Chart:
    """Share of each effect of one optimizer: bars of the first method, diamonds of the second, with intervals.

    Args:
        rows: Columns `optimizer`, `group` (method), `effect`, `mean`, `low`, `high`, `tip`.
        palette: Colours.
        methods: The two methods, as the legend names them.
        title: Title of the panel.
    """
    tables = Tables()
    order = rows["effect"].unique(maintain_order=True).to_list()
    axis = alt.Axis(format="%", title="share of the variation", grid=True, tickCount=5)
    across = alt.Scale(domain=[0, 1], nice=False)
    names = alt.Axis(labelFontSize=11, labelColor=INK, labelLimit=170, ticks=False, domain=False, labelPadding=6)
    layers = []
    for method, drop in zip(methods, (-5, 7), strict=True):
        own = rows.filter(group=method)
        if own.is_empty():
            continue
        y = alt.Y("effect:N", title=None, sort=order, axis=names)
        base = alt.Chart(tables.keep(own)).encode(y=y, color=colour(palette), tooltip=tips("optimizer", "group", "tip"))
        mean = alt.X("mean:Q", axis=axis, scale=across)
        span = {"x": alt.X("low:Q", axis=axis, scale=across), "x2": alt.X2("high:Q")}
        mark = (
            base.mark_bar(height=10, yOffset=drop).encode(x=mean, opacity=opacity(0.45))
            if method == methods[0]
            else base.mark_point(shape="diamond", filled=True, size=70, yOffset=drop).encode(x=mean, opacity=opacity(1))
        )
        layers += [mark, base.mark_rule(strokeWidth=1.6, yOffset=drop).encode(**span, opacity=opacity(1))]
    return finished(layers, tables, title=title, height=ROW * len(order))


def _either(full: float) -> alt.OpacityValue:
    """Full while no optimizer or one of the two sides is isolated."""
    return alt.OpacityValue(full * 0.06, condition={"test": EITHER_SIDE, "value": full})
