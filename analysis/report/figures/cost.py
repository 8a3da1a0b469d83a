"""What a step costs: beside one of the baseline in timing blocks, and in training."""

import polars as pl

from analysis.report import charts
from analysis.report.charts.palette import Palette
from analysis.report.figures.figure import Figure, Panel
from analysis.tables.study_tables import StudyTables
from analysis.wording import LEVEL_NAME, count, number

ASIDE = 1.05
"""Factor by which neighbouring optimizers stand apart on the axis of batch sizes, so that intervals do not overlap."""


def step_cost(tables: StudyTables, palette: Palette) -> Figure:
    """Seconds per step over the baseline's, by batch size."""
    name, title = "step_cost", "What a step costs"
    table = tables["step_cost"].drop_nulls("seconds_per_step")
    if table.is_empty():
        text = "No steps were timed; a study times them when all else has ended, unless it is told not to."
        return Figure(name=name, title=title, text=text, panels=(), tables=("step_cost",))
    bounds = {question.bound for question in tables.claims.questions if question.bound is not None}
    bound = bounds.pop() if len(bounds) == 1 else None
    baseline, sizes = table["baseline"][0], table["batch_size"].unique().sort().to_list()
    moved = _aside(table, list(palette.colours))
    ratios = moved.drop_nulls("ratio").select(
        "optimizer", "x", "low", "high", y="ratio", tip=_tips(moved.drop_nulls("ratio"))
    )
    times = moved.select("optimizer", "x", y=pl.col("seconds_per_step") * 1e3, tip=_tips(moved)).with_columns(
        low=pl.col("y"), high=pl.col("y")
    )
    panels = []
    for rows, heading, level in (
        (ratios, f"Time per step over that of {baseline}", bound),
        (times, "Milliseconds per step", None),
    ):
        if rows.height:
            chart = charts.plot_marked_lines(rows, palette, _axes(rows, heading, level, sizes))
            panels.append(Panel(chart=chart, description=f"{heading} against the batch size"))
    text = (
        "Steps of all tuned settings, timed in turns within short blocks after the study, when nothing else ran: "
        f"median of the ratios of the blocks with its {LEVEL_NAME} interval. Noise costs time for every parameter, "
        "gradients for every image, so the overhead shrinks as the batch grows. "
    )
    if bound is not None:
        text += f"The dashed line is the bound of the claim, {number(bound)} times."
    return Figure(name=name, title=title, text=text, panels=tuple(panels), tables=("step_cost",), columns=2, width=380)


def _aside(table: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    places = {name: ASIDE ** (place - (len(names) - 1) / 2) for place, name in enumerate(names)}
    factor = pl.col("optimizer").replace_strict(places, return_dtype=pl.Float64)
    return table.with_columns(x=pl.col("batch_size") * factor)


def _axes(rows: pl.DataFrame, title: str, level: float | None, sizes: list[int]) -> charts.Axes:
    ends = [*rows["low"].drop_nulls(), *rows["high"].drop_nulls(), *rows["y"], *([level] if level else [])]
    low, high = min(ends), max(ends)
    margin = 0.06 * (high - low) or 0.05
    return charts.Axes(
        title=title,
        x_title="images per step",
        kind="plain",
        limits=(max(0.0, low - margin), high + margin),
        scale="log",
        level=level,
        x_values=tuple(sizes),
    )


def _tips(rows: pl.DataFrame) -> pl.Series:
    texts = []
    for row in rows.to_dicts():
        text = f"batch {row['batch_size']}: {number(1e3 * row['seconds_per_step'])} ms"
        if row["ratio"] is not None and row["optimizer"] != row["baseline"]:
            text += f", {number(row['ratio'])} times {row['baseline']}"
        if row["low"] is not None and row["optimizer"] != row["baseline"]:
            text += f" ({LEVEL_NAME} {number(row['low'])} to {number(row['high'])})"
        texts.append(f"{text}, {count(row['num_blocks'], 'block')}")
    return pl.Series("tip", texts, dtype=pl.String)


def step_times(tables: StudyTables, palette: Palette) -> Figure:
    """Wall time of a step, by size of the fused group and by device: those of different devices do not compare."""
    overview = tables.overview
    times = overview.step_times.with_columns(pl.col("low", "lower", "median", "upper", "high") * 1e3)
    panels = []
    has_one_device = times["device"].n_unique() == 1
    for size, device in times.select("group_size", "device").unique().sort("group_size", "device").iter_rows():
        own = times.filter(group_size=size, device=device)
        tips = [f"median {number(row['median'])} ms over {count(row['groups'], 'group')}" for row in own.to_dicts()]
        title = f"Groups of {count(size, 'network')}" + ("" if has_one_device else f" on {device}")
        chart = charts.plot_step_times(own.with_columns(tip=pl.Series(tips)), palette, title=title)
        panels.append(Panel(chart=chart, description=f"Seconds per step, g{title[1:]}"))
    text = (
        "Wall time of one step of a group of networks trained at once: median over trials, the middle half (thick) and "
        "the middle 90% (thin). Several trials shared the cores, so this is what the study cost, not what one "
        "optimizer's step costs over another's."
    )
    if not panels:
        has_ended = "complete" in overview.ledger.trials["status"]
        reason = "No run has stored its steps and times" if has_ended else "No trial has run to its end"
        text = f"{reason}, so there is no time per step to show."
    return Figure(
        name="step_seconds", title="Time per step", text=text, panels=tuple(panels), tables=("step_seconds",), columns=2
    )
