"""Where a study runs on one machine: in a folder or at a URI; and what of it a fault can hit."""

import os
import pathlib
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from chaos_processes import Process, descendants
from chaos_tools import Control, Disk, Memory, small_disk

from study.request.output import open_output

DISK_MEGABYTES, SCRATCH_MEGABYTES = 96, 256

WORKERS = {"RAY_worker_niceness": "0"}
"""Ray's workers give way to everything else on a machine, which makes a study on a busy one last for ever."""


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
