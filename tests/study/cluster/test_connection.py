"""A cluster is joined or refused in one line: tokens, versions, what answers at the address, packages on the nodes."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from study.cluster.address import cluster_address

TOKEN, OTHER = "a" * 32, "b" * 32
PATIENCE_SECONDS = 120

CLUSTER = """
import json, sys, ray
from ray._raylet import GcsClient
ray.init(address="local", num_cpus=0, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
address = ray.get_runtime_context().gcs_address
client = GcsClient(address=address)
known = json.loads(client.internal_kv_get(b"CLUSTER_METADATA", namespace=b"cluster"))
print(address, flush=True)
for line in sys.stdin:
    metadata = json.dumps({**known, **json.loads(line)}).encode()
    client.internal_kv_put(b"CLUSTER_METADATA", metadata, True, b"cluster")
    print("changed", flush=True)
"""

JOIN = """
import os, sys
from study.cluster.connection import connected
from study.signals import StopRequest
try:
    with connected(sys.argv[1], StopRequest()):
        import ray
        class Worker:
            def answer(self):
                return 42
        # The cluster has to reach us as well: it ends an actor whose owner does not answer.
        worker = ray.remote(Worker).options(num_cpus=0).remote()
        assert ray.get(worker.answer.remote()) == 42
        print("joined", len(ray.nodes()), os.environ["RAY_AUTH_MODE"])
except ValueError as error:
    print(error)
"""


@contextmanager
def running(**variables):
    """A cluster of its own without CPU; gives its address and what changes the versions that it tells."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        env=without_ray() | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def change(text):
        process.stdin.write(f"{text}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "changed\n"

    try:
        yield process.stdout.readline().strip(), change
    finally:
        process.communicate(timeout=PATIENCE_SECONDS)


def without_ray():
    """The environment but for what says how to join a cluster."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("RAY_AUTH", "RAY_ADDRESS"))}


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple]:
    with running(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def unguarded() -> Iterator[tuple]:
    with running(RAY_AUTH_MODE="disabled") as cluster:
        yield cluster


@pytest.fixture
def join(tmp_path):
    """Joins a cluster in a process and a home of its own; gives its one line of output."""

    def run(address, files=(), **variables):
        for name, text in files:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-c", JOIN, address],
            env=without_ray() | {"HOME": str(tmp_path), **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert (done.returncode, done.stderr) == (0, "")
        (line,) = done.stdout.splitlines()
        return line

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "mode"),
    [
        ({"RAY_AUTH_TOKEN": TOKEN}, "token"),
        ({"RAY_AUTH_TOKEN": TOKEN, "RAY_AUTH_MODE": ""}, "token"),
        ({"RAY_AUTH_TOKEN": TOKEN, "RAY_AUTH_MODE": "token"}, "token"),
        ({"RAY_AUTH_TOKEN_PATH": "{home}/given"}, "token"),
        ({"HOME": "{home}/user"}, "token"),
    ],
)
def test_a_token_at_hand_is_given_to_a_cluster_that_needs_it(guarded, join, tmp_path, variables, mode):
    files = [("given", TOKEN), ("user/.ray/auth_token", f"{TOKEN}\n")]
    (tmp_path / "user" / ".ray").mkdir(parents=True)
    placed = {name: value.replace("{home}", str(tmp_path)) for name, value in variables.items()}
    assert join(guarded[0], files, **placed) == f"joined 1 {mode}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "mode"),
    [
        ({}, "disabled"),
        ({"RAY_AUTH_MODE": "disabled"}, "disabled"),
        ({"RAY_AUTH_TOKEN": OTHER}, "disabled"),
        ({"RAY_AUTH_TOKEN": OTHER, "RAY_AUTH_MODE": "disabled"}, "disabled"),
    ],
)
def test_a_cluster_without_authentication_gets_no_token(unguarded, join, variables, mode):
    assert join(unguarded[0], **variables) == f"joined 1 {mode}"


@pytest.mark.slow
def test_a_token_may_not_be_forced_on_a_cluster_without_authentication(unguarded, join):
    line = join(unguarded[0], RAY_AUTH_TOKEN=TOKEN, RAY_AUTH_MODE="token")
    assert line.startswith(f"The cluster at {unguarded[0]} runs without authentication, got RAY_AUTH_MODE=token; unset")


CURE = r"give the cluster's \(`ray get-auth-token` .*\) in RAY_AUTH_TOKEN, .* or in ~/\.ray/auth_token"


@pytest.mark.parametrize(
    ("variables", "pattern"),
    [
        ({}, rf"The cluster at {{address}} needs its token, none was found; {CURE}\."),
        (
            {"RAY_AUTH_TOKEN": OTHER},
            rf"The cluster at {{address}} needs its own token, got another one from RAY_AUTH_TOKEN; {CURE}\.",
        ),
        (
            {"RAY_AUTH_TOKEN": TOKEN, "RAY_AUTH_MODE": "disabled"},
            r"The cluster at {address} needs its token, got none because RAY_AUTH_MODE is disabled; "
            r"unset it, so that the one from RAY_AUTH_TOKEN is given\.",
        ),
        (
            {"RAY_AUTH_MODE": "disabled"},
            rf"The cluster at {{address}} needs its token, none was found; {CURE}\.",
        ),
        (
            {"RAY_AUTH_MODE": "token"},
            rf"RAY_AUTH_MODE=token needs a token, none was found; {CURE}, or set it to disabled\.",
        ),
        (
            {"RAY_AUTH_MODE": "on", "RAY_AUTH_TOKEN": TOKEN},
            r"RAY_AUTH_MODE must be token or disabled, got 'on'; unset it to have it chosen\.",
        ),
        (
            {"RAY_AUTH_TOKEN_PATH": "/nowhere/token"},
            rf"RAY_AUTH_TOKEN_PATH must name a file with a token, got /nowhere/token; {CURE}\.",
        ),
    ],
)
def test_a_refused_token_gets_one_line(guarded, join, variables, pattern):
    line = join(guarded[0], **variables)
    assert re.fullmatch(pattern.replace("{address}", re.escape(guarded[0])), line), line


@pytest.mark.slow
@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ('{"ray_version": "2.59.1"}', r"Ray 2\.59\.1 and Python .*"),
        ('{"python_version": "3.10.2"}', r"Ray .* and .* 3\.10\.2"),
    ],
)
def test_other_versions_get_one_line(guarded, join, told, shown):
    address, change = guarded
    change(told)
    line = join(address, RAY_AUTH_TOKEN=TOKEN)
    change("{}")
    assert re.fullmatch(
        rf"The cluster at {re.escape(address)} needs {shown}, got Ray .* and Python .*; install the same here .*", line
    ), line
    assert join(address, RAY_AUTH_TOKEN=TOKEN).startswith("joined")


@contextmanager
def answering(reply):
    """The port of a server that answers every connection with some bytes: None for one that stays silent."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as held:

        def serve():
            connections = [held]
            while True:
                try:
                    connections.append(server.accept()[0])
                except OSError:
                    break
                if reply is not None:
                    connections[-1].recv(1000)
                    connections[-1].sendall(reply)
                    connections[-1].close()
            for connection in connections:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"", b"220 mail\r\n", None]
)
def test_what_answers_but_is_not_ray_is_refused(reply, monkeypatch):
    monkeypatch.setattr("study.cluster.address.ANSWER_SECONDS", 0.3)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    pattern = (
        r"--address must name a running Ray cluster, got 127\..*, which is something else than Ray; give the port .*"
    )
    with answering(reply) as port, pytest.raises(ValueError, match=pattern):
        cluster_address(f"127.0.0.1:{port}")


@pytest.mark.slow
def test_another_server_of_ray_is_refused(guarded, join):
    """Ray's nodes speak gRPC at many ports; one of them is not the head's."""
    address = guarded[0]
    node = (
        f"import ray; ray.init('{address}', logging_level='ERROR', log_to_driver=False); "
        "print(ray.nodes()[0]['NodeManagerPort'])"
    )
    environment = without_ray() | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    found = subprocess.run([sys.executable, "-c", node], env=environment, capture_output=True, text=True, check=True)
    other = f"{address.rpartition(':')[0]}:{int(found.stdout)}"
    line = join(other, RAY_AUTH_TOKEN=TOKEN)
    assert line.startswith(f"--address must name the head of a running Ray cluster, got {other}, which answers "), line


def test_an_address_given_or_of_the_environment_is_used(guarded, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", guarded[0])
    assert cluster_address(None) == guarded[0]
    assert cluster_address("auto") == guarded[0]
    assert cluster_address("local") is None
    monkeypatch.delenv("RAY_ADDRESS")
    assert cluster_address(None) is None
    assert cluster_address("auto") == "auto"
    assert cluster_address(guarded[0]) == guarded[0]


def test_where_jobs_are_sent_is_not_where_a_cluster_is_joined(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "http://10.0.0.1:8265")
    pattern = (
        r"^RAY_ADDRESS must be HOST:PORT .*, got 'http://.*'; that is where `ray job submit` sends jobs: .* unset it"
    )
    with pytest.raises(ValueError, match=pattern):
        cluster_address(None)


@pytest.mark.slow
def test_a_refused_study_writes_nothing(guarded, study_command, tmp_path):
    words = (
        "--search",
        "optuna",
        "--repeats",
        "1",
        "--optimizers",
        "sgd",
        "--trials",
        "1",
        "--train-images",
        "20",
        "--output",
        "out",
    )
    done = study_command(*words, "--address", guarded[0], env={"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": OTHER})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"python -m study.run: error: The cluster at {guarded[0]} needs its own token, got another")
    assert list(tmp_path.iterdir()) == []


ONE_AFTER_THE_OTHER = """
import os, sys
from study.cluster.connection import connected
from study.signals import StopRequest
for address in (None, None, sys.argv[1]):
    with connected(address, StopRequest()):
        import ray
        node = ray.get(ray.remote(ray.util.get_node_ip_address).options(num_cpus=0).remote())
        print(os.environ["RAY_AUTH_TOKEN"], "127.0.0.1" if node == "127.0.0.1" else "another")
"""


@pytest.mark.slow
def test_one_process_starts_rays_of_its_own_and_joins_one_after_the_other(guarded):
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER, guarded[0]],
        env=without_ray() | {"RAY_AUTH_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, "")
    tokens, places = zip(*map(str.split, done.stdout.splitlines()), strict=True)
    assert (len(set(tokens)), tokens[2]) == (3, TOKEN)
    assert places == ("127.0.0.1", "127.0.0.1", "another")


def test_a_ray_that_cannot_start_gives_one_line_and_leaves_nothing(tmp_path, study_command):
    too_long = tmp_path / ("x" * 100)  # for the sockets that Ray keeps there
    too_long.mkdir()
    words = ("--search", "random", "--repeats", "1", "--dataset", "synthetic", "--optimizers", "sgd", "--trials", "1")
    done = study_command(*words, "--output", "out", env={"RAY_TMPDIR": str(too_long)})
    assert done.returncode == 1
    assert re.fullmatch(
        r"python -m study.run: error: Ray could not start on this machine \(.+\); the same command tries again\.\n",
        done.stderr,
    )
    assert not (tmp_path / "out").exists()
