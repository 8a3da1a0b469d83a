"""What a tuning budget buys, and how much of the result is luck."""

from collections.abc import Sequence

import polars as pl

from analysis.ledger.study import Study
from analysis.report import charts
from analysis.report.charts.palette import Palette
from analysis.report.figures.figure import Figure, Panel, reasons
from analysis.report.figures.learning_curves import readable_limits
from analysis.tables.study_tables import StudyTables
from analysis.wording import LEVEL_NAME, count, listing, number, percent

WHOLE = (-0.03, 1.03)


def expected_best(tables: StudyTables, palette: Palette) -> Figure:
    """Expected best against budget, best so far and the probability of being best."""
    panels = [*_expected(tables, palette), *_so_far(tables, palette), *_chances(tables, palette)]
    missing = reasons(tables["expected_best"])
    text = (
        "Validation error that tuning by so many explore points is expected to reach: the mean of the best over all "
        "choices of n of the points tried (Tang et al., 2020; exact for random points, nearly so for Sobol points). "
        f"The {LEVEL_NAME} band resamples points and seeds and ends at a third of the points, beyond which a few lucky "
        "ones decide. Best so far: what the search had found by each trial, in one run of the tuning. Probability of "
        "being best: how often an optimizer would have the lowest error if all were tuned again by as many trials."
    )
    text += f" {coverage(tables.overview.ledger.study)}"
    if missing:
        text = f"{text} {missing}"
    if not panels:
        text = "No tuning trial has ended, so no budget has bought anything yet."
    return Figure(
        name="expected_best", title="What a tuning budget buys", text=text, panels=tuple(panels),
        tables=("expected_best", "best_so_far", "probability_best", "tunability"),
    )  # fmt: skip


def coverage(study: Study) -> str:
    """What the budget is relative to: equal numbers of trials do not cover spaces of unequal dimension equally well.

    n points in d dimensions stand as far apart as n^(1/d) values of each.
    """
    by_size: dict[int, list[str]] = {}
    for name, optimizer in study.optimizers.items():
        by_size.setdefault(len(optimizer.space), []).append(name)
    if len(by_size) < 2:
        return ""
    parts = [
        f"{number(round(study.num_trials ** (1 / size), 1))} values{' of each' if size > 1 else ''} for "
        f"{listing(names)} ({count(size, 'hyperparameter')})"
        for size, names in sorted(by_size.items())
    ]
    return (
        f"Equal budgets are not equal coverage: {count(study.num_trials, 'trial')} lie as close together as a grid of "
        f"{listing(parts)}."
    )


def _expected(tables: StudyTables, palette: Palette) -> list[Panel]:
    rows = tables["expected_best"].drop_nulls("unbiased")
    if rows.is_empty():
        return []
    tips = [
        f"{count(row['num_trials'], 'trial')}: {percent(row['unbiased'])}"
        + (
            ", no interval"
            if row["low"] is None
            else f" ({LEVEL_NAME} {percent(row['low'])} to {percent(row['high'])})"
        )
        for row in rows.to_dicts()
    ]
    drawn = rows.select(
        "optimizer", "low", "high", x="num_trials", y="unbiased", order="num_trials", tip=pl.Series(tips)
    )
    title = "Expected best validation error"
    axes = charts.Axes(title=title, x_title="explore points", kind="percent", limits=_limits(drawn["y"]))
    return [Panel(chart=charts.plot_lines(drawn, palette, axes), description=f"{title} against the budget")]


def _so_far(tables: StudyTables, palette: Palette) -> list[Panel]:
    rows = tables["best_so_far"]
    if rows.is_empty():
        return []
    tips = [f"after trial {row['number']} ({row['phase']}): {percent(row['best_so_far'])}" for row in rows.to_dicts()]
    title = "Best validation error so far"
    axes = charts.Axes(
        title=title, x_title="number of the trial", kind="percent", limits=_limits(rows["best_so_far"]), shape="steps"
    )
    chart = _lines(rows, palette, axes, x="number", y="best_so_far", tips=tips)
    return [Panel(chart=chart, description=f"{title} by number of the trial")]


def _chances(tables: StudyTables, palette: Palette) -> list[Panel]:
    rows = tables["probability_best"]
    if rows.is_empty():
        return []
    tips = [f"{count(row['num_trials'], 'trial')}: best in {percent(row['probability'])}" for row in rows.to_dicts()]
    title = "Probability of being best"
    axes = charts.Axes(title=title, x_title="tuning trials of each optimizer", kind="percent", limits=WHOLE)
    chart = _lines(rows, palette, axes, x="num_trials", y="probability", tips=tips)
    return [Panel(chart=chart, description=f"{title} against the budget")]


def _lines(
    rows: pl.DataFrame, palette: Palette, axes: charts.Axes, *, x: str, y: str, tips: Sequence[str]
) -> charts.Chart:
    """A line per optimizer through values without an interval, `tips` those of the rows."""
    nothing = pl.lit(None, dtype=pl.Float64)
    drawn = rows.select("optimizer", x=x, y=y, order=x, low=nothing, high=nothing, tip=pl.Series(tips))
    return charts.plot_lines(drawn, palette, axes)


def _limits(errors: pl.Series) -> tuple[float, float]:
    """Of the error axis: the first trials may be bad beyond all others."""
    return readable_limits(errors, (0.0, WHOLE[1]))
