"""Curves over epochs: error, losses, and how far training runs ahead."""

import math

import polars as pl

from analysis.report import charts
from analysis.report.charts.palette import Palette
from analysis.report.figures.figure import Figure, Panel, with_tips
from analysis.tables.overview import Overview
from analysis.tables.study_tables import StudyTables
from analysis.wording import LEVEL_NAME, listing, number, percent


def learning_curves(tables: StudyTables, palette: Palette) -> Figure:
    """Error and losses over epochs, tuned above published."""
    overview = tables.overview
    quantities: list[tuple[str, str, charts.Number]] = [
        ("validation_error", "Validation error", "percent"),
        ("validation_loss", "Validation loss (nats)", "plain"),
        ("train_loss", "Training loss (nats)", "plain"),
    ]
    panels = [
        panel
        for setting in ("tuned", "published")
        for quantity, title, kind in quantities
        if (panel := _curve(overview, palette, quantity, setting, f"{title}, {setting}", kind))
    ]
    text = (
        f"Mean over seeds with its {LEVEL_NAME} band; thin lines are single seeds. Losses are measured in evaluation "
        "mode on fixed subsets of equal size. "
    )
    text += _source(overview) + _survivors(overview)
    if not panels:
        text = "No curve is stored of the runs to be shown."
    return Figure(
        name="learning_curves", title="Learning curves", text=text, panels=tuple(panels),
        tables=("learning_curves", "learning_curves_seeds"),
    )  # fmt: skip


def generalization_gap(tables: StudyTables, palette: Palette) -> Figure:
    """Validation minus training loss over epochs and at the end."""
    overview = tables.overview
    panels = [
        panel
        for setting in ("tuned", "published")
        if (
            panel := _curve(
                overview, palette, "generalization_gap", setting, f"Gap over epochs, {setting} (nats)", "plain"
            )
        )
    ]
    seeds = overview.final_gaps.drop_nulls("value")
    if not seeds.is_empty():
        means = with_tips(overview.mean_gaps.drop_nulls("mean"), number)
        chart = charts.plot_seeds(
            seeds, means, palette, title="Gap after the last epoch", axis_title="nats", kind="plain"
        )
        panels.append(Panel(chart=chart, description="Generalisation gap after the last epoch"))
    text = (
        "Validation loss minus training loss; positive means that training runs ahead. An optimizer that learns less, "
        "or adds noise, shows a small gap for that reason alone: read it beside the accuracy. "
    )
    if not panels:
        text = (
            "Training and validation loss are not stored for any epoch of the runs shown, so there is no gap to show. "
        )
    return Figure(
        name="generalization_gap", title="Generalisation gap", text=text + _survivors(overview), panels=tuple(panels),
        tables=("generalization_gap", "generalization_gap_means", "learning_curves"),
    )  # fmt: skip


def _curve(
    overview: Overview, palette: Palette, quantity: str, setting: str, title: str, kind: charts.Number
) -> Panel | None:
    means = overview.mean_curves.filter(pl.col("mean").is_not_null(), quantity=quantity, setting=setting)
    if means.is_empty():
        return None
    seeds = overview.seed_curves.filter(setting=setting).select("optimizer", "replicate", "epoch", value=quantity)
    ends = (0.0, 1.03) if kind == "percent" else (-math.inf, math.inf)
    # Of both settings together, so that the panels of one quantity share their axis.
    every = overview.seed_curves[quantity].drop_nulls()
    chart = charts.plot_curves(
        with_tips(means, percent if kind == "percent" else number),
        seeds.drop_nulls("value"),
        palette,
        title=title,
        kind=kind,
        limits=readable_limits(every, ends),
    )
    return Panel(chart=chart, description=title)


def readable_limits(values: pl.Series, ends: tuple[float, float]) -> tuple[float, float]:
    """Limits of an axis, within `ends`, that shows nearly all values: three quartile ranges outside the quartiles.

    One optimizer whose loss explodes before it diverges would otherwise press all others into a line.
    """
    lower, upper = (float(values.quantile(share, "linear") or 0) for share in (0.25, 0.75))
    fence = 3 * (upper - lower)
    low, high = (float(value) for value in (values.min(), values.max()))  # type: ignore[arg-type]
    low, high = max(low, lower - fence), min(high, upper + fence)
    margin = 0.06 * (high - low) or 0.05
    return max(ends[0], low - margin), min(ends[1], high + margin)


def _source(overview: Overview) -> str:
    if overview.is_confirmed:
        return "The seeds are fresh ones that took no part in choosing the settings. "
    return "Nothing has been confirmed: these are the tuning runs themselves, whose seeds chose the tuned setting. "


def _survivors(overview: Overview) -> str:
    """Which means leave seeds out because they diverged, in a sentence for each."""
    ends = overview.final_gaps.group_by("optimizer", "setting", maintain_order=True).agg(
        pl.len().alias("seeds"), (pl.col("status") == "diverged").sum().alias("diverged")
    )
    parts = [
        f"{row['optimizer']} ({row['setting']}) {row['seeds'] - row['diverged']} of {row['seeds']}"
        for row in ends.filter(pl.col("diverged") > 0).to_dicts()
    ]
    if not parts:
        return ""
    return (
        "A diverged seed has error 1 from then on and no loss; seeds left in the mean loss of the last epoch: "
        f"{listing(parts)}. "
    )
