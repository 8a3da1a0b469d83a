"""`python -m study.audit` puts the verdicts themselves to the test, on data whose truth is known.

Simulated studies show how often a verdict is false and how often an effect is found: of settings, where seeds vary, and
of optimizers, which are tuned, confirmed and judged as in a study. Real optimizers on energies with known answers show
that "noise converges faster" is refuted where it must be and "noise escapes" is supported.
"""

import sys
from collections.abc import Sequence
from itertools import chain

from rich.table import Table

from analysis.command_line import Parser, stoppable
from study.audit import seeds, tuning
from study.display.console import new_console
from study.display.table import print_table

SHORT, LONG = (100, 40), (1000, 1000)
"""Simulated studies behind each share: of given settings, and with their tuning, which takes a quarter of a second."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; 1 if an audit fails."""
    parser = Parser(prog="python -m study.audit", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--short",
        action="store_true",
        help=f"{SHORT[0]} and {SHORT[1]} simulated studies in the place of {LONG[0]:,}, which take about half an hour",
    )
    options = parser.parse_args(words)
    num_studies, num_tuned = SHORT if options.short else LONG
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("audit", "expected", "found", ""):
        table.add_column(title)
    passed = True
    for audit in chain(seeds.audits(num_studies), tuning.audits(num_tuned)):
        passed &= audit.is_passed
        table.add_row(audit.name, audit.expected, audit.found, "passed" if audit.is_passed else "FAILED")
        print(f"{audit.name}: {audit.found}", file=sys.stderr, flush=True)  # the next one may take an hour
    print_table(new_console(), table)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(stoppable("python -m study.audit")(main)())
