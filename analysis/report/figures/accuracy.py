"""Test accuracy: tuned and published setting on the same fresh seeds."""

from analysis.report import charts
from analysis.report.charts.palette import Palette
from analysis.report.figures.figure import Figure, Panel, with_tips
from analysis.statistics.intervals import summarise
from analysis.tables.overview import Overview
from analysis.wording import LEVEL_NAME, percent


def accuracy(overview: Overview, palette: Palette) -> Figure:
    """Test accuracy of tuned and published setting, every seed drawn."""
    name, title, tables = (
        "test_accuracy",
        "Test accuracy of the tuned and the published setting",
        ("results", "test_accuracy"),
    )
    if overview.accuracies.is_empty():
        text = "No setting has been confirmed on fresh seeds, so there is no test accuracy to show."
        return Figure(name=name, title=title, text=text, panels=(), tables=tables)
    accuracies = overview.accuracies
    means = with_tips(summarise(accuracies, ["optimizer", "setting"], "test_accuracy"), percent)
    seeds = accuracies.rename({"test_accuracy": "value"}).drop("seed", "number")
    chart = charts.plot_seeds(seeds, means, palette, title="", axis_title="test accuracy", kind="percent")
    text = (
        f"Each small mark is one fresh seed, each large one the mean with its {LEVEL_NAME} interval: circles the tuned "
        "setting, diamonds the published one. A diverged seed scores 0."
    )
    return Figure(
        name=name,
        title=title,
        text=text,
        panels=(Panel(chart=chart, description=title),),
        tables=tables,
        columns=1,
        width=560,
    )
