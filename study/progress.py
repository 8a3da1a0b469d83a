"""Live view of a running study: a bar and a table in a terminal, plain lines elsewhere."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from study.schedule import Schedule, Task

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Shows how far a study is; a context manager.

    Args:
        schedule: Knows the total and the best setting so far.
        optimizers: Names, in the order in which they are shown.
        num_done: Replicates that earlier runs have finished.
        console: Where to show it.
    """

    def __init__(self, schedule: Schedule, optimizers: Sequence[str], num_done: int, console: Console) -> None:
        self._schedule, self._optimizers, self._console = schedule, optimizers, console
        self._num_done_before = self._num_done = num_done
        self._trials: Counter[str] = Counter()
        self._diverged: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._start = self._last_line = time.monotonic()
        self._bar = Bar(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("networks"),
            TimeElapsedColumn(), TextColumn("{task.fields[left]}"), console=console,
        )  # fmt: skip
        self._task = self._bar.add_task("training", total=schedule.num_replicates(), completed=num_done, left="")
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=4, transient=False)

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

    def trial_finished(self, task: Task, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count the replicates of a stored trial."""
        self._num_done += len(rows)
        self._trials[task.key.optimizer] += 1
        statuses = Counter(row["status"] for row in rows)
        self._diverged[task.key.optimizer] += statuses["diverged"]
        self._failed[task.key.optimizer] += statuses["failed"]
        total = self._schedule.num_replicates()
        self._bar.update(self._task, completed=self._num_done, total=total, left=self._time_left(total))
        if not self._console.is_terminal and time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._print_line()

    def _time_left(self, total: int) -> str:
        trained = self._num_done - self._num_done_before
        if not trained:
            return ""
        seconds = (time.monotonic() - self._start) / trained * (total - self._num_done)
        return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"

    def _render(self) -> Group:
        table = Table("optimizer", "best so far", "at", box=None, header_style="dim", pad_edge=False)
        for title in ("trials", "diverged", "failed"):
            table.add_column(title, justify="right")
        for name in self._optimizers:
            counts = (str(counter[name]) for counter in (self._trials, self._diverged, self._failed))
            table.add_row(name, *self._best(name), *counts)
        return Group(self._bar, table)

    def _best(self, name: str) -> tuple[str, str]:
        best = self._schedule.best(name)
        if best is None:
            return "-", ""
        error, point = best
        return f"{error:.1%} error", ", ".join(f"{key} {value:.3g}" for key, value in point.items())

    def _print_line(self) -> None:
        self._last_line = time.monotonic()
        total = self._schedule.num_replicates()
        best = ", ".join(f"{name} {self._best(name)[0]}" for name in self._optimizers)
        diverged = f"{self._diverged.total()} diverged, {self._failed.total()} failed"
        text = f"{self._num_done} of {total} networks, {diverged}; best {best}"
        left = self._time_left(total)
        self._console.print(f"{text}; {left}" if left else text, soft_wrap=True, highlight=False, markup=False)
