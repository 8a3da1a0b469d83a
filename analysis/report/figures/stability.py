"""How often training goes wrong."""

import polars as pl

from analysis.report import charts
from analysis.report.charts.palette import Palette
from analysis.report.figures.figure import Figure, Panel
from analysis.tables.stability import SEARCH_SPACE
from analysis.tables.study_tables import StudyTables
from analysis.wording import LEVEL_NAME, count, percent

LABELS = {
    "diverged": "Diverged",
    "collapsed": "Collapsed to chance",
    "blown_up": "Blown up",
}
GROUPS = ("tuned", "published", SEARCH_SPACE)


def divergence_rates(tables: StudyTables, palette: Palette) -> Figure:
    """Rates of divergence and its kin, tuned, published and over the search space."""
    rates = tables["divergence_rates"].filter(pl.col("rate").is_not_null())
    panels = []
    for label, title in LABELS.items():
        rows = rates.filter(label=label)
        if rows.is_empty():
            continue
        tips = [
            f"{row['events']} of {count(row['replicates'], 'run')} ({LEVEL_NAME} {percent(row['low'])} to "
            f"{percent(row['high'])})"
            for row in rows.to_dicts()
        ]
        drawn = rows.select("optimizer", "low", "high", group="setting", mean="rate", tip=pl.Series(tips))
        groups = tuple(group for group in GROUPS if group in set(drawn["group"]))
        chart = charts.plot_shares(
            drawn, palette, groups=groups, title=title, axis_title="share of runs", kind="percent"
        )
        panels.append(Panel(chart=chart, description=f"Share of runs: {title.lower()}"))
    text = (
        f"Shares with Wilson's {LEVEL_NAME} interval: of the seeds of the tuned and of the published setting, and, for "
        "divergence, of all runs at points spread over the search space. Diverged: a loss or a parameter stopped being "
        "finite. Collapsed: back at chance at two evaluations in a row after having learned. Blown up: more than three "
        "times the first loss at three evaluations in a row."
    )
    if not panels:
        text = "No run has ended, so there is nothing to count."
    return Figure(
        name="divergence_rates", title="How often training goes wrong", text=text, panels=tuple(panels),
        tables=("divergence_rates",),
    )  # fmt: skip
