"""The faults, one class for each kind: what strikes a study that trains, and what makes it good again."""

import random
import signal
import time
from abc import ABC, abstractmethod
from typing import ClassVar

from chaos_hosts import Hosts
from chaos_places import Folder, Uri
from chaos_processes import POLL_SECONDS, Process
from chaos_study import Study


class Fault(ABC):
    """A fault of one kind.

    Args:
        chance: Draws what it hits and how hard.

    Attributes:
        kind: Its name.
        needs_root: Whether it needs what `Folder(..., faults=True)` sets up.
        ends_run: Whether it lasts until the driver has ended.
        is_costly: Whether a driver has to be started again.
        seconds: How long it lasts.
    """

    kind: ClassVar[str]
    needs_root: ClassVar[bool] = True
    ends_run: ClassVar[bool] = False
    is_costly: ClassVar[bool] = False
    shortest, longest = 0.0, 0.0

    def __init__(self, chance: random.Random) -> None:
        self.seconds = chance.uniform(self.shortest, self.longest)
        self.choice, self.amount = chance.random(), chance.random()

    @classmethod
    def fits(cls, place: type[Folder]) -> bool:
        """Whether there is such a fault there."""
        del place
        return True

    @abstractmethod
    def strike(self, study: Study) -> str:
        """Have it strike; returns what was hit, empty if there was nothing any more."""

    def press_on(self, study: Study) -> None:  # noqa: B027
        """Called again and again while it lasts."""

    def heal(self, study: Study) -> None:  # noqa: B027
        """Make it good again."""

    def pick(self, processes: list[Process]) -> Process | None:
        """One of several."""
        return processes[int(self.choice * len(processes))] if processes else None


class Driver(Fault):
    """SIGKILL of the driver."""

    kind, needs_root, is_costly = "driver", False, True

    def strike(self, study: Study) -> str:
        number = study.process.pid
        study.kill_driver()
        return f"driver {number}"


class Worker(Fault):
    """SIGKILL of a worker that trains."""

    kind, needs_root = "worker", False

    def strike(self, study: Study) -> str:
        while study.process.poll() is None:
            worker = self.pick(study.training())
            if worker and worker.kill():
                while worker.lives:
                    time.sleep(POLL_SECONDS)
                return f"worker {worker.pid}"
            time.sleep(POLL_SECONDS)
        return ""


class Pause(Fault):
    """SIGSTOP of the driver, a worker that trains or a raylet, and SIGCONT seconds later."""

    kind, needs_root = "pause", False
    shortest, longest = 1.0, 5.0

    def strike(self, study: Study) -> str:
        pid = study.process.pid
        driver = study.place.driver(pid)
        victims = {
            "driver": [driver] if driver else [],
            "worker": study.training(),
            "raylet": study.place.raylets(pid),
        }
        name = [*victims][int(self.amount * len(victims))]
        self._victim = self.pick(victims[name])
        return f"{name} {self._victim.pid}" if self._victim and self._victim.send(signal.SIGSTOP) else ""

    def heal(self, study: Study) -> None:
        for process in (self._victim, Process.of(study.process.pid)):  # nsenter stops with what it has started
            if process is not None:
                process.send(signal.SIGCONT)


LATEST_SECONDS, EARLIEST_SECONDS = 86_400, 10


class Clock(Fault):
    """The wall clock of a machine jumps: forward by up to a day, or back by some seconds; there it stays.

    A longer way back is left out: Ray's own timers go by the wall clock, and stand still until it has caught up.
    """

    kind = "clock"

    def strike(self, study: Study) -> str:
        controls = study.place.controls
        control = controls[int(self.choice * len(controls))]
        longest = LATEST_SECONDS if self.choice * len(controls) % 1 < 0.5 else -EARLIEST_SECONDS
        jump = int(longest * self.amount)
        control.shift_clock(jump)
        return f"clock of machine {controls.index(control)} by {jump} s"


class SlowDisk(Fault):
    """Every write, flush and renaming of a machine takes up to half a second."""

    kind = "slow disk"
    shortest, longest = 1.0, 3.0

    def strike(self, study: Study) -> str:
        controls = study.place.controls
        self._control = controls[int(self.choice * len(controls))]
        self._control.slow_disk(0.05 + 0.45 * self.amount)
        return f"disk of machine {controls.index(self._control)}, {0.05 + 0.45 * self.amount:.2f} s for each write"

    def heal(self, study: Study) -> None:
        self._control.slow_disk(0)


class FullDriver(Fault):
    """The disk that holds the study is full."""

    kind, is_costly, ends_run = "full driver disk", True, True
    shortest = longest = 60.0

    def strike(self, study: Study) -> str:
        assert study.place.driver_disk
        study.place.driver_disk.fill()
        return "disk of the study"

    def press_on(self, study: Study) -> None:
        assert study.place.driver_disk
        study.place.driver_disk.fill()

    def heal(self, study: Study) -> None:
        assert study.place.driver_disk
        study.place.driver_disk.empty()


class FullNode(Fault):
    """The disk of a machine's temporary files is full: those of Ray, its logs and its sockets, and of the workers."""

    kind = "full node disk"
    shortest, longest = 1.0, 4.0

    def strike(self, study: Study) -> str:
        disks = study.place.node_disks
        self._disk = disks[int(self.choice * len(disks))]
        self._disk.fill()
        return f"temporary files of node {disks.index(self._disk)}"

    def press_on(self, study: Study) -> None:
        self._disk.fill()

    def heal(self, study: Study) -> None:
        self._disk.empty()


class Pressure(Fault):
    """Memory of a machine runs out until the kernel ends a process of the study."""

    kind = "memory"

    def strike(self, study: Study) -> str:
        memories = study.place.memories
        memory = memories[int(self.choice * len(memories))]
        num_ended = memory.press()
        return f"memory of node {memories.index(memory)}, {num_ended} processes ended" if num_ended else ""


class Store(Fault):
    """SIGKILL of a raylet: Ray's object store dies with it, and so does its node."""

    kind, needs_root, is_costly = "object store of Ray", False, True

    def strike(self, study: Study) -> str:
        raylet = self.pick(study.place.raylets(study.process.pid))
        return f"raylet {raylet.pid}" if raylet and raylet.kill() else ""


class Away(Fault):
    """What the URI names does not answer: a file is in the place of its folder."""

    kind, needs_root, is_costly, ends_run = "object store of the URI", False, True, True
    shortest = longest = 60.0

    @classmethod
    def fits(cls, place: type[Folder]) -> bool:
        return issubclass(place, Uri)

    def strike(self, study: Study) -> str:
        assert isinstance(study.place, Uri)
        self._storage = study.place.storage
        self._moved = self._storage.with_name("away")
        self._storage.rename(self._moved)
        self._storage.touch()
        return "storage"

    def heal(self, study: Study) -> None:
        self._storage.unlink()
        self._moved.rename(self._storage)


class Partition(Fault):
    """The link between driver and a host with workers is down: for some seconds, or until it counts as lost."""

    kind = "partition"

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self.seconds = 2 + 4 * self.amount if self.choice < 0.5 else 14 + 6 * self.amount

    @classmethod
    def fits(cls, place: type[Folder]) -> bool:
        return issubclass(place, Hosts)

    def strike(self, study: Study) -> str:
        assert isinstance(study.place, Hosts)
        return f"{study.place.cut(self.amount)} for {self.seconds:.0f} s"

    def heal(self, study: Study) -> None:
        assert isinstance(study.place, Hosts)
        study.place.join()


FAULTS: dict[str, type[Fault]] = {
    fault.kind: fault
    for fault in (Driver, Worker, Pause, Store, Away, Partition, FullDriver, FullNode, Clock, SlowDisk, Pressure)
}
