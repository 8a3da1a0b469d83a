"""What is tried by fuzz.py: a case, and the damage of a study."""

import json
import pathlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

CELLS: dict[str, list[Any]] = {
    "number": [float("nan"), float("inf"), -1.0, 1.5, 1e308, None],
    "count": [-1, 0, 10**15, 2**62, None],
    "text": ["", "\x00", "no/such", "<b>", "=1", "a" * 5000, None],
}


@dataclass(frozen=True)
class Damage:
    """What is done to a study.

    Args:
        kind: Of file, and of damage.
        place: Chooses the place, counted around.
        value: What a place of `study.json` gets.
    """

    kind: str
    place: int
    value: Any

    def apply(self, study: pathlib.Path) -> None:
        """Damage a study."""
        if self.kind == "json":
            content = json.loads((study / "study.json").read_text())
            places = list(_places(content))
            holder, key = places[self.place % len(places)]
            holder[key] = self.value
            (study / "study.json").write_text(json.dumps(content))
            return
        parts = sorted(path for path in study.rglob("*") if path.is_file())
        if self.kind in ("bytes", "file"):
            path = parts[self.place % len(parts)]
            content = path.read_bytes()
            cut = self.place % max(len(content), 1)
            path.write_bytes(b"" if self.kind == "file" else content[:cut] + b"\xff\x00" + content[cut + 2 :])
            return
        parts = [path for path in parts if path.suffix == ".parquet"]
        path = parts[self.place % len(parts)]
        rows = pl.read_parquet(path)
        path.unlink()
        (rows := self._changed(rows)).write_parquet(path.with_name(path.name.split(".")[0] + ".parquet"))

    def _changed(self, rows: pl.DataFrame) -> pl.DataFrame:
        if self.kind == "row":
            return pl.concat([rows, rows.head(1)]) if self.place % 2 else rows.head(max(rows.height - 1, 0))
        column = rows.columns[self.place % rows.width]
        dtype, row = rows[column].dtype, (self.place // rows.width) % rows.height
        group = "number" if dtype.is_float() else "count" if dtype.is_integer() else "text"
        if dtype not in (pl.String,) and group == "text":
            return rows.drop(column)
        values = rows[column].to_list()
        values[row] = CELLS[group][self.place % len(CELLS[group])]
        return rows.with_columns(pl.Series(column, values, dtype=dtype, strict=False))


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every holder and key within JSON."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(items):
        yield node, key
        yield from _places(value)


@dataclass(frozen=True)
class Case:
    """What is tried: the kind for the table, the command, its words, and what lies in the folder where it is given."""

    kind: str
    command: str
    words: Sequence[str]
    files: dict[str, bytes] = field(default_factory=dict)
    damage: Damage | None = None
