"""Learning rate and another hyperparameter at once: what a surrogate expects, and how the best learning rate moves."""

from typing import Any

import polars as pl

from analysis.ledger.plan import RATE
from analysis.ledger.study import Axis
from analysis.report import charts
from analysis.report.charts.palette import Palette
from analysis.report.figures.figure import Figure, Panel, reasons
from analysis.report.figures.hyperparameters import settings_to_draw
from analysis.tables.study_tables import StudyTables
from analysis.wording import LEVEL_NAME, number, percent


def joint_maps(tables: StudyTables, palette: Palette) -> Figure:
    """A panel per optimizer and hyperparameter beside its learning rate."""
    del palette  # colour shows the validation error here
    study, table = tables.overview.ledger.study, tables["joint_map"]
    cells = table.drop_nulls("validation_error")
    tried = settings_to_draw(tables.overview)
    panels = []
    for (name, other), own in cells.group_by("optimizer", "hyperparameter", maintain_order=True):
        optimizer = study.optimizers[str(name)]
        axes = (optimizer.space[RATE], optimizer.space[str(other)])
        chart = charts.plot_joint_map(
            _drawn(own, axes),
            _points(tried.filter(optimizer=name), str(other)),
            _best(own, axes),
            hyperparameters=(RATE, str(other)),
            axes=axes,
            limits=(float(cells["validation_error"].min()), 0.9),  # type: ignore[arg-type]
            least_sure=float(cells["deviation"].max()),  # type: ignore[arg-type]
            title=f"{name}: {RATE} and {other}",
        )
        description = f"Expected validation error of {name} over {RATE} and {other}"
        panels.append(Panel(chart=chart, optimizer=str(name), description=description))
    text = (
        "Validation error that a Gaussian process expects between the settings that were trained (tuning trials and "
        "sweep), any further hyperparameter at the winner: dark is low. The paler a cell, the less is known of it; its "
        "tip has the standard deviation. Points are the tuning trials, coloured by what was measured. The dashed line "
        f"is the best learning rate in each row, where that is known. {coupling(tables['joint_slope'])} "
    ) + reasons(table)
    if not panels:
        text = f"No map of two hyperparameters can be given. {reasons(table)}"
    return Figure(
        name="joint_map", title="Two hyperparameters at once", text=text, panels=tuple(panels),
        tables=("joint_map", "joint_slope", "trials"),
    )  # fmt: skip


def coupling(slopes: pl.DataFrame) -> str:
    """How the best learning rate moves with each other hyperparameter, a sentence for each that has a number."""
    texts = []
    for row in slopes.drop_nulls("slope").to_dicts():
        slope, low, high = (number(row[name]) for name in ("slope", "low", "high"))
        moves = "need not move" if row["low"] <= 0 <= row["high"] else "moves"
        texts.append(
            f"The best learning rate of {row['optimizer']} {moves} with {row['hyperparameter']}: {slope} {row['unit']} "
            f"({LEVEL_NAME} {low} to {high})."
        )
    return " ".join(texts)


def _drawn(own: pl.DataFrame, axes: tuple[Axis, Axis]) -> pl.DataFrame:
    """Cells with their ends on the axes of the chart."""
    tips = [
        f"{percent(row['validation_error'])} ± {100 * row['deviation']:.1f} points expected" for row in own.to_dicts()
    ]
    ends = {
        drawn: _on_axis(axis, column)
        for axis, names in zip(axes, (("rate_low", "rate_high"), ("value_low", "value_high")), strict=True)
        for drawn, column in zip(("low", "high") if axis is axes[0] else ("lower", "upper"), names, strict=True)
    }
    return own.select("optimizer", "validation_error", "deviation", tip=pl.Series(tips), **ends)


def _points(own: pl.DataFrame, other: str) -> pl.DataFrame:
    """Tuning trials on both axes."""
    heights = own.filter(hyperparameter=other).select("phase", "number", y="x")
    return own.filter(hyperparameter=RATE).join(heights, on=["phase", "number"], maintain_order="left")


def _best(own: pl.DataFrame, axes: tuple[Axis, Axis]) -> pl.DataFrame:
    """Middles of the cells with the best learning rate of their row, on the axes of the chart."""
    rows: list[dict[str, Any]] = [
        {
            "optimizer": row["optimizer"],
            "x": _middle(axes[0], row["rate_low"], row["rate_high"]),
            "y": _middle(axes[1], row["value_low"], row["value_high"]),
            "order": order,
        }
        for order, row in enumerate(own.filter("is_best").to_dicts())
    ]
    types = {"optimizer": pl.String, "x": pl.Float64, "y": pl.Float64, "order": pl.Int64}
    return pl.DataFrame(rows, schema=types)


def _middle(axis: Axis, low: float, high: float) -> float:
    match axis.scale:
        case "linear":
            return (low + high) / 2
        case "log":
            return float((low * high) ** 0.5)
        case "log_complement":
            return float(((1 - low) * (1 - high)) ** 0.5)


def _on_axis(axis: Axis, column: str) -> pl.Expr:
    return 1 - pl.col(column) if axis.scale == "log_complement" else pl.col(column)
