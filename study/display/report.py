"""After training: the report, made in a process of its own, and what the terminal shows of it."""

import pathlib
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from analysis.report.write import Report, write_report
from analysis.statistics.intervals import Estimate
from analysis.tables.results import Result
from analysis.wording import count
from study.display.console import say
from study.display.table import print_table
from study.own_process import in_own_process


def report_apart(directory: pathlib.Path) -> Report:
    """What `write_report` does and raises.

    Raises:
        OSError: The process has ended before the report was whole.
    """
    remedy = f"Write the report again with: python -m analysis.report {directory}"
    return in_own_process(write_report, directory, work="wrote the report", remedy=remedy)


def print_report(console: Console, report: Report) -> None:
    """Show the result of each optimizer, how the claims came out and where the page is."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("optimizer", no_wrap=True)
    words = [name for result in report.results if result.best for name in result.best.hyperparameters]
    table.add_column("best setting", min_width=max(map(len, words), default=0))
    for title in ("validation error", "test accuracy", "published"):
        table.add_column(title, justify="right")
    table.add_column("diverged", justify="right", min_width=len("diverged"))
    for result in report.results:
        best = result.best
        table.add_row(
            result.optimizer,
            "-" if best is None else _point(best.hyperparameters),
            _error(result),
            _mean(result.tuned_accuracy),
            _mean(result.published_accuracy),
            f"{result.diverged} of {result.trials}",
        )
    print_table(console, table)
    if failed := sum(result.failed for result in report.results):
        say(console, f"{count(failed, 'tuning trial')} failed; the column `message` of the ledger's trials says why.")
    if report.mixture:
        say(console, f"Note: {report.mixture}")
    if report.verdicts:
        say(console, report.verdicts)
    console.print(f"Report: {report.path}", soft_wrap=True, highlight=False, markup=False)


def _point(point: Mapping[str, float]) -> str:
    return "\n".join(f"{name} {value:.3g}" for name, value in point.items())


def _error(result: Result) -> str:
    """Validation error of the winner on fresh seeds; before them the one that it won by, which flatters it."""
    if result.best is None or result.tuned_error:
        return _mean(result.tuned_error)
    return f"{result.best.validation_error:.1%} in tuning"


def _mean(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.mean:.1%}"
    return f"{estimate.mean:.1%} ± {(estimate.high - estimate.low) / 2:.1%}"
