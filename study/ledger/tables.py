"""What the files of a table hold together: their rows by key, and which trials are whole. Changes nothing."""

import pathlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from analysis.ledger.parts import DamagedFileError, Part, check_columns, conform, counting, read_part, refuse_too_many
from analysis.ledger.schema import KEY, KEYS, PHASES, RESERVED
from study.spec import StudySpec


@dataclass(frozen=True, kw_only=True)
class Table:
    """The files of one table.

    Args:
        folder: Where they are.
        schema: Schema of the table.
        parts: The whole ones that count.
        replaced: Those that another one has replaced.
        damaged: What is wrong with each of the others.
    """

    folder: pathlib.Path
    schema: pa.Schema
    parts: list[Part]
    replaced: list[pathlib.Path]
    damaged: Mapping[pathlib.Path, str]

    @property
    def key(self) -> Sequence[str]:
        """What names a row."""
        return KEYS[self.folder.name]

    def rows(self) -> pl.DataFrame:
        """Key and, where the table has them, attempt, steps and status of every row.

        `file` is the place of its file in `parts`, `row` its own place in that file.
        """
        names = [name for name in ("attempt", "steps", "status") if name in self.schema.names]
        wanted = pa.schema([self.schema.field(name) for name in (*self.key, *names)])
        contents = [wanted.empty_table(), *(conform(part.rows, wanted) for part in self.parts)]
        return pl.concat(
            pl.DataFrame(pl.from_arrow(rows)).with_row_index("row").with_columns(file=pl.lit(place))
            for place, rows in enumerate(contents, start=-1)
        )


def runs_of_rows(directory: pathlib.Path) -> set[int | None]:
    """Numbers of the runs that have stored trials; None stands for rows of releases that did not say so."""
    found: set[int | None] = set()
    for path in (directory / "trials").glob("*.parquet"):
        rows = read_part(path).rows
        found |= set(rows["run"].unique().to_pylist()) if "run" in rows.column_names else {None}
    return found


def read_table(folder: pathlib.Path, schema: pa.Schema) -> Table:
    """Read and verify all files of a table.

    Raises:
        ValueError: A file does not follow the schema or comes from a later release.
    """
    parts: list[Part] = []
    damaged: dict[pathlib.Path, str] = {}
    for path in sorted(folder.glob("*.parquet")):
        try:
            parts.append(read_part(path))
        except DamagedFileError as error:
            damaged[path] = error.reason
        refuse_too_many(folder, parts)
    hyperparameters = set(schema.names) - RESERVED if folder.name == "trials" else set()
    for part in parts:
        check_columns(part, schema, hyperparameters)
    valid = counting(parts)
    replaced = {part.path for part in parts} - {part.path for part in valid}
    return Table(folder=folder, schema=schema, parts=valid, replaced=sorted(replaced), damaged=damaged)


def refuse_other_study(table: Table, optimizers: Collection[str]) -> None:
    """Refuse rows that belong to no trial of the study, before their words name a file.

    Raises:
        ValueError: An optimizer or phase is unknown.
    """
    rows = table.rows()
    for name, allowed in (("optimizer", optimizers), ("phase", PHASES)):
        if name in rows.columns and (unknown := sorted(set(map(str, rows[name])) - set(allowed))):
            raise ValueError(
                f"The rows of {table.folder} must have an {name} among {', '.join(allowed)}, got {unknown[0][:60]!r}; "
                "remove the files of another study."
            )


def duplicates(rows: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Keys that stand more than once, with their `count`."""
    return rows.group_by(key).agg(count=pl.len()).filter(pl.col("count") > 1).sort(key)


def broken(trials: pl.DataFrame, epochs: pl.DataFrame, spec: StudySpec) -> pl.DataFrame:
    """Replicates that are not whole: no trial row, or not exactly the epochs that their trial row has counted.

    One that has an outcome has at least the epoch of it, even where a formula draws the curves and counts no steps.

    Returns:
        Their keys, with `status` and `steps` of the trial row (null if there is none) and, of their epochs,
        `num_epochs`, `last` and `trained` steps.
    """
    trained = epochs.group_by(KEY).agg(
        trained=pl.col("steps").sum(), num_epochs=pl.col("epoch").n_unique(), last=pl.col("epoch").max()
    )
    together = trials.select(*KEY, "status", "steps").join(trained, on=KEY, how="full", coalesce=True)
    numbers = together.with_columns(pl.col("trained", "num_epochs", "last").fill_null(0))
    whole = (
        pl.col("steps").eq_missing(pl.col("trained"))
        & (pl.col("num_epochs") == pl.col("last"))
        & ((pl.col("status") != "complete") | (pl.col("last") == spec.identity.num_epochs))
        & ((pl.col("status") == "failed") | (pl.col("last") > 0))
    )
    return numbers.filter(whole.not_()).sort(KEY)


def describe(row: Mapping[str, object]) -> str:
    """A key in words."""
    words = [str(row[name]) for name in KEY[:3] if name in row]
    numbers = [f"{name} {row[name]}" for name in ("replicate", "epoch", "block", "batch_size") if name in row]
    return " ".join([*words, *numbers])


def concatenated(tables: Iterable[pa.Table], schema: pa.Schema) -> pa.Table:
    """Rows of several files with the columns of a schema."""
    return pa.concat_tables([schema.empty_table(), *(conform(rows, schema) for rows in tables)])
