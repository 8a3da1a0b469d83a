"""Where a study runs: in a folder, at a URI, on three hosts; and what of it a fault can hit."""

import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from chaos_processes import Process, descendants, end_orphans
from chaos_tools import Control, Disk, Memory, small_disk

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from study.request.output import open_output  # noqa: E402
from tests.cluster.hosts import RAY_FOLDER, Host, joined_hosts, reason_against  # noqa: E402, F401

DISK_MEGABYTES, SCRATCH_MEGABYTES = 96, 256

NODE_SECONDS = 60
"""Longest that a node takes to start; after that it is started again."""

PORT = 6379
TOKEN = "f00d" * 8

WORKERS = {"RAY_worker_niceness": "0"}
"""Ray's workers give way to everything else on a machine, which makes a study on a busy one last for ever."""

CLUSTER = {
    **WORKERS,
    "RAY_AUTH_MODE": "token",
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
}
"""Of `ray start`; a host that is cut off counts as lost after some ten seconds instead of forty."""


class Folder:
    """A study in a folder of this machine, with a Ray of its own.

    Args:
        base: Directory of everything that is kept.
        scratch: Directory for temporary files.
        faults: Whether what faults need is set up, which takes root: small disks, a wrong clock, a limit of memory.

    Attributes:
        directory: The study's.
        log: File of the driver's output.
        control: Clock and disks as processes see them, by machine.
        disks: The driver's disk and those of the nodes.
        memories: Groups of processes with a worker.
    """

    name = "folder"

    def __init__(self, base: pathlib.Path, scratch: pathlib.Path, *, faults: bool) -> None:
        self.base, self._scratch, self._faults = base, scratch, faults
        self.directory, self.log = base / "results", base / "driver.log"
        self.controls: list[Control] = []
        self.driver_disk: Disk | None = None
        self.node_disks: list[Disk] = []
        self.memories: list[Memory] = []

    @property
    def output(self) -> str:
        """What `--output` gets."""
        return str(self.directory)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Set it up; at the end nothing but the files is left."""
        self.base.mkdir(parents=True)
        with ExitStack() as stack:
            if self._faults:
                self.driver_disk = stack.enter_context(small_disk(self._driver_disk, DISK_MEGABYTES))
                self._set_up(stack)
            yield

    @property
    def _driver_disk(self) -> pathlib.Path:
        return self.directory

    def _set_up(self, stack: ExitStack) -> None:
        self.controls = [Control(self._scratch, self.name)]
        self.memories = [Memory(self.name)]
        stack.callback(self.memories[0].close)
        self._scratch = self._scratch / self.name
        self.node_disks = [stack.enter_context(small_disk(self._scratch, SCRATCH_MEGABYTES))]

    def start(self, words: Sequence[str]) -> subprocess.Popen[bytes] | subprocess.Popen[str]:
        """Start a driver."""
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        environment |= {"RAY_TMPDIR": str(self._scratch), "TMPDIR": str(self._scratch), **WORKERS}
        for control in self.controls:
            environment |= control.variables
        prefix = [word for memory in self.memories for word in memory.prefix]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*prefix, *words], cwd=self.base, env=environment, stdout=log, stderr=subprocess.STDOUT
            )

    def driver(self, started: int) -> Process | None:
        """The driver, of the number of the process that was started."""
        return Process.of(started)

    def own(self, started: int) -> list[Process]:
        """What ends with the driver."""
        return descendants(started)

    def family(self, started: int) -> list[Process]:
        """All that work on the study: what ends with the driver, Ray and its workers."""
        return self.own(started)

    def raylets(self, started: int) -> list[Process]:
        """Those processes of Ray that hold an object store and start workers."""
        return [process for process in self.family(started) if process.title.endswith("/raylet")]

    def tend(self) -> bool:
        """Look after the machines; returns whether all are there."""
        return True


class Uri(Folder):
    """The same with `--output file://...`.

    Attributes:
        storage: Folder of the URI.
    """

    name = "uri"

    def __init__(self, base: pathlib.Path, scratch: pathlib.Path, *, faults: bool) -> None:
        super().__init__(base, scratch, faults=faults)
        self.storage = base / "storage"
        self.directory = base / open_output(self.output, pathlib.Path("results/default"), fresh=False).directory

    @property
    def output(self) -> str:
        """What `--output` gets."""
        return self.storage.as_uri()

    @property
    def _driver_disk(self) -> pathlib.Path:
        return self.base / "results"


class Hosts(Folder):
    """A study on three hosts, driver and control service on one of them, workers on the two others."""

    name = "hosts"

    def __init__(self, base: pathlib.Path, scratch: pathlib.Path, *, faults: bool) -> None:
        super().__init__(base, scratch, faults=faults)
        self._hosts: tuple[Host, ...] = ()
        self._starting: dict[str, tuple[float, subprocess.Popen[str]]] = {}
        self._cut: Host | None = None

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


PLACES = {place.name: place for place in (Folder, Uri, Hosts)}
