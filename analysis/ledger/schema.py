"""The columns a ledger must have: names, Arrow types, units. The reader owns the schema.

`python -m analysis.ledger.schema` prints the tables of `docs/ledger.md`.
"""

import pathlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

SCHEMA_VERSION = 4

STATUSES = ("complete", "diverged", "failed")
TUNING_PHASES = ("published", "explore", "exploit", "grid")
TESTED_PHASES = ("confirm", "ablation")
"""Those on the confirmation seeds, which no choice of a setting has seen; their runs read the test set."""
PHASES = (*TUNING_PHASES, "sweep", *TESTED_PHASES, "timing")

LOOKED_AT = {"confirm": "confirmed", "explore": "explored", "sweep": "swept", "ablation": "ablated"}
"""Name under which a look of `study.json` says how many runs of a phase each optimizer had, in the file's order."""


@dataclass(frozen=True)
class Column:
    """One column of a ledger table.

    Args:
        name: Its name.
        type: Its Arrow type.
        meaning: What it says.
        unit: "" for text and for pure numbers.
        nullable: Whether a row may have none.
        since: First schema version that has it; rows of older ledgers have none.
        may_be_unknown: Whether a row may have none if another program trained the run and did not record it.
    """

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    nullable: bool = False
    since: int = 1
    may_be_unknown: bool = False

    def field(self, *, imported: bool = False) -> pa.Field:
        """The column as Arrow sees it."""
        return pa.field(self.name, self.type, nullable=self.nullable or (imported and self.may_be_unknown))


_TESTED = " and ".join(TESTED_PHASES)

KEY_COLUMNS = (
    Column("optimizer", pa.string(), "name of the optimizer's file"),
    Column("phase", pa.string(), f"why the trial was run: {', '.join(PHASES)}"),
    Column("number", pa.int32(), "number of the trial: one sequence for all tuning phases, one for each later phase"),
    Column("replicate", pa.int32(), "number of the network within the trial, from 0"),
)

KEY = [column.name for column in KEY_COLUMNS]
"""What names a replicate."""

KEYS = {"trials": KEY, "epochs": [*KEY, "epoch"], "timings": ["optimizer", "block", "batch_size"]}
"""What names a row of each table."""

TRIALS_HEAD = (
    *KEY_COLUMNS,
    Column("attempt", pa.int32(), "attempt that produced the row, from 0"),
    Column("sampler", pa.string(), "what chose it: published, sobol, random, grid, tpe, sweep, winner or ablation"),
    Column("seed", pa.int64(), "root of the replicate's random streams", may_be_unknown=True),
    Column("group_size", pa.int32(), "replicates trained at once in one process", "replicates"),
    Column("shared_order", pa.bool_(), "whether the trial's replicates see the images in one order", "", True, since=3),
)

TRIALS_TAIL = (
    Column("status", pa.string(), f"outcome: {', '.join(STATUSES)}"),
    Column("message", pa.string(), "error message of a failed trial", nullable=True),
    Column("diverged_step", pa.int64(), "first step with a non-finite loss or parameter, from 1", "steps", True),
    Column("validation_loss", pa.float64(), "at the last epoch; null if diverged or failed", "nats", True),
    Column("validation_error", pa.float64(), "at the last epoch; 1 if diverged, null if failed", "fraction", True),
    Column("best_validation_loss", pa.float64(), "lowest over epochs; null if none was finite", "nats", True),
    Column(
        "best_validation_error", pa.float64(), "lowest over epochs; 1 if it diverged in the first", "fraction", True
    ),
    Column("test_loss", pa.float64(), f"after the last epoch; {_TESTED} only", "nats", True),
    Column("test_error", pa.float64(), f"after the last epoch; {_TESTED} only; 1 if diverged", "fraction", True),
    Column("test_correct", pa.binary(), f"a bit per test image, most significant first; {_TESTED} only", "bits", True),
    Column("steps", pa.int64(), "optimizer steps taken", "steps", may_be_unknown=True),
    Column("images", pa.int64(), "training images seen", "images", may_be_unknown=True),
    Column(
        "seconds",
        pa.float64(),
        "wall time of the group's training, evaluation excluded",
        "seconds",
        may_be_unknown=True,
    ),
    Column("device", pa.string(), "cpu, or the name of the GPU"),
    Column("node", pa.string(), "IP address of the Ray node"),
    Column("run", pa.int32(), "run that stored the row: its place in `runs` of study.json, from 0", "", True, since=2),
)

EPOCHS = (
    *KEY_COLUMNS,
    Column("epoch", pa.int32(), "number of the epoch, from 1", "epochs"),
    Column("attempt", pa.int32(), "attempt that produced the row, from 0"),
    Column("train_loss", pa.float64(), "eval mode, fixed training subset; null if diverged", "nats", True),
    Column("train_error", pa.float64(), "on the same subset; 1 if diverged", "fraction", may_be_unknown=True),
    Column("validation_loss", pa.float64(), "fixed validation subset of equal size; null if diverged", "nats", True),
    Column("validation_error", pa.float64(), "on the same subset; 1 if diverged", "fraction", may_be_unknown=True),
    Column("step_losses", pa.list_(pa.float32()), "training loss of every step up to divergence", "nats"),
    Column("gradient_norm", pa.float64(), "mean Euclidean norm over the epoch's steps; null if diverged", "", True),
    Column("update_norm", pa.float64(), "mean norm of the parameters' change per step; null if diverged", "", True),
    Column("weight_norm", pa.float64(), "mean norm of the parameters; null if diverged", "", True),
    Column(
        "seconds", pa.float64(), "wall time of the group's epoch, evaluation excluded", "seconds", may_be_unknown=True
    ),
    Column("steps", pa.int64(), "optimizer steps of the epoch", "steps", may_be_unknown=True),
    Column("images", pa.int64(), "training images of the epoch", "images", may_be_unknown=True),
)

TIMINGS = (
    Column("optimizer", pa.string(), "name of the optimizer's file"),
    Column("block", pa.int32(), "number of the interleaved block, from 0"),
    Column("batch_size", pa.int32(), "images per step and replicate", "images"),
    Column("replicates", pa.int32(), "replicates trained at once", "replicates"),
    Column("steps", pa.int64(), "steps timed", "steps"),
    Column("seconds", pa.float64(), "wall time of those steps", "seconds"),
    Column("device", pa.string(), "cpu, or the name of the GPU"),
    Column("node", pa.string(), "IP address of the Ray node"),
)

COLUMNS_SINCE = {column.name: column.since for column in (*TRIALS_HEAD, *TRIALS_TAIL, *EPOCHS)}
"""First schema version of each column that is no hyperparameter."""

RESERVED = frozenset(COLUMNS_SINCE)
"""Column names that no hyperparameter may have; `timings` holds no hyperparameters."""


def trials_schema(hyperparameters: Iterable[str], *, imported: bool = False) -> pa.Schema:
    """Schema of `trials`, one row per replicate.

    Args:
        hyperparameters: Names of all hyperparameters of the study's optimizers; each becomes a
            nullable float64 column, in alphabetical order, null where the optimizer has none of that name.
        imported: Whether another program trained the runs: then columns that it may not have recorded may be null.

    Raises:
        ValueError: A hyperparameter has the name of another column.
    """
    names = sorted(set(hyperparameters))
    if taken := sorted(RESERVED & set(names)):
        raise ValueError(f"Hyperparameters may not have a column's name, got {', '.join(taken)}; rename them.")
    searched = [Column(name, pa.float64(), "hyperparameter", nullable=True) for name in names]
    return _schema((*TRIALS_HEAD, *searched, *TRIALS_TAIL), imported=imported)


def epochs_schema(*, imported: bool = False) -> pa.Schema:
    """Schema of `epochs`, one row per replicate and epoch; `imported` as for `trials_schema`."""
    return _schema(EPOCHS, imported=imported)


def timings_schema() -> pa.Schema:
    """Schema of `timings`, one row per optimizer, block and batch size."""
    return _schema(TIMINGS)


def _schema(columns: Sequence[Column], *, imported: bool = False) -> pa.Schema:
    fields = [column.field(imported=imported) for column in columns]
    return pa.schema(fields, metadata={"schema_version": str(SCHEMA_VERSION)})


def markdown() -> str:
    """The tables as Markdown, one line per column."""
    searched = Column("(hyperparameters)", pa.float64(), "one column for each, named as in `study.json`", nullable=True)
    tables = {"trials": (*TRIALS_HEAD, searched, *TRIALS_TAIL), "epochs": EPOCHS, "timings": TIMINGS}
    return "\n\n".join(f"## {name}\n\n{_markdown_table(columns)}" for name, columns in tables.items()) + "\n"


def _markdown_table(columns: Sequence[Column]) -> str:
    lines = ["| column | type | unit | null | meaning |", "|---|---|---|---|---|"]
    for column in columns:
        null = "yes" if column.nullable else "imported" if column.may_be_unknown else ""
        lines.append(f"| `{column.name}` | {column.type} | {column.unit} | {null} | {column.meaning} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown(), end="")

REPEATS = "repeats"
"""Folder of the repeats but the first, which is the study itself; each is named by its number."""

NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


def repeat_directory(study_dir: pathlib.Path, repeat: int) -> pathlib.Path:
    """Folder of a repeat; that of the study for repeat 0."""
    return study_dir / REPEATS / str(repeat) if repeat else study_dir


def stored_repeats(study_dir: pathlib.Path) -> list[int]:
    """Numbers of the repeats that have begun, in order; the study itself, repeat 0, is left out."""
    begun = (path.parent.name for path in (study_dir / REPEATS).glob("*/study.json"))
    return sorted(int(name) for name in begun if NUMBER.fullmatch(name))
