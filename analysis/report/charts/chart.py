"""What all charts share: how they are put together, their look, and the channels they draw with.

Every channel is written as an object, `alt.X2("high:Q")`: to find out what the string "high:Q" means takes the library
ten milliseconds each time, a third of all the time that charts took.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import polars as pl
from altair.utils import schemapi

from analysis.report.charts.palette import Palette

Number = Literal["percent", "plain"]
Rows = list[dict[str, Any]]

INK, MUTED, GRID, RULE = "#1f2933", "#52606d", "#e4e7eb", "#9aa5b1"
FORMATS: dict[Number, str] = {"percent": ".1~%", "plain": ".4~g"}
DIVERGENCE = ("none diverged", "some diverged", "all diverged")
CROSS = "M-.9,-.6L-.6,-.9L0,-.3L.6,-.9L.9,-.6L.3,0L.9,.6L.6,.9L0,.3L-.6,.9L-.9,.6L-.3,0Z"
DRAWN = (
    *("optimizer", "setting", "replicate", "status", "value", "epoch", "x", "y", "mean", "low", "high", "tip"),
    *("validation_error", "divergence", "mark", "trial", "error", "lower", "median", "upper"),
    *("order", "group", "effect", "pair", "rival", "deviation"),
)
TOP = ("$schema", "config")  # stand once, at the top of a specification
PARAMETERS = [{"name": "isolated", "value": None}]
SEEN = "isolated === null || datum.optimizer === isolated"
CONFIG: dict[str, Any] = {
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
    "background": "white",
    "view": {"stroke": None},
    # The library writes axis titles unescaped into the expressions that describe each mark to screen readers, so a
    # hyperparameter's name could break them; the page describes each chart as a whole.
    "mark": {"aria": False},
    "title": {"anchor": "start", "fontSize": 13, "fontWeight": 600, "color": INK, "offset": 10},
    "axis": {
        "labelColor": MUTED,
        "labelFontSize": 11,
        "titleColor": MUTED,
        "titleFontSize": 11,
        "titleFontWeight": 400,
        "gridColor": GRID,
        "domainColor": RULE,
        "tickColor": RULE,
        "labelFlush": False,
        "labelOverlap": True,
    },
    "legend": {
        "orient": "top",
        "labelColor": INK,
        "labelFontSize": 11,
        "labelLimit": 220,
        "titleFontSize": 11,
        "titleFontWeight": 400,
        "symbolOpacity": 1,
    },
}


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite view without width, and the rows it names."""

    view: dict[str, Any]
    tables: dict[str, Rows]


class Tables(dict[str, Rows]):
    """The rows of a chart, kept outside its objects: the library would copy and check them over and over."""

    def keep(self, table: pl.DataFrame) -> alt.NamedData:
        """Store the drawn columns under a name made from them, to six digits: more would not be seen."""
        drawn = table.select(pl.selectors.by_name(DRAWN, require_all=False))
        rows = drawn.with_columns(pl.selectors.float().round_sig_figs(6)).to_dicts()
        name = hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]
        self[name] = rows
        return alt.NamedData(name=name)


def unchecked() -> AbstractContextManager[None]:
    """Charts are put together without a check against the schema, which takes seconds; the tests check each kind."""
    return schemapi.debug_mode(False)


def finished(layers: Sequence[alt.Chart], tables: Tables, *, height: int, title: str) -> Chart:
    """The layers as one chart."""
    # To layer its objects, the library would copy each of them three times, which takes longer than all else here.
    views = [layer.to_dict(validate=False) for layer in layers]
    shared = {"data": views[0]["data"]} if all(view["data"] == views[0]["data"] for view in views) else {}
    own = [{key: entry for key, entry in view.items() if key not in (*TOP, *shared)} for view in views]
    return Chart({"layer": own, **shared, "height": height, "title": title}, dict(tables))


def side_by_side(charts: Sequence[Chart], *, columns: int, width: int) -> dict[str, Any]:
    """Several charts as one Vega-Lite specification with its legend and rows, for a still picture."""
    views = [{**chart.view, "width": width} for chart in charts]
    tables = {name: rows for chart in charts for name, rows in chart.tables.items()}
    grid = {"concat": views, "columns": columns, "spacing": 36, "padding": 14}
    return {"params": PARAMETERS, "config": CONFIG, "datasets": tables, **grid}


def for_page(chart: Chart) -> dict[str, Any]:
    """One chart without rows as a Vega-Lite specification as wide as its place on the page, which has the legend."""
    config = {**CONFIG, "legend": {**CONFIG["legend"], "disable": True}}
    size = {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}
    return {"params": PARAMETERS, "config": config, **size, **chart.view}


def colour(palette: Palette) -> alt.Color:
    """The colour of each optimizer."""
    scale = alt.Scale(domain=list(palette.colours), range=list(palette.colours.values()))
    return alt.Color("optimizer:N", scale=scale, title=None)


def dash(palette: Palette) -> alt.StrokeDash:
    """The dash of each optimizer."""
    scale = alt.Scale(domain=list(palette.dashes), range=[list(dash) for dash in palette.dashes.values()])
    return alt.StrokeDash("optimizer:N", scale=scale, title=None)


def rows_of(palette: Palette) -> alt.Y:
    """One row per optimizer."""
    axis = alt.Axis(labelFontSize=12, labelColor=INK, labelLimit=150, ticks=False, domain=False, labelPadding=8)
    return alt.Y("optimizer:N", title=None, sort=list(palette.colours), axis=axis)


def divergence_shape() -> alt.Shape:
    """Circle, triangle and cross for no, some and all replicates diverged."""
    scale = alt.Scale(domain=list(DIVERGENCE), range=["circle", "triangle-up", CROSS])
    return alt.Shape("divergence:N", scale=scale, title=None)


def opacity(full: float) -> alt.OpacityValue:
    """Full for what is seen, faint while another optimizer is isolated."""
    return alt.OpacityValue(full * 0.06, condition={"test": SEEN, "value": full})


def within(limits: tuple[float, float]) -> alt.Scale:
    """A linear scale that ends exactly at its limits."""
    return alt.Scale(domain=list(limits), nice=False, zero=False)


def height_of(column: str, limits: tuple[float, float], kind: Number) -> alt.Y:
    """A vertical axis without title: the panel's title says what is drawn."""
    return alt.Y(f"{column}:Q", title=None, axis=alt.Axis(format=FORMATS[kind], tickCount=5), scale=within(limits))


def tips(*names: str) -> list[alt.Tooltip]:
    """What the tooltip shows."""
    return [alt.Tooltip(f"{name}:N") for name in names]


def trial_tips() -> list[alt.Tooltip]:
    """What the tooltip of a trial shows."""
    return tips("optimizer", "trial", "setting", "error", "divergence")
