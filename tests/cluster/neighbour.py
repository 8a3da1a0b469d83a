"""What another user of a machine tries against a Ray that runs there; prints what it got, a line of JSON each.

Reads from standard input what any user can find out, and the token, so as to know it where it lies open.
"""

import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import grpc

JOIN_SECONDS = 30
WRONG = "b" * 64
CALLS = (
    "NodeInfoGcsService/GetAllNodeInfo",
    "InternalKVGcsService/InternalKVKeys",
    "NodeManagerService/GetNodeStats",
    "NodeManagerService/GetSystemConfig",
    "CoreWorkerService/GetCoreWorkerStats",
    "CoreWorkerService/NumPendingTasks",
    "ReporterService/HealthCheck",
    "LogService/ListLogs",
)
NO_ANSWER = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
"""Of a port where another protocol is spoken."""

NO_ENTRY = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED}
JOIN = """
import logging, os, sys, ray
ray.init(address=sys.argv[1], logging_level=logging.CRITICAL, log_to_driver=False)
print(ray.get(ray.remote(lambda: os.getuid()).options(num_cpus=0).remote(), timeout=60))
"""


def main() -> None:
    told = json.load(sys.stdin)
    for attempt in (run_code, call, post, connect, read):
        for got in attempt(told):
            print(json.dumps([attempt.__name__, got]), flush=True)


def run_code(told) -> Iterator[str]:
    """Join the Ray and have a task run."""
    ways = {
        "without a token": {"RAY_AUTH_MODE": "disabled"},
        "with a wrong token": {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": WRONG},
    }
    tried = {
        f"at {address} {way}": subprocess.Popen(
            [sys.executable, "-c", JOIN, address],
            # Its file would be in a folder that Ray opens to its own user alone.
            env={**os.environ, "RAY_event_log_reporter_enabled": "0", **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for address in (told["gcs"], "auto")
        for way, variables in ways.items()
    }
    deadline = time.monotonic() + JOIN_SECONDS
    for way, process in tried.items():
        with suppress(subprocess.TimeoutExpired):  # of a driver that the Ray has refused and that goes on trying
            process.wait(timeout=max(0.0, deadline - time.monotonic()))
        process.kill()
        if out := process.communicate()[0].strip():
            yield f"a task {way} as user {out}"


def call(told) -> Iterator[str]:
    """Call what every kind of Ray's servers answers at once, at every port."""
    refusals = 0
    for port in told["ports"]:
        for metadata in (), (("authorization", f"Bearer {WRONG}"),):
            for name in CALLS:
                with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                    method = channel.unary_unary(f"/ray.rpc.{name}")
                    try:
                        method(b"", metadata=metadata, timeout=3)
                        code = None
                    except grpc.RpcError as error:
                        code = error.code()
                refusals += code == grpc.StatusCode.UNAUTHENTICATED
                if code in NO_ANSWER:
                    break
                if code not in NO_ENTRY:
                    yield f"{name} at {port}: {code or 'an answer'}"
    print(json.dumps(["refusals", refusals]))


def post(told) -> Iterator[str]:
    """Ask for jobs and environments over HTTP, at every port."""
    requests = {"/api/job_agent/jobs/": b'{"entrypoint": "id"}', "/api/jobs/": b'{"entrypoint": "id"}'}
    requests["/get_or_create_runtime_env"] = b""
    for port in told["ports"]:
        for headers in {}, {"Authorization": f"Bearer {WRONG}"}:
            for path, body in requests.items():
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
                try:
                    connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
                    response = connection.getresponse()
                    answer = response.read()
                except (OSError, http.client.HTTPException):
                    break
                finally:
                    connection.close()
                # Figures for Prometheus stand open, whatever is asked for.
                if response.status not in {401, 403, 404, 405} and not answer.startswith(b"# HELP"):
                    yield f"{path} at {port}: {response.status}"


def connect(told) -> Iterator[str]:
    """Open the sockets that are files."""
    for path in told["sockets"]:
        with socket.socket(socket.AF_UNIX) as end:
            try:
                end.connect(path)
                yield path
            except OSError:
                pass


def read(told) -> Iterator[str]:
    """List the folder of the Ray, write what is compiled, and look for the token everywhere."""
    folder = pathlib.Path(told["folder"])
    if os.access(folder, os.R_OK | os.X_OK):
        yield f"{len(list(folder.rglob('*')))} files in {folder}"
    for path in map(pathlib.Path, told["compiled"]):
        if os.access(path, os.W_OK) or os.access(path.parent, os.W_OK):
            yield f"may change {path}"
    processes = (path for path in pathlib.Path("/proc").glob("[0-9]*/*") if path.name in {"cmdline", "environ"})
    own = {str(os.getpid()), "self"}
    for path in (*processes, *(path for top in told["tops"] for path in pathlib.Path(top).rglob("*"))):
        try:
            if path.is_file() and path.parts[2] not in own and told["token"].encode() in path.read_bytes():
                yield f"the token in {path}"
        except OSError:
            continue


if __name__ == "__main__":
    main()
