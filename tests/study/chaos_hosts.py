"""A study on three hosts of this machine, and what of it a fault can hit."""

import pathlib
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

from chaos_places import SCRATCH_MEGABYTES, WORKERS, Folder
from chaos_processes import Process, descendants, end_orphans
from chaos_tools import Control, Disk, Memory

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from tests.cluster.hosts import RAY_FOLDER, Host, joined_hosts, reason_against

NODE_SECONDS = 60
"""Longest that a node takes to start; after that it is started again."""

PORT = 6379
TOKEN = "f00d" * 8

CLUSTER = {
    **WORKERS,
    "RAY_AUTH_MODE": "token",
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
}
"""Of `ray start`; a host that is cut off counts as lost after some ten seconds instead of forty."""


class Hosts(Folder):
    """A study on three hosts, driver and control service on one of them, workers on the two others."""

    name = "hosts"

    def __init__(self, base: pathlib.Path, scratch: pathlib.Path, *, faults: bool) -> None:
        super().__init__(base, scratch, faults=faults)
        self._hosts: tuple[Host, ...] = ()
        self._starting: dict[str, tuple[float, subprocess.Popen[str]]] = {}
        self._cut: Host | None = None

    @staticmethod
    def reason_against() -> str | None:
        """Why there can be no hosts here; None if there can."""
        return reason_against()

    @property
    def _workers(self) -> tuple[Host, ...]:
        return self._hosts[1:]

    def _set_up(self, stack: ExitStack) -> None:
        self._hosts = stack.enter_context(joined_hosts(3))
        self.controls = [Control(self._scratch, host.name) for host in self._hosts]
        for host in self._hosts:
            host.run(["mount", "-t", "tmpfs", "-o", f"size={SCRATCH_MEGABYTES}m,mode=1777", "tmpfs", str(RAY_FOLDER)])
            (host.home / ".ray").mkdir()
            (host.home / ".ray" / "auth_token").write_text(TOKEN, encoding="utf-8")
        inside = [pathlib.Path(f"/proc/{host.pid}/root{RAY_FOLDER}") for host in self._workers]
        self.node_disks = [Disk(folder) for folder in inside]
        self.memories = [Memory(host.name) for host in self._workers]
        for memory in self.memories:
            stack.callback(memory.close)
        stack.callback(self._switch_off)
        head = self._hosts[0]
        words = ("--head", f"--port={PORT}", "--num-cpus=0", "--include-dashboard=false")
        head.run(["ray", "start", *words, f"--node-ip-address={head.address}"], self._environment(0))

    def _environment(self, index: int) -> dict[str, str]:
        return {**CLUSTER, **self.controls[index].variables, "TMPDIR": str(RAY_FOLDER)}

    def start(self, words: Sequence[str]) -> subprocess.Popen[bytes] | subprocess.Popen[str]:
        """Start a driver."""
        head = self._hosts[0]
        words = [*words, "--address", f"{head.address}:{PORT}"]
        variables = {**self.controls[0].variables, "TMPDIR": str(RAY_FOLDER)}
        with self.log.open("ab") as log:
            return head.start(words, variables, cwd=self.base, stdout=log, stderr=subprocess.STDOUT)

    def driver(self, started: int) -> Process | None:
        """The driver, of the number of the process that has entered the host."""
        children = descendants(started)
        return children[0] if children else None

    def family(self, started: int) -> list[Process]:
        """All that work on the study: what ends with the driver, Ray and its workers."""
        return [*descendants(started), *(process for host in self._hosts for process in descendants(host.pid))]

    def raylets(self, started: int) -> list[Process]:
        """Those of the hosts with workers."""
        return [raylet for host in self._workers if (raylet := self._raylet(host))]

    def cut(self, choice: float) -> str:
        """Take the link of a host with workers down."""
        self._cut = self._workers[int(choice * len(self._workers))]
        self._cut.cut()
        return self._cut.name

    def join(self) -> None:
        """Put it up again."""
        if self._cut:
            self._cut.join()
        self._cut = None

    def tend(self) -> bool:
        """Start a node wherever there is none; returns whether all are there."""
        is_whole = True
        for index, host in enumerate(self._hosts[1:], 1):
            since, starting = self._starting.get(host.name, (0.0, None))
            is_starting = starting is not None and starting.poll() is None
            is_whole &= not is_starting and self._raylet(host) is not None
            if host is self._cut or (is_starting and time.monotonic() < since + NODE_SECONDS):
                continue
            if self._raylet(host):
                continue
            end_orphans(descendants(host.pid))
            words = ["ray", "start", f"--address={self._hosts[0].address}:{PORT}", "--num-cpus=1"]
            words = [*self.memories[index - 1].prefix, *words, f"--node-ip-address={host.address}"]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            self._starting[host.name] = time.monotonic(), host.start(words, self._environment(index), **quiet)
        return is_whole

    def _raylet(self, host: Host) -> Process | None:
        return next((process for process in descendants(host.pid) if process.title.endswith("/raylet")), None)

    def _switch_off(self) -> None:
        for host in self._hosts:
            end_orphans(descendants(host.pid))
