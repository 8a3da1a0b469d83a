"""`python -m benchmarks` runs the parts, prints one table and writes it as Parquet."""

import argparse
import inspect
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import FunctionType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from analysis.command_line import Parser, path, print_refusal, stoppable
from analysis.ledger.durable import publish
from analysis.plugins import PluginError, Plugins, blamed
from benchmarks import ROW, Row
from study.display.console import new_console
from study.display.table import print_table
from study.request.numbers import at_least
from study.request.provenance import provenance

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("benchmark", "case", "quantity", "unit")),
        *((name, pa.float64()) for name in ("median", "low", "high")),
        ("repetitions", pa.int32()),
        ("date", pa.timestamp("s", tz="UTC")),
        ("machine", pa.string()),
        ("cores", pa.int32()),
        *((name, pa.string()) for name in ("torch", "ray", "python")),
    ]
)

PARTS = Plugins(noun="benchmark", package="benchmarks")

WIDEST = 1000
"""Characters in the longest line of the table in a file."""


@stoppable("python -m benchmarks")
def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; 2 for a bad request or a part that cannot be loaded, 1 if one fails while it measures."""
    parser, options = _parse(words)
    console = new_console()
    where = _where()
    measured: list[Row] = []
    status = 2
    try:
        parts = {name: PARTS.load(name, "rows", FunctionType) for name in options.parts}
        status = 1
        for name, measure in parts.items():
            console.print(f"Measuring {name} ...", highlight=False)
            measured += [{**found, **where, "date": datetime.now(UTC)} for found in _run(name, measure, options)]
            _write(measured, options.output)  # after each part, so that what ends a later one loses no hours
    except ValueError as error:
        print_refusal(parser.prog, error)
        return status
    _print(measured, console)
    console.print(f"Table: {options.output}", soft_wrap=True, highlight=False, markup=False)
    return 0


def part_names() -> list[str]:
    """Names of all parts, in alphabetical order."""
    return PARTS.names()


def _parse(words: Sequence[str] | None) -> tuple[Parser, argparse.Namespace]:
    parser = Parser(prog="python -m benchmarks", description="Measure what the parts of the study cost.")
    try:
        known = part_names()
    except ValueError as error:
        parser.error(str(error))
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(known)} (default: all)")
    parser.add_argument(
        "--output", type=path, default=pathlib.Path("benchmarks.parquet"), metavar="FILE.parquet",
        help="a file that does not exist yet (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--repetitions", type=at_least(1), metavar="N", help="of each measurement (default: each part's own)"
    )
    parser.add_argument("--small", action="store_true", help="sizes for a trial run, whose figures mean nothing")
    parser.add_argument(
        "--data-dir", type=path, default=os.environ.get("CIFAR10_DIR"), metavar="DIR",
        help="where the full CIFAR-10 is (default: CIFAR10_DIR, else the mini set is used)",
    )  # fmt: skip
    options = parser.parse_args(words)
    options.parts = options.parts or known
    if unknown := [name for name in options.parts if name not in known]:
        parser.error(f"PART must be some of {', '.join(known)}, got {unknown[0]!r}")
    if options.output.exists():
        parser.error(f"--output must be a new file, {options.output} exists; choose another or delete it")
    if not options.output.absolute().parent.is_dir():
        parser.error(f"--output must lie in a folder that exists, got {options.output}")
    return parser, options


def _run(name: str, measure: FunctionType, options: argparse.Namespace) -> list[Row]:
    """The rows of a part, which is given the keywords that it takes.

    Raises:
        PluginError: It raises, or returns something else than rows.
    """
    takes = inspect.signature(measure).parameters
    wanted = {key: getattr(options, key) for key in ("small", "repetitions", "data_dir") if key in takes}
    where = PARTS.where(name)
    with blamed(f"The benchmark {name!r} must measure", where):
        found = measure(**wanted)
    keys = f"rows of {where} must return at least one row, a mapping with the keys {', '.join(ROW)}"
    if not isinstance(found, list) or not found:
        raise PluginError(f"{keys}, got {'none' if found == [] else type(found).__name__}; mend it.")
    for entry in found:
        if not isinstance(entry, Mapping) or set(entry) != set(ROW):
            given = sorted(map(str, entry)) if isinstance(entry, Mapping) else type(entry).__name__
            raise PluginError(f"{keys}, got {given}; mend it.")
    with blamed(f"{keys}, words and numbers of the table", where):
        pa.Table.from_pylist(found, schema=pa.schema([SCHEMA.field(key) for key in ROW]))
    return found


def _where() -> dict[str, Any]:
    origin = provenance(())
    versions = {name: origin["versions"][name] for name in ("torch", "ray", "python")}
    return {"machine": origin["hardware"]["cpu"], "cores": origin["hardware"]["cores"], **versions}


def _write(measured: Sequence[Row], output: pathlib.Path) -> None:
    table = pa.Table.from_pylist(measured, schema=SCHEMA)
    publish(output, lambda draft: pq.write_table(table, draft))


def _print(measured: Sequence[Row], console: Console) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("benchmark", "case", "quantity"):
        table.add_column(title)
    for title in ("median", "low", "high"):
        table.add_column(title, justify="right")
    table.add_column("unit")
    table.add_column("n", justify="right")
    for found in measured:
        numbers = [f"{found[name]:,.4g}" for name in ("median", "low", "high")]
        table.add_row(
            found["benchmark"], found["case"], found["quantity"], *numbers, found["unit"], str(found["repetitions"])
        )
    # Only a terminal breaks lines: whoever searches a file or a pipe looks for whole names.
    wide = console if console.is_terminal else Console(width=WIDEST)
    print_table(wide, table)


if __name__ == "__main__":
    sys.exit(main())
