"""Numbers of the search space: how much of it is good, what matters in it, how wide the valley of learning rates is."""

from typing import Any

import polars as pl

from analysis.report import charts
from analysis.report.charts.palette import Palette
from analysis.report.figures.figure import Figure, Panel, reasons
from analysis.tables.study_tables import StudyTables
from analysis.wording import LEVEL_NAME, count, number, percent

METHODS = ("fANOVA", "PED-ANOVA")
NAMES = {"fanova": METHODS[0], "ped_anova": METHODS[1]}
SPACES = ("declared", "common rule")
FROM = ("common best", "own best")


def good_volume(tables: StudyTables, palette: Palette) -> Figure:
    """Share of the search space that comes close to the best of all optimizers, and to the own best."""
    table = tables["good_volume"]
    rows = table.drop_nulls("volume")
    panels = []
    for space, title in zip(SPACES, ("Of the declared space", "Of the common rule"), strict=True):
        own = rows.filter(space=space)
        if own.is_empty():
            continue
        tips = [_volume_tip(row) for row in own.to_dicts()]
        drawn = own.select("optimizer", "low", "high", group="measured_from", mean="volume", tip=pl.Series(tips))
        chart = charts.plot_shares(
            drawn, palette, groups=FROM, title=title, axis_title="share of good settings", kind="percent"
        )
        panels.append(Panel(chart=chart, description=f"Share of good settings. {title}"))
    epsilon = f"{100 * table['epsilon'][0]:.1f} points" if table.height else "2 points"
    text = (
        f"A setting is good if its mean validation error lies within {epsilon} of the best: of all optimizers "
        "(circles) or its own (diamonds). The share is that of the space as it was sampled, "
        "so that it depends on the range that was declared; the common rule is the published setting times or over 100 "
        f"in every hyperparameter, of which only the part within the declared space was tried. {LEVEL_NAME} intervals "
        "resample points and seeds. "
    ) + reasons(table)
    if not panels:
        text = f"No share of good settings can be given. {reasons(table)}"
    return Figure(
        name="good_volume", title="How much of the search space is good", text=text, panels=tuple(panels),
        tables=("good_volume",), columns=2, width=340,
    )  # fmt: skip


def importance(tables: StudyTables, palette: Palette) -> Figure:
    """Which hyperparameters matter, one panel per optimizer with more than one."""
    study = tables.overview.ledger.study
    table = tables["importance"].drop_nulls("importance")
    panels = []
    for name, optimizer in study.optimizers.items():
        own = table.filter(optimizer=name)
        if len(optimizer.space) < 2 or own.is_empty():
            continue
        effects = [row["hyperparameter"] + (f" × {row['other']}" if row["other"] else "") for row in own.to_dicts()]
        tips = [
            f"{effect}: {percent(row['importance'])} ({percent(row['low'])} to {percent(row['high'])})"
            for effect, row in zip(effects, own.to_dicts(), strict=True)
        ]
        drawn = own.select(
            "optimizer",
            "low",
            "high",
            group=pl.col("method").replace(NAMES),
            effect=pl.Series(effects),
            mean="importance",
            tip=pl.Series(tips),
        )
        chart = charts.plot_importance(drawn, palette, methods=METHODS, title=name)
        panels.append(Panel(chart=chart, optimizer=name, description=f"Importance of the hyperparameters of {name}"))
    text = (
        "Bars: share of the variation of the validation error over the search space that a hyperparameter explains, "
        "alone or (×) beyond that together with another, from a forest fitted in the space as it was sampled (fANOVA, "
        "Hutter et al., 2014). Diamonds: a second opinion, what tells the best quarter of the points from the whole "
        "space (PED-ANOVA, Watanabe et al., 2023, as Optuna computes it). Lines are two standard deviations of a "
        "bootstrap over points and seeds to either side. A hyperparameter that was searched over a wide range matters "
        "more. "
    ) + reasons(tables["importance"])
    if not panels:
        alone = all(len(optimizer.space) < 2 for optimizer in study.optimizers.values())
        text = (
            "No optimizer of this study has a second hyperparameter, so there is nothing to rank."
            if alone
            else f"No importance can be given. {reasons(tables['importance'])}"
        )
    return Figure(
        name="importance", title="Which hyperparameters matter", text=text, panels=tuple(panels),
        tables=("importance", "learning_rate_drift"),
    )  # fmt: skip


def valley(tables: StudyTables, palette: Palette) -> Figure:
    """Width of the basin, headroom to divergence and mean excess error along the sweep of learning rates."""
    table = tables["learning_rate_sensitivity"]
    rows = table.drop_nulls("best_rate")
    wanted: list[tuple[str, tuple[tuple[str, str], ...], str, charts.Number]] = [
        ("Width of the basin", (("width", "common best"), ("width_own", "own best")), "decades", "plain"),
        ("Headroom to divergence", (("headroom", "headroom"),), "decades", "plain"),
        (
            "Mean excess error",
            (("sensitivity_common", "common range"), ("sensitivity_own", "±1.5 decades")),
            "validation error above the best of all",
            "percent",
        ),
    ]
    panels = []
    for title, groups, unit, kind in wanted:
        drawn = pl.concat([_measure(rows, column, group, kind) for column, group in groups])
        if drawn.height:
            names = tuple(group for _, group in groups)
            chart = charts.plot_shares(drawn, palette, groups=names, title=title, axis_title=unit, kind=kind)
            panels.append(Panel(chart=chart, description=title))
    depth = f"{100 * rows['epsilon'][0]:.1f} points" if rows.height else ""
    text = (
        "Numbers of the sweep of learning rates. The basin is the range around the best rate within "
        f"{depth} of the best error, of all optimizers or its own; the headroom reaches from the best rate to the "
        "first at which half the runs diverge or collapse. Both end with the sweep: a number that would go on beyond "
        "has no upper end, and its tip says so. The mean excess error depends on the range it is taken over, so both "
        f"are shown. {LEVEL_NAME} intervals are over seeds. "
    ) + reasons(table)
    if not panels:
        text = f"The sweep of learning rates gives no numbers. {reasons(table)}"
    return Figure(
        name="valley", title="How wide the valley of learning rates is", text=text, panels=tuple(panels),
        tables=("learning_rate_sensitivity",),
    )  # fmt: skip


def _volume_tip(row: dict[str, Any]) -> str:
    text = f"{percent(row['volume'])} ({LEVEL_NAME} {percent(row['low'])} to {percent(row['high'])}"
    covered = f", {percent(row['covered'])} of the rule tried" if row["space"] == SPACES[1] else ""
    return f"{text}, {count(row['num_points'], 'point')}{covered})"


def _measure(rows: pl.DataFrame, column: str, group: str, kind: charts.Number) -> pl.DataFrame:
    """One number of the sweep as rows to draw."""
    held = rows.drop_nulls(column)
    tips = []
    for row in held.to_dicts():
        value, low, high = (_text(row[name], kind) for name in (column, f"{column}_low", f"{column}_high"))
        is_cut = any(row.get(f"{column}_is_censored{side}") for side in ("", "_below", "_above"))
        tips.append(f"at least {value}: the sweep ends there" if is_cut else f"{value} ({LEVEL_NAME} {low} to {high})")
    return held.select(
        "optimizer",
        low=pl.col(f"{column}_low").fill_null(pl.col(column)),
        high=pl.col(f"{column}_high").fill_null(pl.col(column)),
        group=pl.lit(group),
        mean=column,
        tip=pl.Series(tips, dtype=pl.String),
    )


def _text(value: float | None, kind: charts.Number) -> str:
    if value is None:
        return "unknown"
    return percent(value) if kind == "percent" else number(value)
