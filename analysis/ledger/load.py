"""From the Parquet files of a ledger to checked tables."""

import pathlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from analysis.ledger import schema
from analysis.ledger.parts import DamagedFileError, SparseColumn, check_columns, conform, read_parts
from analysis.ledger.schema import KEY, KEYS
from analysis.ledger.study import LedgerError, Study
from analysis.ledger.study_file import read_study
from analysis.ledger.values import check_lengths, check_values

OUTCOMES = ("validation_loss", "validation_error", "test_loss", "test_error", "train_loss", "train_error", "seconds")

STEP_LOSSES = SparseColumn("step_losses", where="phase", among=schema.TESTED_PHASES)
"""The one large column; what is made of it is said of runs on the confirmation seeds only."""


@dataclass(frozen=True)
class Ledger:
    """The rows of one study, checked and sorted by key.

    Args:
        study: What the rows belong to.
        trials: One row per replicate.
        epochs: One row per replicate and epoch; `step_losses` is null but in rows on the confirmation seeds.
        num_orphans: Rows of `epochs` left out because their replicate is not in `trials`.
        timings: One row per optimizer, timing block and batch size; none if steps were not timed.
    """

    study: Study
    trials: pl.DataFrame
    epochs: pl.DataFrame
    num_orphans: int
    timings: pl.DataFrame = field(default_factory=lambda: _frame([schema.timings_schema().empty_table()]))


def load(study_dir: pathlib.Path) -> Ledger:
    """Read and check a ledger.

    Raises:
        LedgerError: The folder is no study, holds no trial, or its rows break the schema.
    """
    if not study_dir.is_dir():
        raise LedgerError(
            f"a study folder is expected, {str(study_dir)!r} is not a folder; "
            "give the folder that `python -m study.run` printed."
        )
    study = read_study(study_dir / "study.json")
    imported = study.source is not None
    expected = {
        "trials": schema.trials_schema(study.hyperparameters, imported=imported),
        "epochs": schema.epochs_schema(imported=imported),
        "timings": schema.timings_schema(),
    }
    trials = _read(study_dir / "trials", expected["trials"], may_lack=study.hyperparameters)
    if trials.is_empty():
        raise LedgerError(
            f"a report needs at least one finished trial, {str(study_dir / 'trials')!r} holds none; "
            "wait for the first trial or run the study again."
        )
    epochs = _read(study_dir / "epochs", expected["epochs"], sparse=STEP_LOSSES)
    timings = _read(study_dir / "timings", expected["timings"])
    for name, rows in (("trials", trials), ("epochs", epochs), ("timings", timings)):
        _check_rows(name, rows, KEYS[name], study, expected[name])
    _check_outcomes(trials)
    _check_timings(timings)
    for name, rows in (("trials", trials), ("epochs", epochs), ("timings", timings)):
        check_values(name, rows, KEYS[name], study)
    known = epochs.join(trials.select(KEY), on=KEY, how="semi")
    _check_epochs(known)
    check_lengths(trials, known, study)
    return Ledger(
        study,
        trials.sort(KEY),
        known.sort(KEYS["epochs"]),
        epochs.height - known.height,
        timings.sort(KEYS["timings"]),
    )


def _read(
    folder: pathlib.Path, expected: pa.Schema, *, may_lack: Collection[str] = (), sparse: SparseColumn | None = None
) -> pl.DataFrame:
    """All files of a folder as one table; hyperparameters and younger columns that a file lacks are null there."""
    fields = [field.with_nullable(True) if sparse and field.name == sparse.name else field for field in expected]
    wanted = pa.schema(fields, metadata=expected.metadata)
    try:
        parts = read_parts(folder, sparse)
    except DamagedFileError as error:
        raise LedgerError(
            f"{error}; the command of the study sets it aside and trains its trials again, or restore it from a copy."
        ) from None
    except ValueError as error:
        raise LedgerError(str(error)) from None
    tables = [wanted.empty_table()]
    for part in parts:
        try:
            check_columns(part, wanted, may_lack)
        except ValueError as error:
            raise LedgerError(str(error)) from None
        tables.append(conform(part.rows, wanted))
    return _frame(tables)


def _frame(tables: Sequence[pa.Table]) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(pa.concat_tables(tables)))


def _check_rows(table: str, rows: pl.DataFrame, key: Sequence[str], study: Study, expected: pa.Schema) -> None:
    for column in expected:
        given = rows.filter(pl.col("phase").is_in(STEP_LOSSES.among)) if column.name == STEP_LOSSES.name else rows
        if not column.nullable and (count := given[column.name].null_count()):
            raise LedgerError(
                f"{table}: {column.name} must be given in every row, it is null in {count}; mend the writer."
            )
    for name, allowed in (("optimizer", study.optimizers), ("phase", schema.PHASES), ("status", schema.STATUSES)):
        if name in rows.columns and (unknown := sorted(set(rows[name].unique()) - set(allowed))):
            raise LedgerError(
                f"{table}: {name} must be one of {', '.join(allowed)}, got {', '.join(map(repr, unknown))}; "
                "study.json and rows of different studies may be mixed here."
            )
    for name in [name for name in (*OUTCOMES, *study.hyperparameters) if name in rows.columns]:
        if count := int((~rows[name].is_finite()).sum()):
            raise LedgerError(
                f"{table}: {name} must be finite or null, it is NaN or infinite in {count} rows; "
                "a diverged replicate has null losses and error 1."
            )
    twice = rows.group_by(key, maintain_order=True).len().filter(pl.col("len") > 1)
    if not twice.is_empty():
        values = ", ".join(f"{name}={twice[name][0]!r}" for name in key)
        raise LedgerError(
            f"{table}: each key must stand once, {twice.height} stand more often, the first is {values} "
            f"({twice['len'][0]} rows); remove the superseded attempts."
        )


def _check_outcomes(trials: pl.DataFrame) -> None:
    """Refuse rows whose missing outcome an average would silently skip."""
    is_tested = pl.col("phase").is_in(schema.TESTED_PHASES)
    for status, error, wanted in (
        ("complete", pl.col("validation_error").is_null() | (is_tested & pl.col("test_error").is_null()), "an error"),
        ("diverged", (pl.col("validation_error") == 1).not_().fill_null(True), "validation error 1"),
        ("diverged", is_tested & (pl.col("test_error") == 1).not_().fill_null(True), "test error 1"),
        ("failed", pl.col("validation_error").is_not_null(), "no error"),
    ):
        if count := trials.filter((pl.col("status") == status) & error).height:
            raise LedgerError(
                f"trials: a {status} replicate must have {wanted} (of the test too on confirmation seeds), {count} "
                "rows do not; docs/ledger.md says what each outcome stores."
            )


def _check_epochs(epochs: pl.DataFrame) -> None:
    """Refuse curves with a gap: steps and seconds add up over the epochs of a replicate."""
    ends = epochs.group_by(KEY, maintain_order=True).agg(
        low=pl.col("epoch").min(), high=pl.col("epoch").max(), rows=pl.len()
    )
    broken = ends.filter((pl.col("low") != 1) | (pl.col("high") != pl.col("rows")))
    if not broken.is_empty():
        first = broken.row(0, named=True)
        values = ", ".join(f"{name}={first[name]!r}" for name in KEY)
        raise LedgerError(
            f"epochs: those of a replicate must be numbered 1, 2, 3, ..., {broken.height} have a gap, the first is "
            f"{values} with {first['rows']} rows from {first['low']} to {first['high']}; restore the missing files."
        )


def _check_timings(timings: pl.DataFrame) -> None:
    """Refuse rows of which no time of a step can be made."""
    if count := timings.filter((pl.col("steps") < 1) | (pl.col("seconds") <= 0)).height:
        raise LedgerError(
            f"timings: a row must hold at least 1 step and more than 0 seconds, {count} rows do not; mend the writer."
        )
