"""From a table to a chart. The only module that knows the chart library; it computes no statistic and saves nothing.

Every chart has the parameter `isolated`: the name of the one optimizer to be seen, or null for all.
The rows stay outside the chart objects, which the library would copy and check over and over.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import polars as pl

from analysis.palette import Palette
from analysis.spec import Axis

Number = Literal["percent", "plain"]
Rows = list[dict[str, Any]]

INK, MUTED, GRID, DIVERGED = "#1f2933", "#52606d", "#e4e7eb", "#1f2933"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
FORMATS: dict[Number, str] = {"percent": ".0%", "plain": ".3~g"}
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
DIVERGENCE = ("none diverged", "some diverged", "all diverged")
CONFIG: dict[str, Any] = {
    "font": FONT,
    "background": "white",
    "view": {"stroke": None},
    "title": {"anchor": "start", "fontSize": 13, "fontWeight": 600, "color": INK, "offset": 10, "subtitleColor": MUTED},
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": 400,
        "gridColor": GRID,
        "domainColor": "#9aa5b1",
        "tickColor": "#9aa5b1",
    },
    "legend": {"orient": "top", "labelFontSize": 11, "labelColor": INK, "titleFontWeight": 400, "titleFontSize": 11},
}
CROSS = "M-.9,-.6L-.6,-.9L0,-.3L.6,-.9L.9,-.6L.3,0L.9,.6L.6,.9L0,.3L-.6,.9L-.9,.6L-.3,0Z"
DRAWN = (
    "optimizer", "setting", "replicate", "status", "value", "epoch", "x", "y", "mean", "low", "high", "validation_error",
    "divergence", "mark", "tip", "trial", "error", "lower", "median", "upper",
)  # fmt: skip
PARAMETERS = [{"name": "isolated", "value": None}]
SEEN = "isolated === null || datum.optimizer === isolated"


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite view without size, and the rows it names."""

    view: dict[str, Any]
    tables: dict[str, Rows]


def plot_seeds(seeds: pl.DataFrame, means: pl.DataFrame, palette: Palette, *, title: str, kind: Number) -> Chart:
    """A number of every seed, with mean and interval: one row per optimizer, tuned above published.

    Args:
        seeds: Columns `optimizer`, `setting`, `replicate`, `status`, `value`.
        means: Columns `optimizer`, `setting`, `mean`, `low`, `high`, `tip`.
        palette: Colours.
        title: Title of the axis.
        kind: How numbers are written.
    """
    tables: dict[str, Rows] = {}
    rows = alt.Y("optimizer:N", title=None, sort=list(palette.colours), axis=alt.Axis(labelFontSize=13, labelColor=INK))
    offset = alt.YOffset("setting:N", sort=["tuned", "published"])
    axis = alt.Axis(format=FORMATS[kind], title=title, orient="bottom", grid=True)
    shape = alt.Shape(
        "setting:N", title=None, scale=alt.Scale(domain=["tuned", "published"], range=["circle", "diamond"]),
        legend=alt.Legend(orient="top", symbolFillColor=MUTED, symbolStrokeColor=MUTED),
    )  # fmt: skip
    colour = _colour(palette)
    zero = alt.Scale(zero=False, nice=True)
    dots = (
        alt.Chart(_data(tables, seeds))
        .mark_point(size=28, strokeWidth=1)
        .encode(
            x=alt.X("value:Q", axis=axis, scale=zero), y=rows, yOffset=offset, color=colour, shape=shape,
            opacity=_opacity(0.55), tooltip=_tips(["optimizer", "setting", "replicate", "status"], value=FORMATS[kind]),
        )
    )  # fmt: skip
    base = alt.Chart(_data(tables, means)).encode(y=rows, yOffset=offset, color=colour)
    spans = base.mark_rule(strokeWidth=11).encode(x=alt.X("low:Q", axis=axis), x2="high:Q", opacity=_opacity(0.28))
    centres = base.mark_point(filled=True, size=85, stroke="white", strokeWidth=1).encode(
        x="mean:Q", shape=shape, opacity=_opacity(1), tooltip=[alt.Tooltip("tip:N", title="mean")]
    )
    return _finish([spans, dots, centres], tables, height=alt.Step(26))


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
    tables: dict[str, Rows] = {}
    x = alt.X(
        "epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, format="d", grid=False), scale=alt.Scale(nice=False)
    )
    y = alt.Y("mean:Q", title=None, axis=alt.Axis(format=FORMATS[kind], tickCount=5), scale=_limits(limits))
    colour = _colour(palette)
    thin = (
        alt.Chart(_data(tables, seeds))
        .mark_line(strokeWidth=0.7, clip=True)
        .encode(
            x=x, y=alt.Y("value:Q", scale=_limits(limits)), detail="replicate:N", color=colour, opacity=_opacity(0.22)
        )
    )
    base = alt.Chart(_data(tables, means)).encode(x=x, color=colour)
    band = base.mark_area(clip=True).encode(
        y=alt.Y("low:Q", scale=_limits(limits)), y2="high:Q", opacity=_opacity(0.14)
    )
    line = base.mark_line(strokeWidth=2.2, clip=True).encode(y=y, strokeDash=_dash(palette), opacity=_opacity(1))
    hover = base.mark_point(size=90, filled=True, clip=True).encode(
        y=y, opacity=alt.value(0), tooltip=[*_tips(["optimizer", "epoch"]), alt.Tooltip("tip:N", title="mean")]
    )
    return _finish([band, thin, line, hover], tables, title=title, height=210)


def plot_sweeps(sweeps: pl.DataFrame, palette: Palette, *, axis: Axis, limits: tuple[float, float]) -> Chart:
    """Validation error over the learning rate, all optimizers on one axis, divergence drawn in.

    Args:
        sweeps: Columns `optimizer`, `x`, `validation_error`, `low`, `high`, `divergence`, `tip`.
        palette: Colours and dashes.
        axis: Scale of the learning rate.
        limits: Ends of the vertical axis.
    """
    tables: dict[str, Rows] = {}
    base = alt.Chart(_data(tables, sweeps)).encode(x=_x(sweeps, "learning_rate", axis), color=_colour(palette))
    y = alt.Y("validation_error:Q", title=None, axis=alt.Axis(format=".0%", tickCount=5), scale=_limits(limits))
    band = base.mark_area(clip=True).encode(
        y=alt.Y("low:Q", scale=_limits(limits)), y2="high:Q", opacity=_opacity(0.12)
    )
    line = base.mark_line(strokeWidth=2.2, clip=True).encode(y=y, strokeDash=_dash(palette), opacity=_opacity(1))
    marks = base.mark_point(filled=True, size=70).encode(
        y=y, shape=_shape(), opacity=_opacity(1), tooltip=_trial_tips()
    )
    return _finish([band, line, marks], tables, title="Validation error against the learning rate", height=300)


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
    tables: dict[str, Rows] = {}
    tuning, sweep = points.filter(pl.col("phase") != "sweep"), points.filter(phase="sweep")
    x = _x(points, hyperparameter, axis)
    y = alt.Y("validation_error:Q", title=None, axis=alt.Axis(format=".0%", tickCount=5), scale=_limits(limits))
    colour = _colour(palette)
    cloud = (
        alt.Chart(_data(tables, tuning))
        .mark_point(size=38, filled=True)
        .encode(x=x, y=y, shape=_shape(), color=colour, opacity=_opacity(0.45), tooltip=_trial_tips())
    )
    base = alt.Chart(_data(tables, sweep)).encode(x=x, color=colour)
    band = base.mark_area(clip=True).encode(
        y=alt.Y("low:Q", scale=_limits(limits)), y2="high:Q", opacity=_opacity(0.15)
    )
    line = base.mark_line(strokeWidth=2, clip=True).encode(y=y, opacity=_opacity(1))
    dots = base.mark_point(filled=True, size=55).encode(y=y, shape=_shape(), opacity=_opacity(1), tooltip=_trial_tips())
    layers = [cloud, *([band, line, dots] if sweep.height else []), *_marks(tables, tuning, x, y)]
    return _finish(layers, tables, title=title, height=200)


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
        points: Columns `optimizer`, `x`, `y`, `validation_error`, `divergence`, `mark`, `tip`.
        hyperparameters: Names of the axes.
        axes: Their scales.
        limits: Validation errors at the ends of the colour scale.
        title: Title of the panel.
    """
    tables: dict[str, Rows] = {}
    x = _x(points, hyperparameters[0], axes[0])
    y = alt.Y("y:Q", title=_name(hyperparameters[1], axes[1]), **_scaled(points["y"], axes[1]))
    colour = alt.Color(
        "validation_error:Q",
        scale=alt.Scale(scheme="viridis", domain=list(limits), clamp=True),
        legend=alt.Legend(
            title="validation error", format=".0%", orient="top", gradientLength=150, gradientThickness=8
        ),
    )
    base = alt.Chart(_data(tables, points)).encode(x=x, y=y, shape=_shape(), tooltip=_trial_tips())
    learned = base.transform_filter(f"datum.divergence !== '{DIVERGENCE[2]}'")
    lost = base.transform_filter(f"datum.divergence === '{DIVERGENCE[2]}'")
    layers = [
        learned.mark_point(filled=True, size=95).encode(color=colour, opacity=_opacity(1)),
        lost.mark_point(size=50, strokeWidth=1.6, filled=True).encode(color=alt.value(DIVERGED), opacity=_opacity(1)),
        *_marks(tables, points, x, y),
    ]
    return _finish(layers, tables, title=title, height=240)


def plot_step_times(times: pl.DataFrame, palette: Palette, *, title: str) -> Chart:
    """Wall time per step: median, middle half (thick) and middle 90 % (thin) of the groups of each optimizer.

    Args:
        times: Columns of `step_times` in milliseconds, and `tip`.
        palette: Colours.
        title: Title of the panel.
    """
    tables: dict[str, Rows] = {}
    rows = alt.Y("optimizer:N", title=None, sort=list(palette.colours), axis=alt.Axis(labelFontSize=12, labelColor=INK))
    axis = alt.Axis(title="milliseconds per step of the group", tickCount=6)
    base = alt.Chart(_data(tables, times)).encode(y=rows, color=_colour(palette), opacity=_opacity(1))
    layers = [
        base.mark_rule(strokeWidth=1.5).encode(x=alt.X("low:Q", axis=axis, scale=alt.Scale(zero=True)), x2="high:Q"),
        base.mark_rule(strokeWidth=7).encode(x="lower:Q", x2="upper:Q", opacity=_opacity(0.4)),
        base.mark_point(filled=True, size=90, stroke="white").encode(
            x="median:Q", tooltip=[*_tips(["optimizer"]), alt.Tooltip("tip:N", title="step")]
        ),
    ]
    return _finish(layers, tables, title=title, height=alt.Step(30))


def side_by_side(charts: Sequence[Chart], *, columns: int, width: int) -> dict[str, Any]:
    """Several charts as one Vega-Lite specification with its legend and rows, for a still picture."""
    views = [{**chart.view, "width": width} for chart in charts]
    tables = {name: rows for chart in charts for name, rows in chart.tables.items()}
    grid = {"concat": views, "columns": columns, "spacing": 30}
    return {"params": PARAMETERS, "config": CONFIG, "datasets": tables, **grid}


def for_page(chart: Chart) -> dict[str, Any]:
    """One chart without rows as a Vega-Lite specification as wide as its place on the page, which has the legend."""
    config = {**CONFIG, "legend": {**CONFIG["legend"], "disable": True}}
    return {"params": PARAMETERS, "config": config, "width": "container", **chart.view}


def _finish(layers: Sequence[alt.Chart], tables: dict[str, Rows], *, height: int | alt.Step, title: str = "") -> Chart:
    layered = alt.layer(*layers).properties(height=height, title=title)
    view = {key: entry for key, entry in layered.to_dict().items() if key not in ("$schema", "config")}
    return Chart(view, tables)


def _data(tables: dict[str, Rows], table: pl.DataFrame) -> alt.NamedData:
    """Keep the drawn columns under a name made from them, to six digits: more would not be seen."""
    drawn = table.select(pl.selectors.by_name(DRAWN, require_all=False))
    rows = drawn.with_columns(pl.selectors.float().round_sig_figs(6)).to_dicts()
    name = hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]
    tables[name] = rows
    return alt.NamedData(name=name)


def _colour(palette: Palette) -> alt.Color:
    scale = alt.Scale(domain=list(palette.colours), range=list(palette.colours.values()))
    return alt.Color("optimizer:N", scale=scale, title=None)


def _dash(palette: Palette) -> alt.StrokeDash:
    scale = alt.Scale(domain=list(palette.dashes), range=[list(dash) for dash in palette.dashes.values()])
    return alt.StrokeDash("optimizer:N", scale=scale, title=None)


def _shape() -> alt.Shape:
    scale = alt.Scale(domain=list(DIVERGENCE), range=["circle", "triangle-up", CROSS])
    return alt.Shape("divergence:N", scale=scale, title=None)


def _opacity(full: float) -> Any:
    return alt.when(SEEN).then(alt.value(full)).otherwise(alt.value(full * 0.08))


def _limits(limits: tuple[float, float]) -> alt.Scale:
    return alt.Scale(domain=list(limits), nice=False, zero=False)


def _tips(names: Sequence[str], **formatted: str) -> list[alt.Tooltip]:
    plain = [alt.Tooltip(f"{name}:N") for name in names]
    return plain + [alt.Tooltip(f"{name}:Q", format=text) for name, text in formatted.items()]


def _trial_tips() -> list[alt.Tooltip]:
    return [*_tips(["optimizer", "trial", "setting", "error", "divergence"])]


def _marks(tables: dict[str, Rows], points: pl.DataFrame, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    marked = points.filter(pl.col("mark").is_not_null())
    if marked.is_empty():
        return []
    base = alt.Chart(_data(tables, marked)).encode(x=x, y=y, opacity=_opacity(1))
    rings = base.mark_point(size=190, stroke=INK, strokeWidth=1.6, filled=False).encode(tooltip=_trial_tips())
    texts = base.mark_text(dy=-15, fontSize=10.5, color=INK, fontWeight=600).encode(text="mark:N")
    return [rings, texts]


def _name(hyperparameter: str, axis: Axis) -> str:
    return f"1 − {hyperparameter}" if axis.scale == "log_complement" else hyperparameter


def _x(points: pl.DataFrame, hyperparameter: str, axis: Axis) -> alt.X:
    return alt.X("x:Q", title=_name(hyperparameter, axis), **_scaled(points["x"], axis))


def _scaled(values: pl.Series, axis: Axis) -> dict[str, Any]:
    if axis.scale == "linear" or values.is_empty():
        return {"scale": alt.Scale(zero=False, nice=True), "axis": alt.Axis(grid=True, tickCount=5)}
    low, high = math.log10(float(values.min())), math.log10(float(values.max()))  # type: ignore[arg-type]
    decades = range(math.floor(low), math.ceil(high) + 1)
    step = max(1, math.ceil(len(decades) / 7))
    labels = {
        f"{power}": f"10{str(power).translate(SUPERSCRIPTS)}" if abs(power) > 2 else f"{10.0**power:g}"
        for power in decades
    }
    names = ", ".join(f"'{power}': '{label}'" for power, label in labels.items())
    expression = f"({{{names}}})[toString(round(log(datum.value) / LN10))]"
    return {
        "scale": alt.Scale(type="log", domain=[10 ** (low - 0.15), 10 ** (high + 0.15)], nice=False),
        "axis": alt.Axis(values=[10.0**power for power in decades[::step]], labelExpr=expression, grid=True),
    }
