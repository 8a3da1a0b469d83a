"""What the study cost: wall time per step."""

import polars as pl

from analysis import plots
from analysis.figures.base import Figure, Panel
from analysis.palette import Palette
from analysis.tables.overview import Findings
from analysis.wording import count, number


def step_times(findings: Findings, palette: Palette) -> Figure:
    """Wall time of a step, by size of the fused group and by device: those of different devices do not compare."""
    times = findings.step_times.with_columns(pl.col("low", "lower", "median", "upper", "high") * 1e3)
    panels = []
    has_one_device = times["device"].n_unique() == 1
    for size, device in times.select("group_size", "device").unique().sort("group_size", "device").iter_rows():
        own = times.filter(group_size=size, device=device)
        tips = [f"median {number(row['median'])} ms over {count(row['groups'], 'group')}" for row in own.to_dicts()]
        title = f"Groups of {count(size, 'network')}" + ("" if has_one_device else f" on {device}")
        chart = plots.plot_step_times(own.with_columns(tip=pl.Series(tips)), palette, title=title)
        panels.append(Panel(chart=chart, description=f"Seconds per step, g{title[1:]}"))
    text = (
        "Wall time of one step of a group of networks trained at once: median over trials, the middle half (thick) and "
        "the middle 90% (thin). Several trials shared the cores, so this is what the study cost, not what one "
        "optimizer's step costs over another's."
    )
    if not panels:
        has_ended = "complete" in findings.ledger.trials["status"]
        reason = "No run has stored its steps and times" if has_ended else "No trial has run to its end"
        text = f"{reason}, so there is no time per step to show."
    return Figure(
        name="step_seconds", title="Time per step", text=text, panels=tuple(panels), tables=("step_seconds",), columns=2
    )
