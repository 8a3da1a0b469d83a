"""What each hyperparameter does to the winner, one at a time, and what it costs to know it only roughly."""

from typing import Any

import polars as pl

from analysis.ledger.plan import RATE
from analysis.ledger.study import Axis
from analysis.report import charts
from analysis.report.charts.palette import Palette
from analysis.report.figures.figure import Figure, Panel, reasons
from analysis.tables.sensitivity import EVERY
from analysis.tables.study_tables import StudyTables
from analysis.wording import LEVEL_NAME, count, number, percent, points


def one_at_a_time(tables: StudyTables, palette: Palette) -> Figure:
    """Validation error over every hyperparameter of every winner, with every run."""
    study = tables.overview.ledger.study
    means, runs = (with_places(tables, name) for name in ("one_at_a_time", "one_at_a_time_runs"))
    costs = {(row["optimizer"], row["hyperparameter"]): row for row in tables["imprecision_cost"].to_dicts()}
    panels = []
    for name, optimizer in study.optimizers.items():
        for hyperparameter, axis in optimizer.space.items():
            own, dots = (rows.filter(optimizer=name, hyperparameter=hyperparameter) for rows in (means, runs))
            if own.is_empty():
                continue
            cost = costs[name, hyperparameter]
            chart = charts.plot_one_at_a_time(
                own,
                dots,
                palette,
                hyperparameter=hyperparameter,
                axis=axis,
                limits=_limits(runs),
                decade=(_on_axis(axis, cost["decade_from"]), _on_axis(axis, cost["decade_to"])),
                title=f"{name}: {hyperparameter}",
            )
            description = f"Validation error of {name} with its {hyperparameter} moved, all else at the winner"
            panels.append(Panel(chart=chart, optimizer=name, description=description))
    text = (
        "Each winner with one hyperparameter moved by factors of 1.8, 3.2 and 10 to either side (of its distance to 1 "
        "where that is the axis; by parts of its range where it is searched evenly), all others kept. Every dot is a "
        f"run; the seeds are those of the confirmation. The line is the mean with its {LEVEL_NAME} band over seeds. "
        "Circle: no run diverged; triangle: some did; cross: all did (error 1). The ring marks the winner, grey the "
        "best decade. Steps that leave the domain of a hyperparameter are not there. "
    ) + reasons(tables["imprecision_cost"])
    return Figure(
        name="one_at_a_time", title="One hyperparameter at a time", text=text, panels=tuple(panels),
        tables=("one_at_a_time", "one_at_a_time_runs"),
    )  # fmt: skip


def imprecision(tables: StudyTables, palette: Palette) -> Figure:
    """What an imprecise hyperparameter costs, one panel per hyperparameter and one for all together."""
    rows = tables["imprecision_cost"].drop_nulls("cost")
    panels = []
    found = rows["hyperparameter"].unique(maintain_order=True).to_list()
    for hyperparameter in sorted(found, key=lambda name: (name == EVERY, name != RATE)):
        own = rows.filter(hyperparameter=hyperparameter)
        tips = [_tip(row) for row in own.to_dicts()]
        values = own.select(
            "optimizer",
            low=pl.col("cost_low").fill_null(pl.col("cost")),
            high=pl.col("cost_high").fill_null(pl.col("cost")),
            group=pl.lit("cost"),
            mean="cost",
            tip=pl.Series(tips),
        )
        chart = charts.plot_shares(
            values,
            palette,
            groups=("cost",),
            title=_title(hyperparameter),
            axis_title="additional validation error",
            kind="percent",
        )
        panels.append(Panel(chart=chart, description=f"Cost of imprecision, {_title(hyperparameter)}"))
    text = (
        "Mean error over the best decade of each curve above, over its lowest error: what it costs to know a "
        "hyperparameter only within a factor of 3.2 to either side. The best decade is sought and need not lie around "
        "the winner, so that a winner near the edge of stability makes no optimizer seem sensitive. For all "
        "hyperparameters together the costs are added: one that does nothing adds what noise makes of it, and no more. "
        f"Claims are about the learning rate, which all optimizers have. {LEVEL_NAME} intervals are over seeds. "
    ) + reasons(tables["imprecision_cost"])
    return Figure(
        name="imprecision", title="What an imprecise hyperparameter costs", text=text, panels=tuple(panels),
        tables=("imprecision_cost",),
    )  # fmt: skip


def with_places(tables: StudyTables, name: str) -> pl.DataFrame:
    """The table with what a chart shows of a step: `x`, `divergence`, `mark`, and the texts of its tooltip."""
    study, table = tables.overview.ledger.study, tables[name]
    texts = []
    for row in table.to_dicts():
        axis = study.optimizers[row["optimizer"]].space[row["hyperparameter"]]
        texts.append(
            {
                "x": _on_axis(axis, row["value"]),
                "trial": "winner" if row["step"] == 0 else "sweep",
                "setting": f"{row['hyperparameter']} {number(row['value'])}",
                "error": _error(row),
                "divergence": _divergence(row),
                "mark": "winner" if row["step"] == 0 else None,
            }
        )
    words = dict.fromkeys(("trial", "setting", "error", "divergence", "mark"), pl.String)
    return table.hstack(pl.DataFrame(texts, schema={"x": pl.Float64, **words}))


def learning_rates(tables: StudyTables) -> pl.DataFrame:
    """Means over the learning rate, to draw on one axis."""
    return with_places(tables, "one_at_a_time").filter(hyperparameter=RATE)


def _on_axis(axis: Axis, value: float) -> float:
    return 1 - value if axis.scale == "log_complement" else value


def _error(row: dict[str, Any]) -> str:
    if "replicate" in row:
        return f"{percent(row['validation_error'])} (seed {row['replicate']})"
    text = f"{percent(row['validation_error'])} (mean of {count(row['num_seeds'], 'seed')}"
    return f"{text})" if row["excess"] is None else f"{text}, {points(row['excess'])} from the winner)"


def _divergence(row: dict[str, Any]) -> str:
    none, some, every = charts.DIVERGENCE
    if "replicate" in row:
        return every if row["has_diverged"] else none
    return none if row["num_diverged"] == 0 else some if row["num_diverged"] < row["num_seeds"] else every


def _limits(runs: pl.DataFrame) -> tuple[float, float]:
    """Ends of the error axis: from below the best run to 1, where diverged ones stand."""
    return max(0.0, float(runs["validation_error"].min()) - 0.03), 1.03  # type: ignore[arg-type]


def _title(hyperparameter: str) -> str:
    return "all together" if hyperparameter == EVERY else hyperparameter


def _tip(row: dict[str, Any]) -> str:
    text = f"{percent(row['cost'])} ({LEVEL_NAME} {percent(row['cost_low'])} to {percent(row['cost_high'])}, "
    text += count(row["num_seeds"], "seed")
    if row["best_value"] is None:
        return f"{text})"
    decade = f"{number(row['decade_from'])} to {number(row['decade_to'])}"
    return f"{text}; best value {number(row['best_value'])}, best decade {decade})"
