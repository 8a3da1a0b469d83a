"""The tables of a ledger as CSV, for programs that read no Parquet."""

import pathlib
from collections.abc import Mapping

import polars as pl
import pyarrow as pa

from analysis.ledger.durable import publish
from analysis.ledger.parts import read_parts
from analysis.ledger.schema import KEYS
from analysis.spreadsheet import quoted
from study.ledger.tables import concatenated


def export_csv(directory: pathlib.Path, schemas: Mapping[str, pa.Schema], output: pathlib.Path) -> list[pathlib.Path]:
    """Write `trials.csv`, `epochs.csv` and `timings.csv`; files of an earlier export are replaced.

    Lists are numbers with blanks between them, bits are hexadecimal digits. A single quote stands before text that a
    spreadsheet would run.

    Args:
        directory: The study's directory.
        schemas: Schema of each table.
        output: Folder of the files.

    Raises:
        DamagedFileError: A file of the ledger is damaged.
        OSError: The disk is full or may not be written.
    """
    written = []
    for name, schema in schemas.items():
        table = concatenated((part.rows for part in read_parts(directory / name)), schema)
        rows = pl.DataFrame(pl.from_arrow(table))
        plain = quoted(rows.sort(KEYS[name])).with_columns(
            pl.selectors.list().list.eval(pl.element().cast(pl.String)).list.join(" "),
            pl.selectors.binary().bin.encode("hex"),
        )
        path = output / f"{name}.csv"
        publish(path, plain.write_csv)
        written.append(path)
    return written
