"""What faults are made of: a wrong clock and a slow disk, a disk of a small size, a limit of memory."""

import mmap
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SOURCE = pathlib.Path(__file__).with_name("chaos_preload.c")

MEMORY = pathlib.Path("/sys/fs/cgroup/memory")
"""Where Linux groups processes by the memory that they may take."""

HOG = """
import time
held = []
while True:
    held.append(bytearray(8 << 20))
    time.sleep(0.005)
"""
"""Takes memory until it is killed; the kernel ends others before, as Ray offers it its workers."""

PRESSURE_SECONDS = 60
POLL_SECONDS = 0.01


class Control:
    """The wall clock and the disks of a machine, as the processes that were started with `variables` see them.

    Args:
        folder: Where the library and its file of settings are kept.
        name: That of the machine.
    """

    def __init__(self, folder: pathlib.Path, name: str) -> None:
        library, settings = folder / "chaos_preload.so", folder / f"{name}.control"
        if not library.exists():
            words = ["gcc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl", "-lm"]
            subprocess.run(words, check=True)
        settings.write_bytes(struct.pack("dd", 0.0, 0.0))
        with settings.open("r+b") as file:
            self._settings = mmap.mmap(file.fileno(), 16)
        self.variables = {"LD_PRELOAD": str(library), "CHAOS_CONTROL": str(settings)}

    def shift_clock(self, seconds: float) -> None:
        """Have the wall clock be wrong by that much more."""
        (before,) = struct.unpack("d", self._settings[0:8])
        self._settings[0:8] = struct.pack("d", before + seconds)

    def slow_disk(self, seconds: float) -> None:
        """Have every write, flush and renaming take that much longer."""
        self._settings[8:16] = struct.pack("d", seconds)


class Disk:
    """A file system that can be filled.

    Args:
        folder: Where it is mounted.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._ballast = folder / ".ballast"

    def fill(self) -> None:
        """Take all the room that is left; may be called again."""
        with suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                with suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass

    def empty(self) -> None:
        """Make room."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: pathlib.Path, megabytes: int) -> Iterator[Disk]:
    """A file system of its own at a folder, whose files stay there when it is unmounted."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
    disk = Disk(folder)
    try:
        yield disk
    finally:
        disk.empty()
        with tempfile.TemporaryDirectory(dir=folder.parent) as kept:
            copy = ["cp", "-a", f"{folder}/."]
            subprocess.run([*copy, kept], check=False, stderr=subprocess.DEVNULL)  # but for sockets
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
            subprocess.run(["cp", "-a", f"{kept}/.", str(folder)], check=False, stderr=subprocess.DEVNULL)


class Memory:
    """A group of processes whose memory can be limited.

    Attributes:
        prefix: Words before a command whose processes are to belong to it.
    """

    def __init__(self, name: str) -> None:
        own = next(line for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines() if ":memory:" in line)
        self._group = MEMORY / own.partition(":memory:/")[2] / f"chaos-{os.getpid()}-{name}"
        self._group.mkdir()
        self.prefix = ["sh", "-c", f'echo 0 > "{self._group}/cgroup.procs"; exec "$@"', "sh"]

    def press(self) -> int:
        """Have another process take memory until the kernel has ended one of the group; returns how many it ended."""
        before = self._num_ended()
        usage = int((self._group / "memory.usage_in_bytes").read_text())
        (self._group / "memory.limit_in_bytes").write_text(str(usage + (16 << 20)))
        deadline = time.monotonic() + PRESSURE_SECONDS
        with subprocess.Popen([*self.prefix, sys.executable, "-I", "-S", "-c", HOG]) as hog:
            try:
                while self._num_ended() == before and hog.poll() is None and time.monotonic() < deadline:
                    time.sleep(POLL_SECONDS)
            finally:
                (self._group / "memory.limit_in_bytes").write_text("-1")
                hog.kill()
        return self._num_ended() - before

    def _num_ended(self) -> int:
        lines = (self._group / "memory.oom_control").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("oom_kill ")).split()[1])

    def close(self) -> None:
        """Remove the group, whose processes must have ended."""
        for _ in range(100):
            with suppress(OSError):
                self._group.rmdir()
                return
            time.sleep(POLL_SECONDS)


def reason_against_tools() -> str | None:
    """Why clocks, disks and memory cannot be had their way with here; None if they can."""
    if os.geteuid() != 0:
        return "mounts and groups of processes need root"
    if subprocess.run(["which", "gcc", "mount"], capture_output=True, check=False).returncode:
        return "gcc and mount are needed"
    if not (MEMORY / "memory.usage_in_bytes").exists():
        return f"{MEMORY} must be the memory controller of version 1"
    with tempfile.TemporaryDirectory() as folder:
        words = ["mount", "-t", "tmpfs", "tmpfs", folder]
        tried = subprocess.run(words, capture_output=True, text=True, check=False)
        if tried.returncode:
            return f"nothing can be mounted: {tried.stderr.strip()}"
        subprocess.run(["umount", "--lazy", folder], check=True)
    return None
