"""Hosts on one machine: a network address, a process table, a home and a Ray folder each, joined by a switch."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

ROOT = pathlib.Path(__file__).parents[2]
ISOLATED = "--net", "--pid", "--fork", "--mount", "--mount-proc", "--ipc", "--uts"
ENTERED = "--net", "--pid", "--mount", "--ipc", "--uts"
RAY_FOLDER = pathlib.Path("/tmp/ray")
PREFIX = "10.213.7"
CLEAN = {"RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_TMPDIR"}
"""What a host does not take over from the environment of the tests."""


class Host:
    """A machine of its own as far as network, processes, home and Ray's temporary folder go.

    The rest of the file system is that of this machine. All processes of a host end with it, and it ends with the
    tests even if those are killed: its first process waits for them at a pipe.

    Attributes:
        name: That of the host.
        address: IP address.
        home: Directory that is HOME there; its neighbour `ray` is the host's `/tmp/ray`.
    """

    def __init__(self, name: str, address: str, folder: pathlib.Path) -> None:
        self.name = name
        self.address = address
        self._started: list[subprocess.Popen[str]] = []
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        ray = folder / "ray"
        ray.mkdir()
        setup = (
            f'mount --bind "{ray}" {RAY_FOLDER} && hostname {name} && ip link set lo up && echo ready && '
            # Ignored, so that the kernel buries the orphans that a first process inherits.
            "exec env --ignore-signal=CHLD cat"
        )
        self._init = subprocess.Popen(
            ["unshare", *ISOLATED, "sh", "-c", setup], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        if self._init.stdout is None or self._init.stdout.readline() != b"ready\n":
            self.end()
            raise RuntimeError(f"Host {name} could not be made; see the messages of unshare above.")
        (first,) = pathlib.Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children").read_text().split()
        self.pid = int(first)
        self._plugged: tuple[Host, str] | None = None

    def plug_into(self, switch: "Host") -> None:
        """Give the host its address, by a cable to the switch, which is its way to everywhere."""
        port = f"to-{self.name}"
        switch.run(
            ["ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", f"/proc/{self.pid}/ns/net"],
            outside="--net",
        )
        switch.run(["ip", "link", "set", port, "master", "bridge", "up"])
        self.run(["ip", "address", "add", f"{self.address}/24", "dev", "eth0"])
        self.run(["ip", "link", "set", "eth0", "up"])
        self.run(["ip", "route", "add", "default", "via", switch.address])
        self._plugged = switch, port

    def cut(self) -> None:
        """Take the link down: nothing reaches the host any more, and it does not know why."""
        self._set_link("down")

    def join(self) -> None:
        """Put the link up again."""
        self._set_link("up")

    def _set_link(self, state: str) -> None:
        assert self._plugged
        switch, port = self._plugged
        switch.run(["ip", "link", "set", port, state])

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Variables of a process there: those of the tests but for Ray's, and `env`."""
        inherited = {name: value for name, value in os.environ.items() if name not in CLEAN}
        path = os.pathsep.join((str(pathlib.Path(sys.executable).parent), os.environ["PATH"]))
        return {**inherited, "HOME": str(self.home), "PATH": path, "PYTHONPATH": str(ROOT), **(env or {})}

    def start(
        self, words: Sequence[str], env: Mapping[str, str] | None = None, *, outside: str = "", **options: Any
    ) -> subprocess.Popen[str]:
        """Start a command there, its Python that of the tests.

        Args:
            words: The command.
            env: Variables on top of those of the tests.
            outside: Namespace that the command enters alone, for work on the host from outside of it.
            options: Of `subprocess.Popen`.
        """
        spaces = (outside,) if outside else ENTERED
        enter = ["nsenter", "--target", str(self.pid), *spaces, f"--wd={options.pop('cwd', self.home)}", "--"]
        self._started.append(subprocess.Popen([*enter, *words], env=self.environment(env), text=True, **options))
        return self._started[-1]

    def run(
        self,
        words: Sequence[str],
        env: Mapping[str, str] | None = None,
        *,
        check: bool = True,
        timeout: float = 120,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there to its end.

        Args:
            words: The command.
            env: Variables on top of those of the tests.
            check: Whether to raise if it fails.
            timeout: Seconds after which it is killed.
            options: Of `start`.

        Raises:
            AssertionError: It has failed; the message has its output.
        """
        process = self.start(words, env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        if check and process.returncode:
            raise AssertionError(f"{self.name}: {' '.join(words)} ended with {process.returncode}:\n{out}{err}")
        return subprocess.CompletedProcess(list(words), process.returncode, out, err)

    def end(self) -> None:
        """Switch the host off: all its processes are killed at once."""
        self._init.communicate()  # closes the pipe at which the first process waits
        for process in self._started:
            process.wait()


@contextmanager
def joined_hosts(count: int) -> Iterator[tuple[Host, ...]]:
    with ExitStack() as stack:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="hosts-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        RAY_FOLDER.mkdir(mode=0o1777, exist_ok=True)
        names = ["switch", *(f"host{index}" for index in range(count))]
        made = []
        for index, name in enumerate(names):
            made.append(Host(name, f"{PREFIX}.{index + 1}", folder / name))
            stack.callback(made[-1].end)
        switch, *others = made
        switch.run(["ip", "link", "add", "bridge", "type", "bridge"])
        switch.run(["ip", "address", "add", f"{switch.address}/24", "dev", "bridge"])
        switch.run(["ip", "link", "set", "bridge", "up"])
        for host in others:
            host.plug_into(switch)
        yield tuple(others)


def reason_against() -> str | None:
    """Why there can be no hosts here; None if there can."""
    if sys.platform != "linux":
        return "hosts on one machine are network namespaces of Linux"
    missing = [program for program in ("ip", "unshare", "nsenter") if shutil.which(program) is None]
    if missing:
        return f"hosts on one machine need {', '.join(missing)}, which the packages iproute2 and util-linux have"
    probe = "ip link add probe type veth peer name other && ip link add bridge type bridge && mount -t tmpfs none /tmp"
    tried = subprocess.run(["unshare", *ISOLATED, "sh", "-c", probe], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"hosts on one machine need root and namespaces: {tried.stderr.strip()}"
    return None
