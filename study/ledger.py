"""The store of a study: Parquet files and `study.json`, written by the driver alone. No Ray.

A file is complete or absent: it is written under another name on the same disk, then renamed. The epochs of a group of
replicates are stored before its trial rows, so a stored trial always has its epochs.
"""

import json
import os
import pathlib
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from analysis.schema import epochs_schema, trials_schema
from study.schedule import Outcome, Task, TrialKey
from study.spec import FORMAT_VERSION, StudySpec

Row = Mapping[str, Any]


class Ledger:
    """The ledger in a directory.

    Args:
        directory: The study's directory; made when something is first written.
        spec: The study, whose hyperparameters are columns of `trials`.
    """

    def __init__(self, directory: pathlib.Path, spec: StudySpec) -> None:
        self._directory, self._spec = directory, spec
        hyperparameters = {name for definition in spec.optimizers.values() for name in definition.space}
        self._schemas = {"trials": trials_schema(hyperparameters), "epochs": epochs_schema()}
        self._hyperparameters = {name: sorted(definition.space) for name, definition in spec.optimizers.items()}

    def commit(self, task: Task, attempt: int, trials: Sequence[Row], epochs: Sequence[Row]) -> None:
        """Store a finished group of replicates.

        Args:
            task: What was trained.
            attempt: Which attempt at it, from 0.
            trials: One row per replicate.
            epochs: One row per replicate and epoch.

        Raises:
            FileExistsError: The same attempt is stored already; results are never overwritten.
        """
        key = task.key
        name = f"{key.optimizer}-{key.phase}-{key.number:05d}-{task.replicates[0]:03d}-{attempt}.parquet"
        self._set_aside_orphan(name)
        for folder, rows in (("epochs", epochs), ("trials", trials)):
            table = pa.Table.from_pylist(list(rows), schema=self._schemas[folder])
            write_atomically(table, self._directory / folder / name)

    def _set_aside_orphan(self, name: str) -> None:
        """Move epochs out of the way whose trial rows an earlier run did not live to store."""
        epochs, trials = self._directory / "epochs" / name, self._directory / "trials" / name
        if epochs.exists() and not trials.exists():
            attempts = self._directory / "attempts"
            attempts.mkdir(exist_ok=True)
            epochs.replace(attempts / f"{epochs.stem}-{time.time_ns()}.parquet")

    def record_run(self, run: Row) -> None:
        """Store what the study is and where the rows of a run that begins come from.

        The metadata of the Parquet files committed from now on names the run by its place in `runs`.
        """
        stored = read_study(self._directory) or {"runs": [], "looks": []}
        runs, looks = [*stored["runs"], run], stored["looks"]
        origin = {"study_hash": self._spec.study_hash, "run": str(len(runs) - 1)}
        self._schemas = {
            name: schema.with_metadata({**schema.metadata, **origin}) for name, schema in self._schemas.items()
        }
        write_study(self._directory, {**self._spec.to_dict(), "runs": runs, "looks": looks})

    def record_look(self, num_confirm_seeds: int) -> None:
        """Store that the results have been looked at; every look at a growing study costs significance.

        A look at the same replicates as the last one costs nothing and is not stored.
        """
        stored = read_study(self._directory)
        assert stored is not None
        look: dict[str, Any] = {"num_confirm_seeds": num_confirm_seeds, "num_replicates": len(self.outcomes())}
        if stored["looks"] and stored["looks"][-1].items() >= look.items():
            return
        look = {"time": datetime.now(UTC).isoformat(timespec="seconds"), **look}
        write_study(self._directory, {**stored, "looks": [*stored["looks"], look]})

    def outcomes(self) -> list[Outcome]:
        """How every stored replicate ended.

        Raises:
            ValueError: A file is damaged.
        """
        schema = self._schemas["trials"]
        paths = sorted((self._directory / "trials").glob("*.parquet"))
        try:
            table = ds.dataset(paths, schema=schema).to_table() if paths else schema.empty_table()
        except (OSError, pa.ArrowException) as error:
            raise ValueError(f"The files of {self._directory / 'trials'} must be intact Parquet: {error}") from None
        return [self._outcome(row) for row in table.to_pylist()]

    def _outcome(self, row: Row) -> Outcome:
        return Outcome(
            key=TrialKey(row["optimizer"], row["phase"], row["number"]),
            point={name: row[name] for name in self._hyperparameters[row["optimizer"]]},
            replicate=row["replicate"],
            status=row["status"],
            validation_error=row["validation_error"],
        )


def write_atomically(table: pa.Table, path: pathlib.Path) -> None:
    """Write a Parquet file so that a reader sees all of it or none of it.

    Raises:
        FileExistsError: `path` is there already; results are never overwritten.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists; results are never overwritten, so pick another --output or delete it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path)
    pq.write_table(table, draft, compression="zstd", write_page_checksum=True)
    _publish(draft, path)


def write_study(directory: pathlib.Path, content: Mapping[str, Any]) -> None:
    """Write `study.json` so that a reader sees the old one or the new one."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "study.json"
    draft = _draft(path)
    draft.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    _publish(draft, path)


def read_study(directory: pathlib.Path) -> dict[str, Any] | None:
    """What `study.json` holds, or None if the directory is missing or empty.

    Raises:
        ValueError: The directory holds something else, or `study.json` is damaged.
    """
    path = directory / "study.json"
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"--output must be a directory, {directory} is a file; choose another.")
    if not path.exists():
        if directory.exists() and any(not path.name.startswith(".") for path in directory.iterdir()):
            raise ValueError(f"--output must be a new directory or that of a study, {directory} holds other files.")
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format_version"] != FORMAT_VERSION:
            raise ValueError(f"it has format {content['format_version']}, this release writes {FORMAT_VERSION}")
        StudySpec.from_dict(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} must describe a study, but cannot be read ({error!r}); restore it.") from None
    assert isinstance(content, dict)
    return content


def _publish(draft: pathlib.Path, path: pathlib.Path) -> None:
    """Give a draft its name once its bytes are on the disk: a power loss leaves the old file or the new one."""
    _flush(draft)
    draft.replace(path)
    _flush(path.parent)


def _flush(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _draft(path: pathlib.Path) -> pathlib.Path:
    # Readers take *.parquet only and Arrow's discovery ignores names that begin with a dot.
    return path.parent / f".{path.name}.{os.getpid()}"
