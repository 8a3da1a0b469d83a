"""The report as files: one self-contained HTML page, Markdown, CSV tables and SVG figures."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup

from analysis.lines import one_line
from analysis.plugins import blamed
from analysis.report import charts
from analysis.report.charts.palette import Palette
from analysis.report.contents import Figures, which_rows
from analysis.report.figures.figure import Figure
from analysis.report.repeats import repeats_text
from analysis.report.text import first_screen, methods, summary
from analysis.report.text.what_would_decide import what_would_decide
from analysis.report.vega_bundle import chart_library
from analysis.tables.completeness import completeness_of_all
from analysis.tables.overview import Overview
from analysis.tables.results import Result
from analysis.verdicts.claims_of_study import Judgement
from analysis.wording import NONE, percent, percent_interval, points, points_interval, setting

BEYOND_16_BITS = re.compile("[\U00010000-\U0010ffff]")
DRAWING = re.compile(r"\b(?:clip|gradient_)\d+\b")


@dataclass(frozen=True)
class Cell:
    """A number of the result table with the small print below it."""

    text: str
    detail: str = ""


def render(
    tunings: Sequence[Overview], figures: Figures, judgement: Judgement, tables: Sequence[str]
) -> dict[str, str]:
    """Every file of the report but the tables: path within the report, and content.

    Args:
        tunings: The overview of every tuning of the study; figures and tables are those of the first one.
        figures: Its figures.
        judgement: The verdicts, which rest on all of them.
        tables: Names of all tables of the report.

    Raises:
        PluginError: A figure cannot be drawn.
    """
    context = {
        **_context(tunings, figures, judgement),
        **first_screen.context(judgement),
        **_repeats(tunings),
        "what_would_decide": what_would_decide(tunings, judgement.verdicts),
        "tables": list(tables),
    }
    drawn = {}
    for figure in [figure for figure in figures.every if figure.panels]:
        with blamed(f"The figure {figure.name!r} must be one that Vega-Lite can draw", "its section"):
            drawn[f"figures/{figure.name}.svg"] = drawing(figure)
    page = environment().get_template("report.html").render(context, **embedded(figures.every))
    return {**drawn, "report.md": environment().get_template("report.md").render(context), "report.html": page}


def _context(tunings: Sequence[Overview], figures: Figures, judgement: Judgement) -> dict[str, Any]:
    overview, found = tunings[0], completeness_of_all(tunings)
    study = overview.ledger.study
    palette = Palette.of(study.optimizers)
    return {
        "question": summary.QUESTION,
        "deck": summary.deck(overview),
        "answer": summary.answer(overview),
        "status": summary.status(found),
        "missing": found.missing,
        "notes": summary.notes(overview),
        "rows": [result_row(overview, result) for result in overview.results],
        "optimizers": list(study.optimizers.values()),
        "colours": palette.colours,
        "headline": figures.headline,
        "question_figures": figures.of_questions,
        "section_figures": figures.of_sections,
        "rest": figures.rest,
        "counts": overview.counts.to_dicts(),
        "methods": methods.methods(overview, judgement, which_rows(overview)),
        "attribution": methods.attribution(study),
        "provenance": methods.provenance(study),
    }


def _repeats(tunings: Sequence[Overview]) -> dict[str, Any]:
    """What the page says of several tunings, optimizer by optimizer; nothing if there is one."""
    if len(tunings) == 1:
        return {"repeats": [], "repeat_rows": [], "repeat_colours": {}}
    names = dict.fromkeys(name for overview in tunings for name in overview.ledger.study.optimizers)
    rows = [
        {**result_row(overview, result), "repeat": overview.ledger.study.repeat}
        for name in names
        for overview in tunings
        for result in overview.results
        if result.optimizer == name
    ]
    return {"repeats": repeats_text(tunings), "repeat_rows": rows, "repeat_colours": Palette.of(names).colours}


def result_row(overview: Overview, result: Result) -> dict[str, Any]:
    """One row of the result table, as text."""
    optimizer = overview.ledger.study.optimizers[result.optimizer]
    best = result.best
    tuned, published, difference = result.tuned_accuracy, result.published_accuracy, result.difference
    diverged = f"a seed diverged in {result.diverged}" if result.diverged else "none diverged"
    return {
        "optimizer": result.optimizer,
        "best": setting(best.hyperparameters, optimizer) if best else {},
        "origin": f"{best.phase} trial {best.number}" if best else "no trial has ended yet",
        "published": setting(result.published, optimizer),
        "validation": _error(result),
        "tuned": Cell(percent(tuned.mean), percent_interval(tuned)) if tuned else Cell(NONE, "not confirmed"),
        "authors": Cell(percent(published.mean), percent_interval(published))
        if published
        else Cell(NONE, "not confirmed" if result.published else "none given"),
        "difference": Cell("same setting", "nothing beat it")
        if result.published_won
        else Cell(points(difference.mean), points_interval(difference))
        if difference
        else Cell(NONE),
        "trials": Cell(str(result.trials), diverged + (f", {result.failed} failed" if result.failed else "")),
    }


def _error(result: Result) -> Cell:
    """Validation error of the winner on fresh seeds, and the one that it won by."""
    fresh = percent(result.tuned_error.mean) if result.tuned_error else NONE
    return Cell(fresh, f"{percent(result.best.validation_error)} in tuning" if result.best else "")


def embedded(figures: Sequence[Figure]) -> dict[str, Any]:
    """What only the HTML page needs: styles, the chart library and the charts with each table stored once."""
    datasets: dict[str, Any] = {}
    specifications: dict[str, Any] = {}
    for figure in figures:
        for place, panel in enumerate(figure.panels):
            datasets |= panel.chart.tables
            specifications[f"{figure.name}-{place}"] = {
                "specification": charts.for_page(panel.chart),
                "tables": list(panel.chart.tables),
            }
    source, _, _ = environment().loader.get_source(environment(), "report.css")  # type: ignore[union-attr]
    return {
        "style": Markup(source),
        "library": Markup(chart_library()),
        "charts": Markup(script_json({"datasets": datasets, "charts": specifications})),
    }


def script_json(value: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element it stands in, whatever text it holds."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def drawing(figure: Figure) -> str:
    """A figure as SVG."""
    specification = charts.side_by_side(
        [panel.chart for panel in figure.panels], columns=figure.columns, width=figure.width
    )
    # Where a label is too long the library cuts it between UTF-16 units and fails on half a character.
    narrow = BEYOND_16_BITS.sub("\ufffd", json.dumps(specification, ensure_ascii=False))
    drawing: str = vl_convert.vegalite_to_svg(narrow)
    # The library numbers clip paths over all drawings of a process; numbered anew, equal figures are equal files.
    names: dict[str, str] = {}
    return DRAWING.sub(lambda found: names.setdefault(found[0], f"{figure.name}-{len(names)}"), drawing)


@cache
def environment() -> jinja2.Environment:
    """Templates of pages and Markdown."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.report", "templates"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["md"] = markdown_text
    made.filters["linked"] = linked
    made.filters["setting_line"] = lambda values: ", ".join(map(" ".join, values.items())) or NONE
    return made


def markdown_text(text: object) -> str:
    """Text that Markdown shows as it is, in one line."""
    line = re.sub(r"([\\`*_\[\]|~#])", r"\\\1", one_line(str(text)))
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def linked(text: str) -> Markup:
    """Text with its web addresses as links."""
    parts = re.split(r"(https?://[\w./~%?=#&+():;-]*[\w/])", text)
    pieces = [
        Markup('<a href="{0}">{0}</a>').format(part) if place % 2 else Markup.escape(part)
        for place, part in enumerate(parts)
    ]
    return Markup("").join(pieces)
