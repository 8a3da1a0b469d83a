"""`python -m study.audit` puts the verdicts themselves to the test, on data whose truth is known.

Simulated studies show how often a verdict is false, how often an effect is found and how often an interval holds what
it is of: of settings, where seeds vary, and of optimizers, which are tuned, confirmed and judged as in a study. Real
optimizers on energies with known answers show that "noise converges faster" is refuted where it must be and "noise
escapes" is supported.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.table import Table

from analysis.command_line import Parser, stoppable
from study.audit import costs, explored, images, intervals, looks, nested, questions, seeds, sensitivity, tuning
from study.audit.seeds import Audit
from study.display.console import new_console
from study.display.table import print_table


class Numbers(NamedTuple):
    """Simulated studies behind each share.

    Args:
        settings: Of given settings, which take milliseconds.
        tuned: Of optimizers that are tuned, a quarter of a second each.
        judged: Of whole ledgers of identical optimizers, up to a second each.
        planted: Of whole ledgers in which something is planted or looked at again and again.
    """

    settings: int
    tuned: int
    judged: int
    planted: int


SHORT = Numbers(settings=100, tuned=40, judged=12, planted=12)
LONG = Numbers(settings=1000, tuned=1000, judged=1000, planted=250)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; 1 if an audit fails."""
    parser = Parser(prog="python -m study.audit", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--short",
        action="store_true",
        help=f"{SHORT.judged} to {SHORT.settings} simulated studies in the place of {LONG.planted} to "
        f"{LONG.settings:,}, which take more than an hour",
    )
    options = parser.parse_args(words)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("audit", "expected", "found", ""):
        table.add_column(title)
    passed = True
    for audit in audits(SHORT if options.short else LONG):
        passed &= audit.is_passed
        table.add_row(audit.name, audit.expected, audit.found, "passed" if audit.is_passed else "FAILED")
        print(f"{audit.name}: {audit.found}", file=sys.stderr, flush=True)  # the next one may take an hour
    print_table(new_console(), table)
    return 0 if passed else 1


def audits(numbers: Numbers) -> Iterator[Audit]:
    """Every audit in turn."""
    yield from seeds.audits(numbers.settings)
    yield from costs.audits(numbers.settings)
    yield from intervals.audits(numbers.settings)
    yield from images.audits(numbers.settings)
    yield from tuning.audits(numbers.tuned)
    yield from questions.audits(numbers.judged, numbers.planted)
    yield from sensitivity.audits(numbers.judged, numbers.planted)
    yield from explored.audits(numbers.judged)
    yield from nested.audits(numbers.planted)
    yield from looks.audits(numbers.planted)


if __name__ == "__main__":
    sys.exit(stoppable("python -m study.audit")(main)())
