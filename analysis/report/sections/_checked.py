"""Sections whose tables, figures and sentences are checked as they are made, and which share no name."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import polars as pl

from analysis.plugins import NAME, NAMED, PluginError, blamed
from analysis.report.charts import Chart
from analysis.report.charts.palette import Palette
from analysis.report.figures.figure import Figure, Panel
from analysis.report.section import Section
from analysis.tables.overview import Overview
from analysis.tables.study_tables import StudyTables


def checked(section: Section, where: str) -> Section:
    """The section, whose parts are what they should be or raise a `PluginError`.

    Args:
        section: What its file declares.
        where: File or package that it comes from.
    """

    def methods(overview: Overview) -> str:
        duty = f"The section {section.title!r} must say which rows it rests on"
        with blamed(duty, where):
            said: object = section.methods(overview)
        if not isinstance(said, str):
            raise PluginError(f"{duty}, a text, {where} gives {type(said).__name__}; mend it.")
        return said

    return replace(
        section,
        tables={name: _table(name, make, where) for name, make in section.tables.items()},
        figures=tuple(_figure(make, where) for make in section.figures),
        methods=methods,
    )


def _table(name: str, make: Callable[[StudyTables], pl.DataFrame], where: str) -> Callable[[StudyTables], pl.DataFrame]:
    duty = f"The table {name!r} must be made"

    def made(tables: StudyTables) -> pl.DataFrame:
        with blamed(duty, where):
            found = make(tables)
        if not isinstance(found, pl.DataFrame):
            raise PluginError(f"{duty}, a polars DataFrame, {where} gives {type(found).__name__}; mend it.")
        if unfit := [key for key, kind in found.schema.items() if kind.is_nested() or kind in (pl.Object, pl.Binary)]:
            raise PluginError(
                f"{duty} of columns that CSV can hold, {where} gives {unfit[0]!r} as {found.schema[unfit[0]]}; mend it."
            )
        return found

    return made


def _figure(make: Callable[[StudyTables, Palette], Figure], where: str) -> Callable[[StudyTables, Palette], Figure]:
    duty = f"The figure of {getattr(make, '__name__', 'a section')} must be made"

    def made(tables: StudyTables, palette: Palette) -> Figure:
        with blamed(duty, where):
            found = make(tables, palette)
            fault = _fault(found)
        if fault is not None:
            raise PluginError(f"{duty}, {fault} ({where}); mend it.")
        return found

    return made


def _fault(figure: object) -> str | None:
    if not isinstance(figure, Figure):
        return f"a Figure, got {type(figure).__name__}"
    if not isinstance(figure.name, str) or not NAME.fullmatch(figure.name):
        return f"named by {NAMED}, got {figure.name!r:.80}"
    if not isinstance(figure.title, str) or not isinstance(figure.text, str):
        return f"with a title and a text, got {type(figure.title).__name__} and {type(figure.text).__name__}"
    if wrong := [
        panel for panel in figure.panels if not isinstance(panel, Panel) or not isinstance(panel.chart, Chart)
    ]:
        return f"of Panels that hold a Chart, got {type(wrong[0]).__name__}"
    return None


def refuse_shared(noun: str, named: Iterable[tuple[str, str]], taken: Mapping[str, str] | None = None) -> None:
    """Refuse a name that two parts of the report have.

    Args:
        noun: What has the name.
        named: Each name and where it comes from.
        taken: Names of the report's own, and where they come from.

    Raises:
        PluginError: Two have one name; the message says where both come from.
    """
    owners = dict(taken or {})
    for name, where in named:
        if name in owners:
            raise PluginError(
                f"Each {noun} of the report is that of one section, {name!r} is that of {owners[name]} and of {where}; "
                "rename it in one or remove one."
            )
        owners[name] = where
