"""Processes as /proc shows them, and a signal that hits nobody else. Linux only."""

import os
import pathlib
import re
import signal
import time
from dataclasses import dataclass

PROC = pathlib.Path("/proc")

TRAINING = re.compile(r"ray::\w*Trainable\.train")
"""Title that Ray gives a worker process while it trains an epoch."""

POLL_SECONDS = 0.005

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

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """The process of a number that is there now."""
        found = _status(pid)
        return None if found is None else cls(pid, found.start)

    @property
    def lives(self) -> bool:
        """Whether it is there and no zombie."""
        found = _status(self.pid)
        return found is not None and found.start == self.start and found.state not in "ZX"

    @property
    def trains(self) -> bool:
        """Whether it is a Ray worker that trains at this moment."""
        return TRAINING.fullmatch(self.title) is not None and self.lives

    @property
    def title(self) -> str:
        """The first word of its command line, which a process may have changed."""
        try:
            return (PROC / str(self.pid) / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
        except OSError:
            return ""

    def kill(self) -> bool:
        """Send SIGKILL; returns whether the process was alive."""
        return self.send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> bool:
        """Send a signal; returns whether the process was alive."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.lives:  # the handle may be that of a later process
                return False
            signal.pidfd_send_signal(handle, number)
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
