"""What a section of the report is: the tables and figures of one family of questions, and what its answers rest on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl

from analysis.plugins import NAME, NAMED
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

    Raises:
        ValueError: One of them is not what it should be.
    """

    title: str
    place: int
    family: str | None
    tables: Mapping[str, Callable[[StudyTables], pl.DataFrame]] = field(default_factory=dict)
    figures: tuple[Callable[[StudyTables, Palette], Figure], ...] = ()
    methods: Callable[[Overview], str] = lambda _: ""

    def __post_init__(self) -> None:
        title: object = self.title
        if not isinstance(title, str) or not title.isprintable() or not title.strip():
            raise ValueError(f"title must be one line of printable characters, got {title!r:.80}; mend it.")
        if not isinstance(self.place, int) or isinstance(self.place, bool):
            raise ValueError(f"place must be a whole number, got {self.place!r:.80}; mend it.")
        named = [*self.tables, *([] if self.family is None else [self.family])]
        if wrong := [name for name in named if not isinstance(name, str) or not NAME.fullmatch(name)]:
            raise ValueError(f"tables and family are named by {NAMED}, got {wrong[0]!r:.80}; rename it.")
        made = (*self.tables.values(), *self.figures, self.methods)
        if idle := [one for one in made if not callable(one)]:
            raise ValueError(f"tables, figures and methods are functions, got {idle[0]!r:.80}; mend it.")
