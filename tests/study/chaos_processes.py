"""The processes of a study as /proc shows them, and a SIGKILL that hits nobody else. Linux only."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

PROC = pathlib.Path("/proc")

TRAINING = re.compile(r"ray::\w*Trainable\.train")
"""Title that Ray gives a worker process while it trains an epoch."""

POLL_SECONDS = 0.005

GLANCE_SECONDS = 0.25
"""Between looks while Ray starts, which needs the cores more than a quick answer is worth."""

DEADLINE_SECONDS = 600
"""Longest wait for the next sign of life of a study."""

PATIENCE_SECONDS = 3
"""How long the processes of a killed driver may take to end by themselves; Ray's agents take half a minute."""


@dataclass(frozen=True)
class Process:
    """A process, told by its start time from a later one of the same number.

    Args:
        pid: Its number.
        start: When it started, in clock ticks since boot.
    """

    pid: int
    start: int

    @property
    def lives(self) -> bool:
        """Whether it is there and no zombie."""
        found = _status(self.pid)
        return found is not None and found.start == self.start and found.state not in "ZX"

    @property
    def trains(self) -> bool:
        """Whether it is a Ray worker that trains at this moment."""
        try:
            title = (PROC / str(self.pid) / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
        except OSError:
            return False
        return TRAINING.fullmatch(title) is not None and self.lives

    def kill(self) -> bool:
        """Send SIGKILL; returns whether the process was alive."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.lives:  # the handle may be that of a later process
                return False
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True


@dataclass(frozen=True)
class _Status:
    state: str
    parent: int
    start: int


def _status(pid: int) -> _Status | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return _Status(state=fields[0], parent=int(fields[1]), start=int(fields[19]))


def descendants(*roots: int) -> list[Process]:
    """The living children of processes, their children and so on, by number."""
    pids = [int(path.name) for path in PROC.iterdir() if path.name.isdigit()]
    statuses = {pid: status for pid in pids if (status := _status(pid)) is not None}
    family = set(roots)
    while born := {pid for pid, status in statuses.items() if status.parent in family} - family:
        family |= born
    own = sorted(family - set(roots))
    return [process for pid in own if (process := Process(pid, statuses[pid].start)).lives]


def end_orphans(family: list[Process]) -> None:
    """Wait until the processes of a dead driver, and those that they start meanwhile, are gone; kill what stays."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while family := [process for process in family if process.lives]:
        known = {process.pid for process in family}
        family += [process for process in descendants(*known) if process.pid not in known]
        if time.monotonic() > deadline:
            for process in family:
                process.kill()
        time.sleep(POLL_SECONDS)


class Study:
    """A study and the process of its driver.

    Args:
        directory: Where it is kept; its output goes to a file beside it.
        words: Arguments of `python -m study.run`, but for the directory.
        scratch: Directory for temporary files.
    """

    def __init__(self, directory: pathlib.Path, words: Sequence[str], scratch: str) -> None:
        self.directory, self._scratch = directory, scratch
        self._command = [sys.executable, "-m", "study.run", *words, "--output", str(directory)]
        self._log = directory.with_name(f"{directory.name}.log")
        self._driver: subprocess.Popen[bytes] | None = None

    @contextmanager
    def started(self) -> Iterator[None]:
        """Start the driver; whatever runs at the end is killed."""
        self.start()
        try:
            yield
        finally:
            self._end()

    def start(self) -> None:
        """Start the driver on a Ray of its own."""
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        environment |= {"RAY_TMPDIR": self._scratch, "TMPDIR": self._scratch}
        with self._log.open("ab") as log:
            self._driver = subprocess.Popen(
                self._command, cwd=self._log.parent, env=environment, stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def ended(self) -> bool:
        """Whether the study has come to its end.

        Raises:
            RuntimeError: The driver has failed.
        """
        status = self._process.poll()
        if status:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
            raise RuntimeError("\n".join([f"The driver ended with {status}; the end of {self._log}:", *lines[-30:]]))
        return status is not None

    def await_end(self) -> None:
        """Wait until the study has come to its end."""
        while not self.ended:
            self._await_commit()

    def await_moment(self, num_commits: int, delay_seconds: float) -> bool:
        """Wait until a worker trains, then for commits, a delay and, if none trains now, for the next that does.

        Returns:
            Whether there is such a moment before the study ends.
        """
        self._wait_until(lambda: self.ended or self._training(), GLANCE_SECONDS)
        known = self._commits()
        self._wait_until(lambda: self.ended or len(self._commits() - known) >= num_commits)
        until = time.monotonic() + delay_seconds
        self._wait_until(lambda: self.ended or time.monotonic() >= until)
        self._wait_until(lambda: self.ended or self._training())
        return not self.ended

    def kill_driver(self) -> int | None:
        """Kill the driver and see its Ray end; returns its number, or None if it had ended."""
        family = descendants(self._process.pid)
        self._process.kill()
        status = self._process.wait()
        end_orphans(family)
        return self._process.pid if status == -signal.SIGKILL else None

    def kill_worker(self, choice: float) -> int | None:
        """Kill one of the workers that train; returns its number, or None if the study has ended."""
        while not self.ended:
            workers = self._training()
            if workers and (victim := workers[int(choice * len(workers))]).kill():
                self._wait_until(lambda: not victim.lives)
                return victim.pid
            time.sleep(POLL_SECONDS)
        return None

    def _wait_until(self, condition: Callable[[], object], poll_seconds: float = POLL_SECONDS) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"Nothing has happened for {DEADLINE_SECONDS} s; see {self._log}.")
            time.sleep(poll_seconds)

    def _await_commit(self) -> None:
        known = self._commits()
        self._wait_until(lambda: self.ended or self._commits() != known, GLANCE_SECONDS)

    @property
    def _process(self) -> subprocess.Popen[bytes]:
        assert self._driver is not None
        return self._driver

    def _training(self) -> list[Process]:
        return [process for process in descendants(self._process.pid) if process.trains]

    def _commits(self) -> set[str]:
        """Names of stored epochs, also of those that are being written: their trial's rows follow."""
        folder = self.directory / "epochs"
        paths = folder.iterdir() if folder.exists() else ()
        return {path.name.removeprefix(".").partition(".parquet")[0] for path in paths}

    def _end(self) -> None:
        if self._driver is not None and self._driver.poll() is None:
            self.kill_driver()
