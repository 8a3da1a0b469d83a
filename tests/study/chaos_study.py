"""A study that is disturbed: its driver, the moments at which it trains, and starting it again."""

import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from chaos_places import Folder
from chaos_processes import POLL_SECONDS, Process, end_orphans

GLANCE_SECONDS = 0.25
"""Between looks while Ray starts, which needs the cores more than a quick answer is worth."""

DEADLINE_SECONDS = 300
"""Longest wait for the next sign of life of a study."""

TEND_SECONDS = 1.0

WAY_ON = re.compile(r"[Gg]o on with: |the same command tr", re.ASCII)
"""In what a run says that ends before its time."""


class Study:
    """A study and the process of its driver.

    Args:
        place: Where it runs.
        words: Arguments of `python -m study.run`, but for the output.

    Attributes:
        ends: What the driver said at its end, or the signal that ended it, of every driver that did not come to the
            end of the study; with the kind of the last fault before.
    """

    def __init__(self, place: Folder, words: Sequence[str]) -> None:
        self.place = place
        self._command = [sys.executable, "-m", "study.run", *words, "--output", place.output]
        self._driver: subprocess.Popen[bytes] | subprocess.Popen[str] | None = None
        self._tended, self._said = 0.0, 0
        self._own: list[Process] = []
        self._fault = ""
        self.ends: list[tuple[str, str]] = []

    @property
    def directory(self) -> pathlib.Path:
        """Where it is kept."""
        return self.place.directory

    @contextmanager
    def started(self) -> Iterator[None]:
        """Start the driver; whatever runs at the end is killed."""
        self.start()
        try:
            yield
        finally:
            if self.process.poll() is None:
                self.kill_driver()

    def start(self) -> None:
        """Start the driver once there are machines."""
        self._wait_until(self.place.tend, GLANCE_SECONDS)
        self._said = self.place.log.stat().st_size if self.place.log.exists() else 0
        self._driver = self.place.start(self._command)

    @property
    def process(self) -> "subprocess.Popen[bytes] | subprocess.Popen[str]":
        """What was started: the driver, or what it was started by on another host."""
        assert self._driver is not None
        return self._driver

    def expect(self, fault: str) -> None:
        """From now on a driver that ends before its time does so because of a fault."""
        self._fault = fault

    @property
    def ended(self) -> bool:
        """Whether the study has come to its end; a driver that a fault has ended is started again.

        Raises:
            RuntimeError: The driver has failed, or has ended with more or less than the line that it owes.
        """
        self._tend()
        status = self.process.poll()
        if status:
            end_orphans(self._own)  # one of them tells the way on if the driver cannot
            self._excuse(status)
            self.start()
        return status == 0

    def _excuse(self, status: int) -> None:
        lines = self._output().splitlines()
        text = "\n".join([f"The driver ended with {status}; the end of {self.place.log}:", *lines[-30:]])
        told = [line for line in lines if WAY_ON.search(line)]
        if not self._fault or status not in (1, -signal.SIGKILL) or "Traceback" in self._output() or not told:
            raise RuntimeError(text)
        self.ends.append((self._fault, told[-1]))

    def _output(self) -> str:
        with self.place.log.open("rb") as log:
            log.seek(self._said)
            return log.read().decode(errors="replace")

    def await_end(self) -> None:
        """Wait until the study has come to its end."""
        while not self.ended:
            self._await_commit()

    def await_moment(self, num_commits: int, delay_seconds: float) -> bool:
        """Wait until a worker trains, then for commits, a delay and, if none trains now, for the next that does.

        Returns:
            Whether there is such a moment before the study ends.
        """
        self._wait_until(lambda: self.ended or self.training(), GLANCE_SECONDS)
        known = self._commits()
        self._wait_until(lambda: self.ended or len(self._commits() - known) >= num_commits)
        until = time.monotonic() + delay_seconds
        self._wait_until(lambda: self.ended or time.monotonic() >= until)
        self._wait_until(lambda: self.ended or self.training())
        return not self.ended

    def kill_driver(self) -> None:
        """Kill the driver and see its Ray end."""
        own = self.place.own(self.process.pid)
        driver = self.place.driver(self.process.pid)
        if driver is not None:
            driver.kill()
        self.process.wait()
        end_orphans(own)

    def training(self) -> list[Process]:
        """The workers that train."""
        return [process for process in self.place.family(self.process.pid) if process.trains]

    def _wait_until(self, condition: Callable[[], object], poll_seconds: float = POLL_SECONDS) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"Nothing has happened for {DEADLINE_SECONDS} s; see {self.place.log}.")
            time.sleep(poll_seconds)

    def _await_commit(self) -> None:
        known = self._commits()
        self._wait_until(lambda: self.ended or self._commits() != known, GLANCE_SECONDS)

    def _tend(self) -> None:
        if time.monotonic() > self._tended + TEND_SECONDS:
            self.place.tend()
            self._own = self.place.own(self.process.pid) or self._own
            self._tended = time.monotonic()

    def _commits(self) -> set[str]:
        """Names of stored epochs, also of those that are being written: their trial's rows follow."""
        folder = self.directory / "epochs"
        paths = folder.iterdir() if folder.exists() else ()
        return {path.name.removeprefix(".").partition(".parquet")[0] for path in paths}
