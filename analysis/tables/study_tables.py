"""The tables of a report by name, each computed once, when it is first asked for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import polars as pl

from analysis.claims.file import Claims
from analysis.tables.overview import Overview

Made = TypeVar("Made")


class StudyTables:
    """What the figures of a report draw and its CSV files store, beyond the overview.

    Args:
        overview: What they are computed from.
        tunings: Overview of every tuning, that one first; it alone if none is given.
        claims: What is claimed, with what is fixed about the data set.
        makers: How each table is made, by the name of its CSV file; it may ask for other tables.
    """

    def __init__(
        self,
        overview: Overview,
        claims: Claims,
        makers: "Mapping[str, Callable[[StudyTables], pl.DataFrame]]",
        tunings: Sequence[Overview] = (),
    ) -> None:
        self.overview, self.claims = overview, claims
        self.ledgers = tuple(tuning.ledger for tuning in tunings or (overview,))
        self._makers = makers
        self._made: dict[object, Any] = {}

    def __getitem__(self, name: str) -> pl.DataFrame:
        """The table of this name."""
        return self.once(self._makers[name])

    def once(self, make: "Callable[[StudyTables], Made]") -> Made:
        """What a function makes of these tables: the same object however often it is asked for."""
        if make not in self._made:
            self._made[make] = make(self)
        made: Made = self._made[make]
        return made

    def all(self) -> dict[str, pl.DataFrame]:
        """What is stored as CSV, by file name."""
        return {name: self[name] for name in self._makers}
