"""Live view of a running study: a bar and a table in a terminal, plain lines elsewhere."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from analysis.ledger.schema import STATUSES
from analysis.wording import count
from study.display.console import say
from study.display.fleet import Fleet
from study.display.table import fits
from study.ledger.rows import Row
from study.queue.tasks import Outcome
from study.queue.trial_queue import TrialQueue

SECONDS_BETWEEN_LINES = 10.0

NARROWEST = 76
"""Columns that the bar with its numbers takes."""


class Progress:
    """Shows how far a study is; a context manager.

    Args:
        queue: Knows the total and the best setting so far.
        optimizers: Names, in the order in which they are shown.
        outcomes: How the replicates of earlier runs ended.
        fleet: The nodes.
        console: Where to show it.
    """

    def __init__(
        self,
        queue: TrialQueue,
        optimizers: Sequence[str],
        outcomes: Sequence[Outcome],
        fleet: Fleet,
        console: Console,
    ) -> None:
        self._queue, self._optimizers, self._fleet, self._console = queue, optimizers, fleet, console
        self._counts: Counter[tuple[str, str]] = Counter()
        self._count(outcomes)
        self._num_done_before = self._counts.total()
        self._start = self._last_line = time.monotonic()
        self._bar = Bar(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("networks"),
            TimeElapsedColumn(), TextColumn("{task.fields[left]}"), console=console,
        )  # fmt: skip
        self._task = self._bar.add_task(
            "training", total=queue.num_replicates(), completed=self._num_done_before, left=""
        )
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=4, transient=False,
            redirect_stdout=False, redirect_stderr=False,  # what others print is kept apart
        )  # fmt: skip

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        else:
            self._print_line()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()
        else:
            self._print_line()

    def say(self, text: str) -> None:
        """Print a line."""
        say(self._console, text)

    def refresh(self) -> None:
        """Say which nodes have come or gone.

        Raises:
            ValueError: One has come that must not train for us.
        """
        for line in self._fleet.update():
            say(self._console, line)

    def trial_retried(self) -> None:
        """Count a trial that has to be started again."""
        self._fleet.num_retried += 1

    def trial_finished(self, outcomes: Sequence[Outcome], rows: Sequence[Row], kind: str) -> None:
        """Count a stored trial.

        Args:
            outcomes: How its replicates ended.
            rows: Its rows of `trials`.
            kind: Kind of device that it was given.
        """
        self._count(outcomes)
        if note := self._fleet.trial_finished(rows, kind):
            say(self._console, note)
        total = self._queue.num_replicates()
        self._bar.update(self._task, completed=self._counts.total(), total=total, left=self._time_left(total))
        if not self._console.is_terminal and time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._print_line()

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        self._counts.update((outcome.key.optimizer, outcome.status) for outcome in outcomes)

    def _time_left(self, total: int) -> str:
        num_done = self._counts.total()
        trained = num_done - self._num_done_before
        if not trained:
            return ""
        seconds = (time.monotonic() - self._start) / trained * (total - num_done)
        return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"

    def _render(self) -> Group:
        table = Table("optimizer", "best so far", "at", box=None, header_style="dim", pad_edge=False)
        for status in STATUSES:
            table.add_column(status, justify="right")
        for name in self._optimizers:
            table.add_row(name, *self._best(name), *(str(self._counts[name, status]) for status in STATUSES))
        if self._console.width >= NARROWEST and fits(self._console, table):
            return Group(self._bar, table, *self._cluster())
        return Group(Text(self._short()), *(Text(self._short(name)) for name in self._optimizers))

    def _short(self, name: str | None = None) -> str:
        """How far an optimizer is, or all of them, in a few words for a terminal without room for a table."""
        if name is None:
            total = self._queue.num_replicates()
            words = [f"{self._counts.total()} of {count(total, 'network')}", self._time_left(total)]
        else:
            ended = {status: self._counts[name, status] for status in STATUSES}
            words = [f"{name} {self._best(name)[0]}", *(f"{number} {word}" for word, number in ended.items() if number)]
        return ", ".join(filter(None, words))

    def _cluster(self) -> Iterator[Table | Text]:
        rows = self._fleet.table()
        if len(rows) > 1:
            nodes = Table("node", "devices", box=None, header_style="dim", pad_edge=False)
            nodes.add_column("trials", justify="right")
            for address, devices, number in rows:
                nodes.add_row(address, devices, str(number))
            yield nodes
        if summary := self._fleet.summary(by_node=False):
            yield Text(summary, style="dim")

    def _best(self, name: str) -> tuple[str, str]:
        best = self._queue.best(name)
        if best is None:
            return "-", ""
        error, point = best
        return f"{error:.1%} error", ", ".join(f"{key} {value:.3g}" for key, value in point.items())

    def _print_line(self) -> None:
        self._last_line = time.monotonic()
        total = self._queue.num_replicates()
        best = ", ".join(f"{name} {self._best(name)[0]}" for name in self._optimizers)
        statuses = Counter(dict.fromkeys(STATUSES[1:], 0))
        for (_, status), number in self._counts.items():
            statuses[status] += number
        ended = ", ".join(f"{statuses[status]} {status}" for status in STATUSES[1:])
        text = f"{self._counts.total()} of {count(total, 'network')}, {ended}; best {best}"
        parts = [text, self._fleet.summary(), self._time_left(total)]
        self._console.print("; ".join(filter(None, parts)), soft_wrap=True, highlight=False, markup=False)
