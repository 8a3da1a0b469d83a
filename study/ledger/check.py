"""Whether a ledger holds what was written, every row once and every trial whole. Changes nothing."""

import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from analysis.ledger.parts import DamagedFileError, read_part
from analysis.ledger.schema import TUNING_PHASES
from study.ledger.attempt import ATTEMPTS
from study.ledger.log import LOGS, read_logs
from study.ledger.store import Ledger
from study.ledger.tables import broken, describe, duplicates, read_table, refuse_other_study
from study.queue.trial_queue import TrialQueue
from study.search import load_search
from study.spec import StudySpec


@dataclass(frozen=True, kw_only=True)
class Check:
    """What a check has found.

    Args:
        counts: Files and rows of `trials`, `epochs`, `timings`, `log` and `attempts`.
        damaged: One line about every damaged file.
        duplicates: Every key that stands more than once.
        gaps: Every replicate that is not whole.
        missing: What the study has yet to train.
    """

    counts: Mapping[str, tuple[int, int]]
    damaged: list[str]
    duplicates: list[str]
    gaps: list[str]
    missing: list[str]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong; a study that has not ended is sound."""
        return not (self.damaged or self.duplicates or self.gaps)


def check_ledger(directory: pathlib.Path, spec: StudySpec) -> Check:
    """Read every file of a ledger; only the holder of its lock sees it at rest.

    Raises:
        ValueError: Rows belong to another study or come from a later release.
    """
    ledger = Ledger(directory, spec)
    tables = {name: read_table(directory / name, schema) for name, schema in ledger.schemas.items()}
    for table in tables.values():
        refuse_other_study(table, spec.optimizers)
    rows = {name: table.rows() for name, table in tables.items()}
    logs = read_logs(directory)
    damaged = [f"{path}: {reason}" for table in tables.values() for path, reason in table.damaged.items()]
    damaged += [f"{log.path}: {log.damage}" for log in logs if log.damage is not None]
    superseded = list(_superseded(directory, damaged))
    return Check(
        counts={
            **{name: (len(table.parts), rows[name].height) for name, table in tables.items()},
            LOGS: (len(logs), sum(len(log.rows) for log in logs)),
            ATTEMPTS: (len(superseded), sum(superseded)),
        },
        damaged=damaged,
        duplicates=[
            f"{name}: {describe(row)} stands {row['count']} times"
            for name in tables
            for row in duplicates(rows[name], tables[name].key).iter_rows(named=True)
        ],
        gaps=[_gap(row) for row in broken(rows["trials"], rows["epochs"], spec).iter_rows(named=True)],
        missing=[] if damaged else list(_missing(ledger, rows["trials"], spec)),
    )


def _superseded(directory: pathlib.Path, damaged: list[str]) -> Iterator[int]:
    """Rows of each file of `attempts/`."""
    for path in sorted((directory / ATTEMPTS).rglob("*.parquet")):
        try:
            yield read_part(path).rows.num_rows
        except DamagedFileError as error:
            damaged.append(f"{path}: {error.reason}")


def _gap(row: Mapping[str, object]) -> str:
    if row["status"] is None:
        return f"{describe(row)} has {row['num_epochs']} epochs and no trial row"
    if not row["num_epochs"] and not row["steps"]:
        return f"{describe(row)} is {row['status']} after {row['steps']} steps, but has no row of epochs"
    return (
        f"{describe(row)} is {row['status']} after {row['steps']} steps, but has {row['num_epochs']} epochs up to "
        f"number {row['last']}, of {row['trained']} steps"
    )


def _missing(ledger: Ledger, trials: pl.DataFrame, spec: StudySpec) -> Iterator[str]:
    outcomes = ledger.outcomes()
    left = TrialQueue(spec, load_search(spec.identity.search), outcomes).num_replicates() - len(outcomes)
    if left:
        yield f"{left} of {left + len(outcomes)} networks"
    tuned = trials.filter(pl.col("phase").is_in(TUNING_PHASES))
    for optimizer in spec.extent.optimizers:
        counts = dict(tuned.filter(optimizer=optimizer).group_by("number").len().iter_rows())
        lacking = [n for n in range(spec.extent.num_trials) if counts.get(n, 0) < spec.identity.num_seeds]
        if lacking:
            yield f"{optimizer}: tuning trials {', '.join(map(str, lacking))}"
