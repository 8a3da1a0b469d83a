"""Charts of what lies around a winner: one hyperparameter at a time, and maps of two."""

from typing import Any

import altair as alt
import polars as pl

from analysis.ledger.study import Axis
from analysis.report.charts.chart import (
    GRID,
    SEEN,
    Chart,
    Tables,
    colour,
    divergence_shape,
    finished,
    height_of,
    opacity,
    tips,
    trial_tips,
)
from analysis.report.charts.hyperparameter_axes import across, axis_name, marks, scaled
from analysis.report.charts.palette import Palette


def plot_one_at_a_time(
    means: pl.DataFrame,
    runs: pl.DataFrame,
    palette: Palette,
    *,
    hyperparameter: str,
    axis: Axis,
    limits: tuple[float, float],
    decade: tuple[float, float],
    title: str,
) -> Chart:
    """Validation error of one winner over one hyperparameter: every run behind means with their band.

    Args:
        means: Columns of `plot_sweeps`, and `mark` ("winner" or null).
        runs: Columns `optimizer`, `x`, `validation_error`, `divergence`, and those of the tooltip.
        palette: Colours.
        hyperparameter: Name of the horizontal axis.
        axis: Its scale.
        limits: Ends of the vertical axis.
        decade: Ends of what is shaded, on the horizontal axis.
        title: Title of the panel.
    """
    tables = Tables()
    x, y = across(means, hyperparameter, axis), height_of("validation_error", limits, "percent")
    shape, hue = divergence_shape(), colour(palette)
    shaded = tables.keep(pl.DataFrame({"low": [min(decade)], "high": [max(decade)]}))
    ends = across(means, hyperparameter, axis, column="low")
    base = alt.Chart(tables.keep(means)).encode(x=x, color=hue)
    layers = [
        alt.Chart(shaded).mark_rect(color=GRID, opacity=0.6).encode(x=ends, x2=alt.X2("high:Q")),
        base.mark_area(clip=True).encode(
            y=height_of("low", limits, "percent"), y2=alt.Y2("high:Q"), opacity=opacity(0.15)
        ),
        alt.Chart(tables.keep(runs))
        .mark_point(size=18, filled=True, clip=True)
        .encode(x=x, y=y, shape=shape, color=hue, opacity=opacity(0.45), tooltip=trial_tips()),
        base.mark_line(strokeWidth=2, clip=True).encode(y=y, opacity=opacity(1)),
        base.mark_point(filled=True, size=55).encode(y=y, shape=shape, opacity=opacity(1), tooltip=trial_tips()),
    ]
    return finished([*layers, *marks(tables, means, x, y)], tables, title=title, height=210)


def plot_joint_map(
    cells: pl.DataFrame,
    points: pl.DataFrame,
    best: pl.DataFrame,
    *,
    hyperparameters: tuple[str, str],
    axes: tuple[Axis, Axis],
    limits: tuple[float, float],
    least_sure: float,
    title: str,
) -> Chart:
    """What a surrogate expects between the settings of one optimizer, which are drawn on top: paler where less sure.

    Args:
        cells: Columns `optimizer`, ends `low`, `high` across and `lower`, `upper` upwards, `validation_error`,
            `deviation`, `tip`.
        points: Columns of `plot_map`.
        best: Columns `optimizer`, `x`, `y`, `order`: the best value across, from row to row.
        hyperparameters: Names of the axes.
        axes: Their scales.
        limits: Validation errors at the ends of the colour scale.
        least_sure: Deviation at which a cell is palest.
        title: Title of the panel.
    """
    tables = Tables()
    ends = [pl.concat([cells[name], points[place]]) for name, place in (("low", "x"), ("lower", "y"))]
    rates = across(ends[0].alias("x").to_frame(), hyperparameters[0], axes[0], column="low")
    how = scaled(ends[1], axes[1], max_labels=7)
    upwards = alt.Y("lower:Q", title=axis_name(hyperparameters[1], axes[1]), **how)
    x, y = alt.X("x:Q"), alt.Y("y:Q")
    hue = alt.Color("validation_error:Q", scale=alt.Scale(scheme="viridis", domain=list(limits), clamp=True))
    sureness: dict[str, Any] = {
        "test": SEEN,
        "field": "deviation",
        "type": "quantitative",
        "scale": {"domain": [0, least_sure], "range": [1, 0.1], "clamp": True},
        "legend": None,
    }
    layers = [
        alt.Chart(tables.keep(cells))
        .mark_rect(clip=True)
        .encode(
            x=rates, x2=alt.X2("high:Q"), y=upwards, y2=alt.Y2("upper:Q"), color=hue,
            opacity=alt.OpacityValue(0.06, condition=sureness), tooltip=tips("tip"),
        ),
        alt.Chart(tables.keep(best))
        .mark_line(stroke="white", strokeWidth=1.6, strokeDash=[5, 3])
        .encode(x=x, y=y, order="order:Q", opacity=opacity(1)),
        alt.Chart(tables.keep(points))
        .mark_point(filled=True, size=42, stroke="white", strokeWidth=0.8, clip=True)
        .encode(x=x, y=y, color=hue, shape=divergence_shape(), opacity=opacity(1), tooltip=trial_tips()),
        *marks(tables, points, x, y),
    ]  # fmt: skip
    return finished(layers, tables, title=title, height=240)
