"""The store of a study: Parquet files and `study.json`, written by the driver alone. No Ray.

The epochs of a group of replicates are stored before its trial rows, so a stored trial always has its epochs. What is
in training is in the write-ahead log.
"""

import pathlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.ledger.durable import write_part
from analysis.ledger.regular import refuse_special
from analysis.ledger.schema import KEY, epochs_schema, timings_schema, trials_schema
from study.ledger.attempt import ATTEMPTS, Attempt
from study.ledger.description import read_study, write_study
from study.ledger.directory import own_files
from study.ledger.log import FILE_NAME, StoredLog, read_logs
from study.ledger.looks import look_at
from study.ledger.merge import FULL, merge_parts
from study.ledger.presence import Presence
from study.ledger.recovery import recover_tables
from study.ledger.rows import Row
from study.ledger.tables import concatenated, read_table, refuse_other_study
from study.ledger.timings import store_timings, timed_optimizers
from study.ledger.unfinished import retire_logs
from study.queue.tasks import Outcome, Task, TrialKey
from study.spec import StudySpec

TABLES = ("trials", "epochs")
"""Folders that every commit writes to."""


class Ledger:
    """The ledger in a directory.

    Args:
        directory: The study's directory; made when something is first written.
        spec: The study, whose hyperparameters are columns of `trials`.
        continues: Whether trials that are cut off go on from checkpoints; their epochs are superseded otherwise.

    Attributes:
        schemas: Schema of each table.
    """

    def __init__(self, directory: pathlib.Path, spec: StudySpec, *, continues: bool = False) -> None:
        self._directory, self._spec, self._continues = directory, spec, continues
        hyperparameters = {name for definition in spec.optimizers.values() for name in definition.space}
        self.schemas = {
            "trials": trials_schema(hyperparameters),
            "epochs": epochs_schema(),
            "timings": timings_schema(),
        }
        self._hyperparameters = {name: sorted(definition.space) for name, definition in spec.optimizers.items()}
        self._num_attempts: Counter[str] = Counter()
        self._unfinished: dict[tuple[TrialKey, tuple[int, ...]], StoredLog] = {}
        self._run = 0
        self._presence = Presence(directory)

    def recover(self) -> list[str]:
        """Bring the directory in order after whatever ended the last run; only the holder of its lock may.

        Returns:
            One line about every damaged file, which is now in `damaged/`.

        Raises:
            ValueError: A key stands twice, or rows belong to another study or come from a later release.
        """
        logs = read_logs(self._directory)
        notes = recover_tables(self._directory, self.schemas, self._spec, logs)
        left = [log for log in logs if log.path.exists()]
        unfinished = retire_logs(self._directory, left, keep=self._continues)
        self._unfinished = {}
        for log in unfinished.logs:
            first = log.rows[0]
            key = TrialKey(first["optimizer"], first["phase"], first["number"])
            self._unfinished[key, tuple(sorted({row["replicate"] for row in log.rows}))] = log
        self._count_attempts()
        self._presence.begin(len(self.outcomes()))
        return [*notes, *unfinished.notes]

    def restart_unfinished(self) -> bool:
        """Have trials that were cut off begin anew instead of going on; returns whether there were any."""
        held = bool(self._unfinished)
        retire_logs(self._directory, read_logs(self._directory), keep=False)
        self._unfinished = {}
        self._count_attempts()
        return held

    def _count_attempts(self) -> None:
        """No number is used again, whether its rows count, are superseded or were damaged."""
        for path in own_files(self._directory):
            if match := FILE_NAME.fullmatch(path.name.split(".")[0]):
                self._note_attempt(match["group"], int(match["attempt"]))
        for folder in ("trials", "epochs", f"{ATTEMPTS}/trials", f"{ATTEMPTS}/epochs"):
            for path in (self._directory / folder).glob("*.parquet"):
                with suppress(pa.ArrowException, OSError, ValueError):
                    refuse_special(path)
                    rows = pq.read_table(path, columns=[*KEY, "attempt"]).group_by(KEY).aggregate([("attempt", "max")])
                    for row in rows.to_pylist():
                        key = TrialKey(row["optimizer"], row["phase"], row["number"])
                        self._note_attempt(_group(key, row["replicate"]), row["attempt_max"])

    def _note_attempt(self, group: str, number: int) -> None:
        self._num_attempts[group] = max(self._num_attempts[group], number + 1)

    def begin(self, task: Task, *, checkpoint: str | None = None, earlier: Attempt | None = None) -> Attempt:
        """Begin an attempt at a task.

        Args:
            task: What is trained.
            checkpoint: Name of the checkpoint that its worker writes, if it does.
            earlier: The attempt of this run that it supersedes, or goes on with.

        Raises:
            OSError: The study's directory is gone.
        """
        self._presence.check()
        group = _group(task.key, task.replicates[0])
        number = self._num_attempts[group]
        self._num_attempts[group] += 1
        if earlier is None and (log := self._unfinished.pop((task.key, task.replicates), None)):
            earlier = Attempt.stored(self._directory, task, log)
        return Attempt(self._directory, f"{group}-{number}", task, number, checkpoint, earlier)

    def unfinished(self, task: Task) -> tuple[str, int] | None:
        """Name of the checkpoint of a task that an earlier run has begun, and how many of its epochs are logged."""
        log = self._unfinished.get((task.key, task.replicates))
        return (log.checkpoint, log.rows[-1]["epoch"]) if log and log.checkpoint else None

    def commit(self, attempt: Attempt, trials: Sequence[Row]) -> None:
        """Store an attempt that has ended.

        Args:
            attempt: The attempt, which has all rows of `epochs`.
            trials: One row per replicate.

        Raises:
            OSError: The disk is full or may not be written, or the study's directory is gone.
        """
        self._presence.check(*TABLES)
        attempt.end_earlier()
        rows = {"epochs": attempt.rows, "trials": [{**row, "run": self._run} for row in trials]}
        for name, content in rows.items():
            if content:
                table = pa.Table.from_pylist(content, schema=self.schemas[name])
                write_part(table, self._directory / name, attempt.name)
        self._presence.check(*TABLES)
        self._presence.add(attempt.name, len(trials))
        attempt.remove_log()

    def close(self, *, finished: bool = False) -> None:
        """End a run: what was cut off is superseded, unless a later run may go on with it, and small files are merged.

        Args:
            finished: Whether nothing is left to train.

        Raises:
            OSError: The disk is full or may not be written, or rows that were stored are gone.
        """
        self._presence.check(*TABLES)
        retire_logs(self._directory, read_logs(self._directory), keep=self._continues and not finished)
        self.merge()
        self._presence.check_rows(len(self.outcomes()))

    def merge(self) -> None:
        """Merge small files.

        Raises:
            DamagedFileError: A file is damaged.
            OSError: The disk is full or may not be written.
        """
        for name in FULL:
            merge_parts(self._directory / name, self.schemas[name])

    def timed_optimizers(self) -> set[str]:
        """Names of the optimizers whose steps have been timed side by side."""
        return timed_optimizers(self._directory)

    def store_timings(self, rows: Sequence[Row]) -> None:
        """Store timings, whole or not at all; they stand for any earlier ones from then on.

        Args:
            rows: Rows of `timings`, their blocks numbered from 0.

        Raises:
            OSError: The disk is full or may not be written.
        """
        store_timings(self._directory, rows)

    def record_run(
        self,
        run: Row,
        claims: Mapping[str, object] | None = None,
        error_plan: Mapping[str, object] | None = None,
    ) -> None:
        """Store what the study is and where the rows of a run that begins come from.

        Args:
            run: When, how, with which commit, versions and hardware.
            claims: What is claimed; only the first run fixes it.
            error_plan: How the error of verdicts is shared out; the same.
        """
        begun: dict[str, Any] = {"runs": [], "looks": [], "claims": claims, "error_plan": error_plan}
        stored = read_study(self._directory) or begun
        runs, looks = [*stored["runs"], run], stored["looks"]
        self._run = len(runs) - 1
        fixed = {name: stored[name] for name in ("claims", "error_plan") if stored.get(name)}
        write_study(self._directory, {**self._spec.to_dict(), "runs": runs, "looks": looks, **fixed})
        self._presence.check(*TABLES)

    def record_look(self, num_confirm_seeds: int, repeated: Iterable[Outcome] = ()) -> None:
        """Store that the results have been looked at; every look at a growing study costs significance.

        A look at the same replicates as the last one costs nothing and is not stored.

        Args:
            num_confirm_seeds: Fresh seeds of each confirmed setting that are planned.
            repeated: Replicates of the repeats, which the same look has seen.
        """
        stored = read_study(self._directory)
        assert stored is not None
        look = look_at(self.outcomes(), repeated, num_confirm_seeds)
        if stored["looks"] and stored["looks"][-1].items() >= look.items():
            return
        look = {"time": datetime.now(UTC).isoformat(timespec="seconds"), **look}
        write_study(self._directory, {**stored, "looks": [*stored["looks"], look]})

    def outcomes(self) -> list[Outcome]:
        """How every stored replicate ended.

        Raises:
            ValueError: A file is damaged, or its rows belong to another study.
        """
        table = read_table(self._directory / "trials", self.schemas["trials"])
        for path, reason in table.damaged.items():
            raise ValueError(f"{str(path)!r} is damaged ({reason}); the command without --dry-run sets it aside.")
        refuse_other_study(table, self._spec.optimizers)
        return [
            self._outcome(row) for row in concatenated((part.rows for part in table.parts), table.schema).to_pylist()
        ]

    def _outcome(self, row: Mapping[str, Any]) -> Outcome:
        return Outcome(
            key=TrialKey(row["optimizer"], row["phase"], row["number"]),
            point={name: row[name] for name in self._hyperparameters[row["optimizer"]]},
            replicate=row["replicate"],
            status=row["status"],
            validation_error=row["validation_error"],
        )


def _group(key: TrialKey, replicate: int) -> str:
    return f"{key.optimizer}-{key.phase}-{key.number:05d}-{replicate:03d}"
