"""Many small Parquet files become few; readers who heed `replaces` see every row once at all times."""

import pathlib
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.ledger.durable import write_part
from analysis.ledger.parts import read_part
from analysis.ledger.schema import KEYS
from study.ledger.tables import concatenated

FULL = {"trials": 100, "epochs": 1000}
"""Rows from which on a file is left as it is. A changed byte costs its file: this much is trained again at most."""


def merge_parts(folder: pathlib.Path, schema: pa.Schema) -> None:
    """Merge the small files of a table.

    The old ones go only after the new one, which says that it replaces them, is in place.

    Args:
        folder: The table's folder, brought in order by `Ledger.recover`.
        schema: Its schema.

    Raises:
        DamagedFileError: A file is damaged.
        OSError: The disk is full or may not be written.
    """
    for paths in _groups(sorted(folder.glob("*.parquet")), FULL[folder.name]):
        if len(paths) > 1:
            replace_files(folder, paths, concatenated((read_part(path).rows for path in paths), schema))


def replace_files(folder: pathlib.Path, paths: Iterable[pathlib.Path], rows: pa.Table) -> None:
    """Put one file in the place of others, its rows in the order of their keys."""
    numbers = [int(path.name.split(".")[0].removeprefix("merged-")) for path in folder.glob("merged-*.parquet")]
    write_part(
        rows.sort_by([(name, "ascending") for name in KEYS[folder.name]]),
        folder,
        f"merged-{max(numbers, default=0) + 1:05d}",
        replaces=[path.name for path in paths],
    )
    for path in paths:
        path.unlink()


def _groups(paths: Iterable[pathlib.Path], full: int) -> Iterator[list[pathlib.Path]]:
    """Neighbours among the files that are not full, as many as it takes to fill one."""
    group: list[pathlib.Path] = []
    num_rows = 0
    for path in paths:
        size = pq.read_metadata(path).num_rows
        if size < full:
            group.append(path)
            num_rows += size
        if num_rows >= full:
            yield group
            group, num_rows = [], 0
    yield group
