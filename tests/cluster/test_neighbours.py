"""A study on a machine with other users: none of them reads its token or runs anything through its sockets."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest

from tests.processes import wait_for

ROOT = pathlib.Path(__file__).parents[2]
VICTIM, NEIGHBOUR = "victim", "neighbour"
PATIENCE_SECONDS = 200
STUDY = (
    *("python", "-m", "study.run", "--search", "random", "--repeats", "1", "--optimizers", "sgd", "--trials", "2000"),
    *("--train-images", "100", "--output", "out"),
)
OPEN_RAY = """
import ray
ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
print("of networks", flush=True)
import time
time.sleep(1000)
"""

PREPARE = r"""
set -e
mount -t tmpfs -o mode=755 none /run
stage=$(mktemp -d /run/neighbours-XXXXXX)
mkdir "$stage/etc" && cp -a /etc/. "$stage/etc"
number=0
for path in {needed}; do
    number=$((number + 1))
    mkdir "$stage/$number" && mount --rbind "$path" "$stage/$number"
done
for closed in {closed}; do
    mount -t tmpfs -o mode=755 none "$closed"
done
mount -t tmpfs -o mode=1777 none /tmp
mount -t tmpfs -o mode=755 none /home
number=0
for path in {needed}; do
    number=$((number + 1))
    mkdir -p "$path" && mount --rbind "$stage/$number" "$path"
done
mount --bind "$stage/etc" /etc
for user in {users}; do
    useradd --create-home --user-group "$user"
    chmod 755 "/home/$user"
done
"""


class Machine:
    """A host with two more users, whose homes and `/tmp` are fresh."""

    def __init__(self, host):
        self.host = host
        self.started = []
        needed = {pathlib.Path(path).resolve() for path in (sys.base_prefix, sys.prefix, ROOT, *filter(None, sys.path))}
        needed = sorted(path for path in needed if path.is_dir())
        needed = [path for path in needed if not set(path.parents) & set(needed)]
        closed = {folder for path in needed for folder in path.parents if not folder.stat().st_mode & 0o001}
        closed = [folder for folder in sorted(closed) if not set(folder.parents) & closed]
        lists = {"needed": needed, "closed": closed, "users": [VICTIM, NEIGHBOUR]}
        words = {name: " ".join(f"'{part}'" for part in parts) for name, parts in lists.items()}
        host.run(["sh", "-c", re.sub(r"\{(\w+)\}", lambda found: words[found[1]], PREPARE)])
        self.root = pathlib.Path(f"/proc/{host.pid}/root")
        self._not_made_here = set((self.root / "tmp").iterdir())

    def as_user(self, user, words, umask=0o022, env=None, **options):
        """Start a command as a user in the user's home."""
        drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        shell = ["sh", "-c", f'umask {umask:03o} && cd && echo $$ > pid && exec "$@"', "sh"]
        variables = {"HOME": f"/home/{user}", "TMPDIR": "/tmp", "PYTHONUNBUFFERED": "1", **(env or {})}
        self.started.append(self.host.start([*drop, *shell, *words], variables, cwd="/", **options))
        return self.started[-1]

    def signal(self, name):
        """Send a signal to what the victim has started."""
        self.host.run(["kill", f"-{name}", (self.root / "home" / VICTIM / "pid").read_text().strip()], cwd="/")

    def temporary(self):
        """What lies in `/tmp` but for the way to an environment of the tests that is kept there."""
        return set((self.root / "tmp").iterdir()) - self._not_made_here

    def raylet(self):
        """Options and environment of the raylet that runs there, if one does."""
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_text().split("\0")
                space, own = ((folder / "ns" / "pid").readlink() for folder in (entry, self.root.parent))
                if space == own and words[0].endswith("/raylet"):
                    return (
                        dict(word.split("=", 1) for word in words if "=" in word),
                        dict(word.split("=", 1) for word in (entry / "environ").read_text().split("\0") if "=" in word),
                    )
            except OSError:
                continue
        return None

    def listening(self):
        """Where TCP and UDP sockets wait, as (address, port)."""
        lines = self.host.run(["ss", "-Hlntu"], cwd="/").stdout.splitlines()
        ends = [line.split()[4].rpartition(":") for line in lines]
        return [(address, int(port)) for address, _, port in ends]

    def attack(self, **told):
        """What the neighbour got, by attempt, and how many of the calls were refused for want of the token."""
        script = self.root / "home" / NEIGHBOUR / "neighbour.py"
        shutil.copy(ROOT / "tests" / "cluster" / "neighbour.py", script)
        process = self.as_user(NEIGHBOUR, ["python", "neighbour.py"], stdin=-1, stdout=-1, stderr=-1)
        out, err = process.communicate(json.dumps(told), timeout=PATIENCE_SECONDS * 2)
        assert process.returncode == 0, err
        got = {}
        for attempt, what in map(json.loads, out.splitlines()):
            got.setdefault(attempt, []).append(what)
        (refusals,) = got.pop("refusals")
        return got, refusals


@pytest.fixture
def machine(hosts):
    """A machine with two more users; all of it ends with the test."""
    with hosts(1) as (host,):
        missing = [program for program in ("useradd", "setpriv", "ss") if shutil.which(program) is None]
        if missing:
            pytest.skip(f"other users of a machine need {', '.join(missing)} of passwd, util-linux and iproute2")
        machine = Machine(host)
        yield machine
        host.end()
        for process in machine.started:
            process.communicate()


def start(machine, words, umask, **variables):
    """Have the victim run something with Ray; returns the process once it trains."""
    process = machine.as_user(VICTIM, words, umask, variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    heard = []
    while not heard or not re.search(r"of .*networks", heard[-1]):
        heard.append(process.stdout.readline())
        assert heard[-1], "".join(heard)
    wait_for(machine.raylet, process, PATIENCE_SECONDS)
    return process


def attack(machine, token):
    options, _ = machine.raylet()
    return machine.attack(
        gcs=options["--gcs-address"],
        ports=sorted({port for _, port in machine.listening()}),
        sockets=[options["--raylet_socket_name"], options["--store_socket_name"]],
        folder=options["--session_dir"],
        compiled=[str(path)[len(str(machine.root)) :] for path in (machine.root / "home").rglob("*.so")],
        tops=["/tmp", "/home", "/dev/shm"],
        token=token,
    )


@pytest.mark.slow
def test_what_the_neighbour_tries_works_on_a_ray_that_is_open(machine):
    """Else the tests below would show nothing."""
    start(machine, ["python", "-c", OPEN_RAY], 0o000, RAY_AUTH_MODE="disabled")
    got, refusals = attack(machine, token="--node_manager_port=")
    assert refusals == 0
    assert set(got) == {"run_code", "call", "post", "connect", "read"}
    victim = machine.host.run(["id", "-u", VICTIM], cwd="/").stdout.strip()
    assert {line.rpartition(" ")[2] for line in got["run_code"]} == {victim}
    assert any("GetNodeStats" in line for line in got["call"])
    assert any("/api/job_agent/jobs/" in line for line in got["post"])
    assert any("the token in" in line for line in got["read"])


@pytest.mark.slow
@pytest.mark.parametrize("umask", [0o000, 0o022])
@pytest.mark.parametrize("mode", ["", "disabled"])
def test_another_user_gets_nothing_of_a_study(machine, umask, mode):
    process = start(machine, STUDY, umask, **({"RAY_AUTH_MODE": mode} if mode else {}))
    options, environment = machine.raylet()
    assert {address for address, _ in machine.listening()} <= {"127.0.0.1", "[::ffff:127.0.0.1]", "[::1]"}
    token = environment["RAY_AUTH_TOKEN"]
    assert re.fullmatch("[0-9a-f]{64}", token)

    got, refusals = attack(machine, token)

    assert got == {}
    assert refusals >= 2 * 4  # head, node, object store and agent; without a token and with a wrong one
    folder = machine.root / pathlib.Path(options["--temp_dir"]).parent.relative_to("/")
    assert folder.stat().st_mode & 0o777 == 0o700
    machine.signal("TERM")
    out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 143, out
    assert not folder.exists()
    assert machine.temporary() == set()
    assert not (machine.root / "home" / VICTIM / ".ray").exists()


@pytest.mark.slow
def test_nothing_of_a_killed_study_stays_open(machine):
    process = start(machine, STUDY, 0o000)
    machine.signal("KILL")
    process.communicate(timeout=PATIENCE_SECONDS)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while machine.listening():
        assert time.monotonic() < deadline, machine.listening()
        time.sleep(0.2)
    assert {path.stat().st_mode & 0o777 for path in machine.temporary()} == {0o700}


JOIN = """
import ray
from study.cluster.connection import connected
from study.signals import StopRequest
try:
    with connected("auto", StopRequest()):
        print("joined", ray.get_runtime_context().gcs_address)
except ValueError as error:
    print(error)
"""


@pytest.mark.slow
def test_auto_passes_over_the_ray_of_a_local_study(machine):
    def join(user):
        process = machine.as_user(user, ["python", "-c", JOIN], env={"RAY_AUTH_MODE": ""}, stdout=-1)
        return process.communicate(timeout=PATIENCE_SECONDS)[0].strip()

    start(machine, STUDY, 0o022)
    private = machine.raylet()[0]["--gcs-address"]
    for user in (VICTIM, NEIGHBOUR):
        assert join(user) == (
            "--address auto needs a Ray cluster that runs on this machine, there is only that of a local study, at "
            f"{private}; start one with `ray start --head`, or leave --address out to run without."
        )
    head = ["ray", "start", "--head", "--port=6379", "--num-cpus=0", "--include-dashboard=false"]
    process = machine.as_user(VICTIM, head, env={"RAY_AUTH_MODE": "disabled"}, stdout=subprocess.DEVNULL)
    assert process.wait(timeout=PATIENCE_SECONDS) == 0
    assert join(VICTIM) == f"joined {machine.host.address}:6379"
