"""`ray up` on the file for own machines, a study as a job, `ray down`: against sshd on hosts of their own."""

import contextlib
import hashlib
import importlib.util
import json
import pathlib
import shlex
import shutil
import sys
import time

import pytest

from analysis.ledger.load import load

ROOT = pathlib.Path(__file__).parents[2]
SSHD = pathlib.Path("/usr/sbin/sshd")
CALL = {"RAY_AUTH_MODE": "token"}
JOBS = "http://localhost:8265"
STUDY = "--search random --optimizers sgd --dataset synthetic --trials 4 --confirm-seeds 0 --no-sweep --no-timing"
PATIENCE_SECONDS = 300
"""After which a step counts as stuck."""

pytestmark = pytest.mark.slow


@pytest.fixture
def machines(hosts):
    """A desk, from which a cluster is made, and three hosts that let it in by ssh."""
    if missing := [name for name in ("ssh", "ssh-keygen", "rsync") if shutil.which(name) is None]:
        pytest.skip(f"`ray up` needs {', '.join(missing)}, of the packages openssh-client and rsync")
    if not SSHD.exists():
        pytest.skip(f"`ray up` needs {SSHD}, of the package openssh-server")
    if importlib.util.find_spec("aiohttp_cors") is None:
        pytest.skip("`ray job submit` needs a dashboard, of the package ray[default]")
    with hosts(4) as (desk, *nodes):
        move_in(desk)
        desk.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(desk.home / ".ssh" / "id_ed25519")])
        for node in nodes:
            serve_ssh(node, (desk.home / ".ssh" / "id_ed25519.pub").read_text())
        yield desk, nodes


def move_in(host):
    """Make the host's home that of root, which ssh asks the list of users for, not HOME."""
    (host.home / ".ssh").mkdir(mode=0o700)
    users = host.home.parent / "passwd"
    users.write_text(f"root:x:0:0:root:{host.home}:/bin/bash\nsshd:x:65000:65534::/run/sshd:/usr/sbin/nologin\n")
    host.run(["mount", "--bind", str(users), "/etc/passwd"])


def serve_ssh(node, public_key):
    """Let the owner of a key in."""
    move_in(node)
    (node.home / ".ssh" / "authorized_keys").write_text(public_key)
    key = node.home.parent / "host_key"
    node.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
    serve = f"mkdir -p /run/sshd && exec {SSHD} -D -e -f /dev/null -h {key} -o PidFile=none"
    log = node.home.parent / "sshd.log"
    with log.open("w") as told:
        server = node.start(["sh", "-c", serve], stderr=told)
    while "listening" not in log.read_text():
        assert server.poll() is None, log.read_text()
        time.sleep(0.1)


def filled_in(text, name, nodes):
    """The shipped file with its blanks filled in; the nodes get the tests' Python, since they share its disk."""
    head, *workers = (node.address for node in nodes)
    for blank, value in {
        "optimizer-study-on-prem": name,
        "192.0.2.10": head,
        "192.0.2.11, 192.0.2.12": ", ".join(workers),
        "ssh_user: ubuntu": "ssh_user: root",
        "python3.11 -m venv ~/": f"ln -s {sys.prefix} ~/",
        "~/optimizer-study-env/bin/pip install -q": "echo pip install",
    }.items():
        assert text.count(blank) == 1, blank
        text = text.replace(blank, value)
    return text


@contextlib.contextmanager
def forwarded_dashboard(desk, file, env):
    """Ray's dashboard at the desk, as `ray dashboard` does it."""
    forward = desk.start(["ray", "dashboard", str(file)], env, cwd=ROOT, stdin=-3, stdout=-3, stderr=-3)
    try:
        waiting = f"until ray job list --address {JOBS} >/dev/null 2>&1; do sleep 1; done"
        desk.run(["bash", "-c", waiting], env, timeout=PATIENCE_SECONDS)
        yield
    finally:
        forward.terminate()
        forward.wait()


def nodes_up(desk, env):
    """IP address -> resources of each node that is alive."""
    told = desk.run(["ray", "list", "nodes", "--address", JOBS, "--format", "json"], env).stdout
    return {node["node_ip"]: node["resources_total"] for node in json.loads(told) if node["state"] == "ALIVE"}


def commands(node):
    """All command lines of a host's processes."""
    return node.run(["bash", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"], check=False).stdout


def test_a_study_runs_as_a_job_on_the_nodes_that_ray_up_starts(machines):
    desk, nodes = machines
    head, *workers = nodes
    name = f"up-{desk.home.parent.parent.name}"
    file = desk.home / "on-prem.yaml"
    text = (ROOT / "docs" / "cluster" / "on-prem.yaml").read_text(encoding="utf-8")
    file.write_text(filled_in(text, name, nodes))
    env = {**CALL, "TMPDIR": str(desk.home)}
    told = []

    def step(what, *words, **options):
        started = time.monotonic()
        done = desk.run(words, env, cwd=ROOT, timeout=PATIENCE_SECONDS, stdin=-3, **options)
        told.append(f"{what}: {time.monotonic() - started:.0f} s")
        return done.stdout

    try:
        token = desk.run(["ray", "get-auth-token", "--generate"]).stdout.strip()
        desk.run(["chmod", "600", ".ray/auth_token"])
        step("ray up", "ray", "up", "-y", "--no-config-cache", str(file))
        started = time.monotonic()
        with forwarded_dashboard(desk, file, env):
            while set(up := nodes_up(desk, env)) != {node.address for node in nodes}:
                assert time.monotonic() < started + PATIENCE_SECONDS, monitor_log(head)
                time.sleep(2)
            told.append(f"workers: {time.monotonic() - started:.0f} s")
            told.extend(f"{ip}: {resources.get('CPU', 0):.0f} CPU" for ip, resources in sorted(up.items()))
            assert "CPU" not in up[head.address]
            for node in nodes:
                assert (node.home / ".ray" / "auth_token").stat().st_mode & 0o777 == 0o600
                assert not (node.home / "optimizer-study" / ".git").exists()
                assert "raylet" in commands(node)
                assert token not in commands(node)
            submit = f"ray job submit --address {JOBS} --working-dir . --runtime-env docs/cluster/runtime-env.yaml --"
            study = head.home / "study"
            log = step("ray job submit", *shlex.split(f"{submit} python -m study.run {STUDY} --output {study}"))
        assert "succeeded" in log
        trials = load(study).trials
        assert trials.height == 8
        assert set(trials["node"]) <= {node.address for node in workers}
        told.append(f"rows: {trials.height}, from {sorted(set(trials['node']))}")
        step("ray down", "ray", "down", "-y", str(file))
        assert "raylet" not in commands(head)
    finally:
        print(*told, sep="\n")
        for folder in pathlib.Path("/tmp").glob(f"ray_ssh_*/{hashlib.sha256(name.encode()).hexdigest()[:10]}"):
            shutil.rmtree(folder, ignore_errors=True)


def monitor_log(head):
    """What the autoscaler says of itself."""
    (log,) = (head.home.parent / "ray").glob("session_2*/logs/monitor.log")
    return log.read_text(encoding="utf-8")[-4000:]
