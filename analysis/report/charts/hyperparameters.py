"""Charts of validation error and divergence over hyperparameters."""

import altair as alt
import polars as pl

from analysis.ledger.study import Axis
from analysis.report.charts.chart import (
    DIVERGENCE,
    INK,
    Chart,
    Tables,
    colour,
    dash,
    divergence_shape,
    finished,
    height_of,
    opacity,
    trial_tips,
)
from analysis.report.charts.hyperparameter_axes import across, axis_name, marks, scaled
from analysis.report.charts.palette import Palette


def plot_sweeps(sweeps: pl.DataFrame, palette: Palette, *, axis: Axis, limits: tuple[float, float]) -> Chart:
    """Validation error over the learning rate, all optimizers on one axis, divergence drawn in.

    Args:
        sweeps: Columns `optimizer`, `x`, `validation_error`, `low`, `high`, `divergence`, and those of the tooltip.
        palette: Colours and dashes.
        axis: Scale of the learning rate.
        limits: Ends of the vertical axis.
    """
    tables = Tables()
    base = alt.Chart(tables.keep(sweeps)).encode(
        x=across(sweeps, "learning_rate", axis, max_labels=12), color=colour(palette)
    )
    y = height_of("validation_error", limits, "percent")
    band = base.mark_area(clip=True).encode(
        y=height_of("low", limits, "percent"), y2=alt.Y2("high:Q"), opacity=opacity(0.12)
    )
    line = base.mark_line(strokeWidth=2.2, clip=True).encode(y=y, strokeDash=dash(palette), opacity=opacity(1))
    dots = base.mark_point(filled=True, size=70).encode(
        y=y, shape=divergence_shape(), opacity=opacity(1), tooltip=trial_tips()
    )
    return finished([band, line, dots], tables, title="Validation error against the learning rate", height=320)


def plot_response(
    points: pl.DataFrame, palette: Palette, *, hyperparameter: str, axis: Axis, limits: tuple[float, float], title: str
) -> Chart:
    """Validation error of one optimizer over one hyperparameter: sweep curve before the tuning trials.

    Args:
        points: Columns of `plot_sweeps`, and `phase`, `mark` ("published", "winner", both or null).
        palette: Colours.
        hyperparameter: Name of the horizontal axis.
        axis: Its scale.
        limits: Ends of the vertical axis.
        title: Title of the panel.
    """
    tables = Tables()
    tuning, sweep = points.filter(pl.col("phase") != "sweep"), points.filter(phase="sweep")
    x, y = across(points, hyperparameter, axis), height_of("validation_error", limits, "percent")
    shape, hue = divergence_shape(), colour(palette)
    layers = [
        alt.Chart(tables.keep(tuning))
        .mark_point(size=40, filled=True)
        .encode(x=x, y=y, shape=shape, color=hue, opacity=opacity(0.5), tooltip=trial_tips())
    ]
    if sweep.height:
        base = alt.Chart(tables.keep(sweep)).encode(x=x, color=hue)
        low = height_of("low", limits, "percent")
        layers += [
            base.mark_area(clip=True).encode(y=low, y2=alt.Y2("high:Q"), opacity=opacity(0.15)),
            base.mark_line(strokeWidth=2, clip=True).encode(y=y, opacity=opacity(1)),
            base.mark_point(filled=True, size=55).encode(y=y, shape=shape, opacity=opacity(1), tooltip=trial_tips()),
        ]
    return finished([*layers, *marks(tables, tuning, x, y)], tables, title=title, height=210)


def plot_map(
    points: pl.DataFrame,
    *,
    hyperparameters: tuple[str, str],
    axes: tuple[Axis, Axis],
    limits: tuple[float, float],
    title: str,
) -> Chart:
    """Where one optimizer learns and where it diverges: colour is validation error, shape is divergence.

    Args:
        points: Columns `optimizer`, `x`, `y`, `validation_error`, `divergence`, `mark`, and those of the tooltip.
        hyperparameters: Names of the axes.
        axes: Their scales.
        limits: Validation errors at the ends of the colour scale.
        title: Title of the panel.
    """
    tables = Tables()
    x = across(points, hyperparameters[0], axes[0])
    y = alt.Y("y:Q", title=axis_name(hyperparameters[1], axes[1]), **scaled(points["y"], axes[1], max_labels=7))
    hue = alt.Color(
        "validation_error:Q",
        scale=alt.Scale(scheme="viridis", domain=list(limits), clamp=True),
        legend=alt.Legend(
            title="validation error", format=".0%", orient="top", gradientLength=150, gradientThickness=8
        ),
    )
    base = alt.Chart(tables.keep(points)).encode(x=x, y=y, shape=divergence_shape(), tooltip=trial_tips())
    learned = base.transform_filter(f"datum.divergence !== '{DIVERGENCE[2]}'")
    lost = base.transform_filter(f"datum.divergence === '{DIVERGENCE[2]}'")
    layers = [
        learned.mark_point(filled=True, size=95).encode(color=hue, opacity=opacity(1)),
        lost.mark_point(filled=True, size=60).encode(color=alt.ColorValue(INK), opacity=opacity(1)),
        *marks(tables, points, x, y),
    ]
    return finished(layers, tables, title=title, height=240)
