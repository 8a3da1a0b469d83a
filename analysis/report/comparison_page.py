"""The comparison of two studies as files: a page like that of a report, Markdown and a figure."""

from typing import Any

from analysis.report import charts
from analysis.report.charts.palette import Palette
from analysis.report.comparison import Comparison, Side, difference_rows
from analysis.report.figures.figure import Figure, Panel, with_tips
from analysis.report.page import Cell, drawing, embedded, environment, result_row
from analysis.report.repeats import repeats_text
from analysis.report.text import summary
from analysis.report.text import verdict_sentences as verdict_text
from analysis.statistics.intervals import summarise
from analysis.tables.completeness import completeness
from analysis.verdicts.verdict import Verdict
from analysis.wording import LEVEL_NAME, NONE, listing, percent

ABSENT = Cell(NONE, "not in this study")


def render(comparison: Comparison) -> dict[str, str]:
    """Every file of a comparison but the tables: path within its folder, and content."""
    figure = accuracy(comparison)
    context = _context(comparison, figure)
    page = environment().get_template("compare.html").render(context, **embedded([figure]))
    text = environment().get_template("compare.md").render(context)
    drawn = {f"figures/{figure.name}.svg": drawing(figure)} if figure.panels else {}
    return {**drawn, "compare.md": text, "compare.html": page}


def accuracy(comparison: Comparison) -> Figure:
    """Test accuracy of the tuned settings of both studies, every seed drawn."""
    a, b = comparison.a.name, comparison.b.name
    name, title = "compare", "Test accuracy of the tuned settings"
    tables = ("compare_results", "compare_seeds")
    seeds = comparison.accuracies()
    if seeds.is_empty():
        text = "Neither study has confirmed a setting on fresh seeds, so there is no test accuracy to show."
        return Figure(name=name, title=title, text=text, panels=(), tables=tables)
    means = with_tips(summarise(seeds, ["optimizer", "setting"], "test_accuracy"), percent)
    chart = charts.plot_seeds(
        seeds.rename({"test_accuracy": "value"}).drop("seed", "number"),
        means,
        Palette.of(comparison.optimizers),
        title="",
        axis_title="test accuracy",
        kind="percent",
        side="study",
        sides=(a, b),
    )
    text = (
        f"Each small mark is one fresh seed, each large one the mean with its {LEVEL_NAME} interval: circles are "
        f"{a}, diamonds {b}. A diverged seed scores 0."
    )
    panels = (Panel(chart=chart, description=title),)
    return Figure(name=name, title=title, text=text, panels=panels, tables=tables, columns=1, width=560)


def _context(comparison: Comparison, figure: Figure) -> dict[str, Any]:
    a, b = comparison.sides
    palette = Palette.of(comparison.optimizers)
    return {
        "title": f"{a.name} beside {b.name}",
        "names": (a.name, b.name),
        "deck": _deck(comparison),
        "sides": [_side(side) for side in comparison.sides],
        "optimizers": [
            next(side.study.optimizers[name] for side in comparison.sides if name in side.study.optimizers)
            for name in comparison.optimizers
        ],
        "colours": palette.colours,
        "figure": figure,
        "rows": [_row(comparison, name) for name in comparison.optimizers],
        "differences": difference_rows(a.study, b.study),
        "verdicts": [
            {"claim": row.claim, "cells": [_verdict(row.a), _verdict(row.b)]} for row in comparison.verdicts()
        ],
        "tables": list(comparison.tables()),
    }


def _deck(comparison: Comparison) -> str:
    a, b = comparison.sides
    fields = [
        name for name, _, _ in difference_rows(a.study, b.study) if name in {*a.study.identity, *b.study.identity}
    ]
    if not fields:
        return "Two studies of one identity: their rows are comparable."
    return (
        f"Two studies that differ in {listing(fields)}. Where that changes the data or the training, compare which "
        "optimizer comes first in each, not one number with the other."
    )


def _side(side: Side) -> dict[str, Any]:
    found = completeness(side.overview)
    text = [*summary.answer(side.overview)]
    if len(side.tunings) > 1:
        text += repeats_text(side.tunings)
    text += side.judgement.notes
    return {"name": side.name, "hash": side.study.study_hash, "status": summary.status(found), "answer": text}


def _row(comparison: Comparison, optimizer: str) -> dict[str, Any]:
    cells = []
    for side in comparison.sides:
        result = side.result(optimizer)
        row = result_row(side.overview, result) if result else {}
        cells.append({name: row.get(name, ABSENT) for name in ("validation", "tuned")} | {"best": row.get("best", {})})
    return {"optimizer": optimizer, "cells": cells}


def _verdict(verdict: Verdict | None) -> dict[str, str]:
    """Word, symbol and style, then effect, interval and what they rest on."""
    if verdict is None:
        return {"word": NONE, "symbol": "", "style": "", "detail": "not in this study"}
    row = verdict_text.row(verdict)
    detail = f"{row['effect']} ({row['interval']}), {row['basis']}" if verdict.evidence else row["sentence"]
    return {**{name: row[name] for name in ("word", "symbol", "style")}, "detail": detail}
