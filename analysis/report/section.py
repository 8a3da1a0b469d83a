"""What a section of the report is: the tables and figures of one family of questions, and what its answers rest on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl

from analysis.report.charts.palette import Palette
from analysis.report.figures.figure import Figure
from analysis.tables.overview import Overview
from analysis.tables.study_tables import StudyTables


@dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    """One section, which is one file of `analysis/report/sections/`.

    Args:
        title: Its heading where no question is about it.
        place: Sections stand in the order of this number.
        family: Metrics whose questions it answers: the name of their file in `analysis/metrics/`. None if it answers no
            question; then it stands behind all that do.
        tables: How each of its tables is made, by the name of the CSV file.
        figures: Its figures, in reading order; none if a question of the family has its effects alone.
        methods: Which rows answer its questions, one or two sentences of the methods; empty if another section says it.
    """

    title: str
    place: int
    family: str | None
    tables: Mapping[str, Callable[[StudyTables], pl.DataFrame]] = field(default_factory=dict)
    figures: tuple[Callable[[StudyTables, Palette], Figure], ...] = ()
    methods: Callable[[Overview], str] = lambda _: ""
