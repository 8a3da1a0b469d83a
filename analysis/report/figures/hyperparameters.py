"""How the validation error responds to the hyperparameters, and where training diverges."""

import polars as pl

from analysis.ledger.plan import RATE
from analysis.ledger.study import Axis
from analysis.ledger.sweep_design import RATE_STEPS
from analysis.report import charts
from analysis.report.charts.palette import Palette
from analysis.report.figures.figure import Figure, Panel
from analysis.report.figures.sweeps import learning_rates
from analysis.tables.overview import Overview
from analysis.tables.settings import setting_column, sweep_through
from analysis.tables.study_tables import StudyTables
from analysis.wording import LEVEL_NAME, count, listing, percent, setting_line

MARKS = (
    "Circle: no replicate diverged; triangle: some did; cross: all did (error 1). "
    "The rings mark the published setting and the winner."
)


def learning_rate(tables: StudyTables, palette: Palette) -> Figure:
    """The sweep of every optimizer on one axis."""
    overview = tables.overview
    has_curves = overview.ledger.study.sweeps_every_hyperparameter
    swept = learning_rates(tables) if has_curves else _responses(overview).filter(phase="sweep", hyperparameter=RATE)
    rows = swept if has_curves else _drawable(swept)
    title = "How much the learning rate matters"
    if rows.is_empty():
        text = "No learning-rate sweep has been run."
        return Figure(name="learning_rate", title=title, text=text, panels=(), tables=("trials",))
    chart = charts.plot_sweeps(rows, palette, axis=Axis(low=0, high=0, scale="log"), limits=_error_limits(rows))
    steps = "up to a factor of 10 away from" if has_curves else "in half-decade steps around"
    text = (
        f"Learning rates {steps} each winner, its other hyperparameters fixed: mean validation "
        f"error with its {LEVEL_NAME} band over seeds. A flat, wide valley is easy to tune. Triangle: some replicates "
        "diverged; cross: all did (error 1)."
    ) + _note_on_overtaken(overview)
    panel = Panel(chart=chart, description=title)
    source = "one_at_a_time" if has_curves else "trials"
    return Figure(name="learning_rate", title=title, text=text, panels=(panel,), tables=(source,), columns=1, width=640)


def sensitivity(tables: StudyTables, palette: Palette) -> Figure:
    """Validation error against each hyperparameter of each optimizer."""
    overview = tables.overview
    has_curves = overview.ledger.study.sweeps_every_hyperparameter
    every = _responses(overview)
    rows = _drawable(every)
    panels = []
    for name, optimizer in overview.ledger.study.optimizers.items():
        for hyperparameter, axis in optimizer.space.items():
            own = rows.filter(optimizer=name, hyperparameter=hyperparameter)
            own = own if hyperparameter == RATE else own.filter(pl.col("phase") != "sweep")
            if not own.is_empty():
                chart = charts.plot_response(
                    own,
                    palette,
                    hyperparameter=hyperparameter,
                    axis=axis,
                    limits=_error_limits(rows),
                    title=f"{name}: {hyperparameter}",
                )
                panels.append(
                    Panel(
                        chart=chart, optimizer=name, description=f"Validation error of {name} against {hyperparameter}"
                    )
                )
    text = (
        "Every point is a tuning trial: mean validation error over its replicates, all hyperparameters varying at "
        f"once. {'' if has_curves else 'The line is the learning-rate sweep through the winner. '}{MARKS}"
    ) + _note_on_overtaken(overview)
    lost = every.filter(pl.col("phase") != "sweep").height - rows.filter(pl.col("phase") != "sweep").height
    if lost:
        text += f" {count(lost, 'value')} of 0 or beyond the logarithmic axis cannot be drawn and stand in the table."
    return Figure(
        name="sensitivity",
        title="Validation error against each hyperparameter",
        text=text,
        panels=tuple(panels),
        tables=("trials",),
    )


def divergence(tables: StudyTables, palette: Palette) -> Figure:
    """Learning rate against each other hyperparameter: where training diverges."""
    overview = tables.overview
    del palette  # colour shows the validation error here
    tuning = settings_to_draw(overview)
    learned = tuning.filter(pl.col("diverged") == 0)["validation_error"]
    limits = (float(learned.min()), float(learned.max())) if len(learned) else (0.0, 1.0)  # type: ignore[arg-type]
    panels = []
    for name, optimizer in overview.ledger.study.optimizers.items():
        own = tuning.filter(optimizer=name)
        rates = own.filter(hyperparameter=RATE)
        for other in [hyperparameter for hyperparameter in optimizer.space if hyperparameter != RATE]:
            heights = own.filter(hyperparameter=other).select("phase", "number", pl.col("x").alias("y"))
            rows = rates.join(heights, on=["phase", "number"], maintain_order="left")
            if not rows.is_empty():
                chart = charts.plot_map(
                    rows,
                    hyperparameters=(RATE, other),
                    axes=(optimizer.space[RATE], optimizer.space[other]),
                    limits=limits,
                    title=f"{name}: {RATE} and {other}",
                )
                panels.append(
                    Panel(
                        chart=chart, optimizer=name, description=f"Validation error of {name} over {RATE} and {other}"
                    )
                )
    text = f"Each point is a tuning trial, its colour the mean validation error. {MARKS}"
    if not panels:
        named = any(RATE in optimizer.space for optimizer in overview.ledger.study.optimizers.values())
        text = (
            "No optimizer of this study has a second hyperparameter to set against its learning rate."
            if named
            else f"No optimizer of this study has a hyperparameter named {RATE}."
        )
    return Figure(
        name="divergence", title="Where training diverges", text=text, panels=tuple(panels), tables=("trials",)
    )


def settings_to_draw(overview: Overview) -> pl.DataFrame:
    """Every tuning trial against each of its hyperparameters, with what a chart shows of it."""
    return _drawable(_responses(overview).filter(pl.col("phase") != "sweep"))


def _responses(overview: Overview) -> pl.DataFrame:
    """The responses with what a chart shows of a trial: `x`, `divergence`, `mark`, and the texts of its tooltip."""
    study = overview.ledger.study
    measured = overview.responses.filter(pl.col("validation_error").is_not_null())
    tuning = measured.filter(pl.col("phase") != "sweep")
    rows = pl.concat([tuning, *[_sweep(overview, measured, name) for name in study.optimizers]])
    texts = []
    for row in rows.to_dicts():
        optimizer = study.optimizers[row["optimizer"]]
        scale = optimizer.space[row["hyperparameter"]].scale
        replicates = count(row["complete"] + row["diverged"], "replicate")
        texts.append(
            {
                "trial": f"{row['phase']} {row['number']}",
                "setting": setting_line({name: row[setting_column(name)] for name in optimizer.space}, optimizer),
                "error": f"{percent(row['validation_error'])} (mean of {replicates})",
                "divergence": _divergence(row["diverged"], row["complete"]),
                "mark": " = ".join(name for name in ("published", "winner") if row[name]) or None,
                "x": 1 - row["value"] if scale == "log_complement" else row["value"],
                "is_logarithmic": scale != "linear",
            }
        )
    schema = dict.fromkeys(("trial", "setting", "error", "divergence", "mark"), pl.String)
    return rows.drop("published", "winner").hstack(
        pl.DataFrame(texts, schema={**schema, "x": pl.Float64, "is_logarithmic": pl.Boolean})
    )


def _divergence(diverged: int, complete: int) -> str:
    none, some, every = charts.DIVERGENCE
    return none if diverged == 0 else some if complete else every


def _drawable(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that have a place on their axis."""
    return rows.filter(~pl.col("is_logarithmic") | (pl.col("x") > 0))


def _error_limits(rows: pl.DataFrame) -> tuple[float, float]:
    """Ends of the error axis: from below the best to 1, where diverged trials stand."""
    best = float(rows["validation_error"].min())  # type: ignore[arg-type]
    return max(0.0, best - 0.08), 1.03


def _sweep(overview: Overview, rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """The sweep of an optimizer to draw: through its winner, or the latest one if none of that has been measured."""
    best, sweep = overview.best.get(name), rows.filter(optimizer=name, phase="sweep")
    if overview.ledger.study.sweeps_every_hyperparameter:  # it has figures of its own
        return sweep.clear()
    through = sweep_through(best, sweep) if best else sweep.clear()
    block = pl.col("number") // len(RATE_STEPS)
    return sweep.filter(block == block.max()) if through.is_empty() else through


def _note_on_overtaken(overview: Overview) -> str:
    """A sentence on the sweeps that hold other values fixed than those of the winner; empty if none does."""
    rows = overview.responses.filter(pl.col("validation_error").is_not_null())
    sweeps = {name: (best, _sweep(overview, rows, name)) for name, best in overview.best.items()}
    others = [name for name, (best, sweep) in sweeps.items() if sweep_through(best, sweep).height < sweep.height]
    if not others:
        return ""
    return f" The sweep of {listing(others)} runs through an earlier winner that a later trial has overtaken."
