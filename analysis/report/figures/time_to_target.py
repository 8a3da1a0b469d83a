"""How long runs take to reach the targets, those that never do included."""

import polars as pl

from analysis.report import charts
from analysis.report.charts.palette import Palette
from analysis.report.figures.figure import Figure, Panel
from analysis.tables.study_tables import StudyTables
from analysis.wording import LEVEL_NAME, percent

LIMITS = (-0.03, 1.03)


def survival(tables: StudyTables, palette: Palette) -> Figure:
    """Share of the tuned runs still below each target, over the steps."""
    name, title = "survival", "Time to target: share of runs still below it"
    files = ("survival", "times_to_target", "target_times", "performance_profile")
    curves = tables["survival"].filter(setting="tuned")
    if curves.is_empty():
        text = "The claims fix no targets for this data set, or no tuned run has been evaluated."
        return Figure(name=name, title=title, text=text, panels=(), tables=files)
    panels = []
    for target in curves["target"].unique().sort():
        rows = curves.filter(target=target)
        tips = [_tip(row) for row in rows.to_dicts()]
        drawn = rows.select(
            "optimizer",
            pl.col("time").alias("x"),
            pl.col("share").alias("y"),
            "low",
            "high",
            order=pl.int_range(pl.len()).over("optimizer"),
            tip=pl.Series(tips, dtype=pl.String),
        )
        heading = f"Below {percent(target).replace('.0', '')} accuracy"
        axes = charts.Axes(title=heading, x_title="step", kind="percent", limits=LIMITS, shape="steps")
        chart = charts.plot_lines(drawn, palette, axes)
        panels.append(Panel(chart=chart, description=f"Share of runs still below {percent(target)} accuracy"))
    text = (
        "Share of the tuned runs whose validation accuracy has not yet come to stay above the target (Kaplan-Meier, "
        f"{LEVEL_NAME} band by Greenwood's formula, where all or none are there the exact one of Clopper and "
        "Pearson); a run counts from the step after which it never falls below again, so that luck does not count. The "
        "sooner a line falls, the faster; one that stays up never gets there, and a diverged run stays up. Lines on "
        "top of each other differ by their dashes. "
    ) + _never(tables)
    return Figure(name=name, title=title, text=text, panels=tuple(panels), tables=files)


def _tip(row: dict[str, float]) -> str:
    return f"from step {round(row['time']):,} on {percent(row['share'])} of the runs are still below"


def _never(tables: StudyTables) -> str:
    """Which optimizers reach no target in any seed."""
    cells = tables["times_to_target"].filter(setting="tuned")
    sums = cells.group_by("optimizer", maintain_order=True).agg(pl.col("successes").sum())
    never = sums.filter(successes=0)["optimizer"].to_list()
    return f"No run of {' or '.join(never)} reaches any target." if never else ""
