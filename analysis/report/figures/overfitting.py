"""Losses against each other: at equal training loss, whose validation loss is lower?"""

import polars as pl

from analysis.report import charts
from analysis.report.charts.palette import Palette
from analysis.report.figures.figure import Figure, Panel
from analysis.report.figures.learning_curves import readable_limits
from analysis.tables.study_tables import StudyTables
from analysis.wording import count, number, percent

ANYWHERE = (-float("inf"), float("inf"))
X_TITLE = "training loss (nats), learning goes to the right"
QUANTITIES = {
    "validation_loss": "Validation loss against training loss (nats)",
    "generalization_gap": "Gap at equal training loss (nats)",
}


def losses(tables: StudyTables, palette: Palette) -> Figure:
    """Validation loss, the gap and the test loss against the training loss."""
    name, title, files = "losses", "Validation and test loss against training loss", ("mean_losses", "run_losses")
    seeds = tables.overview.seed_curves.filter(setting="tuned").drop_nulls(["train_loss", "validation_loss"])
    if seeds.is_empty():
        text = "No tuned run has losses, so there is nothing to compare at equal training loss."
        return Figure(name=name, title=title, text=text, panels=(), tables=files)
    means = tables["mean_losses"].filter(setting="tuned")
    panels = [_against(seeds, means, palette, quantity, heading) for quantity, heading in QUANTITIES.items()]
    panels += _test_panel(tables, palette)
    text = (
        "The same runs, drawn over the training loss instead of over time: every evaluation of every seed (thin) and "
        "the mean over seeds at each epoch (thick). At equal training loss the lower line overfits less, whatever its "
        "speed; a noisy optimizer that merely learns less does not look better here. The claims compare the mean "
        "height over the range of training losses that both runs of a seed pass through."
    )
    if len(panels) > len(QUANTITIES):
        text += " Last: the test loss at the end, small points single seeds, large ones their mean."
    text += early_stopping(tables)
    return Figure(name=name, title=title, text=text, panels=tuple(panels), tables=files)


def early_stopping(tables: StudyTables) -> str:
    """What the plainest remedy against overfitting would have given each optimizer, in one sentence."""
    wanted = ("validation_error", "early_stopping_error")
    means = (
        tables["run_metrics"]
        .filter(pl.col("metric").is_in(wanted), setting="tuned")
        .group_by("optimizer", "metric", maintain_order=True)
        .agg(pl.col("value").mean())
        .pivot("metric", index="optimizer", values="value")
    )
    if means.is_empty():
        return ""
    parts = [
        f"{row['optimizer']} {percent(row['early_stopping_error'])} instead of {percent(row['validation_error'])}"
        for row in means.to_dicts()
    ]
    return f" Stopped at their least validation loss, these runs have a mean validation error of: {'; '.join(parts)}."


def _against(seeds: pl.DataFrame, means: pl.DataFrame, palette: Palette, quantity: str, title: str) -> Panel:
    axes = charts.Axes(
        title=title,
        x_title=X_TITLE,
        kind="plain",
        limits=readable_limits(seeds[quantity], ANYWHERE),
        x_limits=readable_limits(seeds["train_loss"], ANYWHERE),
        scale="falling",
        level=0.0 if quantity == "generalization_gap" else None,
    )
    nothing = pl.lit(None, dtype=pl.Float64)
    rows = means.select(
        "optimizer", x="train_loss", y=quantity, order="epoch", low=nothing, high=nothing, tip=_tips(means, quantity)
    )
    single = seeds.select(
        "optimizer", "replicate", x="train_loss", y=quantity, order="epoch", tip=_tips(seeds, quantity)
    )
    return Panel(chart=charts.plot_lines(rows, palette, axes, single), description=title)


def _tips(rows: pl.DataFrame, quantity: str) -> pl.Series:
    name = quantity.replace("_", " ").replace("generalization ", "")
    texts = [
        f"epoch {row['epoch']}: training loss {number(row['train_loss'])}, {name} {number(row[quantity])}"
        + (f", mean of {count(row['num_values'], 'seed')}" if "num_values" in row else "")
        for row in rows.to_dicts()
    ]
    return pl.Series("tip", texts, dtype=pl.String)


def _test_panel(tables: StudyTables, palette: Palette) -> list[Panel]:
    runs = tables["run_losses"]
    if runs.is_empty():
        return []
    means = runs.group_by("optimizer", maintain_order=True).agg(pl.col("train_loss", "test_loss").mean())
    single = [
        f"seed {row['replicate']}: training loss {number(row['train_loss'])}, test loss {number(row['test_loss'])}"
        for row in runs.to_dicts()
    ]
    mean = [
        f"mean: training loss {number(row['train_loss'])}, test loss {number(row['test_loss'])}"
        for row in means.to_dicts()
    ]
    points = pl.concat(
        [
            runs.select("optimizer", x="train_loss", y="test_loss", group=pl.lit("seed"), tip=pl.Series(single)),
            means.select("optimizer", x="train_loss", y="test_loss", group=pl.lit("mean"), tip=pl.Series(mean)),
        ]
    )
    title = "Test loss at the end (nats)"
    limits = readable_limits(runs["test_loss"], ANYWHERE)
    axes = charts.Axes(title=title, x_title=X_TITLE, kind="plain", limits=limits, scale="falling")
    return [Panel(chart=charts.plot_cloud(points, palette, axes), description=title)]
