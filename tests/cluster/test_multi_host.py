"""Studies on clusters of several hosts, which lose one and gain another; who may join from where."""

import pathlib
import re
import shutil
import subprocess
import sys

import polars as pl
import pytest

from analysis.ledger.parts import read_parts
from tests.processes import wait_for
from tests.user_optimizers import HELD_AFTER_ONE_TRIAL_PER_HOST, faulty_sgd

ROOT = pathlib.Path(__file__).parents[2]
TOKEN = "f00d" * 8
PORT = 6379
PATIENCE_SECONDS = 400
KEY = ["optimizer", "phase", "number", "replicate"]

CLUSTER = {
    "RAY_AUTH_MODE": "token",
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
}
"""Of `ray start`; a host that is cut off counts as lost after some ten seconds instead of forty."""

JOIN = """
import sys
import ray
from study.cluster.address import cluster_address
from study.cluster.connection import connected
from study.signals import StopRequest
try:
    with connected(cluster_address(*sys.argv[1:] or [None]), StopRequest()):
        print(*sorted(node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]))
except ValueError as error:
    print(error)
"""


def start_head(host):
    give_token(host)
    words = ("--head", f"--port={PORT}", "--num-cpus=0", "--include-dashboard=false")
    host.run(["ray", "start", *words, f"--node-ip-address={host.address}"], CLUSTER)


def start_workers(head, *workers):
    """Start them all at once: it is mostly waiting."""
    started = []
    for host in workers:
        give_token(host)
        words = (f"--address={head.address}:{PORT}", "--num-cpus=1", f"--node-ip-address={host.address}")
        started.append(host.start(["ray", "start", *words], CLUSTER, stdout=subprocess.DEVNULL))
    assert [process.wait(timeout=PATIENCE_SECONDS) for process in started] == [0] * len(workers)


def give_token(host):
    (host.home / ".ray").mkdir()
    (host.home / ".ray" / "auth_token").write_text(TOKEN, encoding="utf-8")


def table(directory):
    return pl.concat([pl.DataFrame(pl.from_arrow(part.rows)) for part in read_parts(directory)], how="diagonal")


@pytest.mark.slow
def test_a_study_whose_worker_is_cut_off_goes_on_with_a_host_that_joins(hosts, tmp_path):
    traces, out, patient = (tmp_path / name for name in ("traces", "out", "patient.py"))
    traces.mkdir()
    patient.write_text(faulty_sgd(HELD_AFTER_ONE_TRIAL_PER_HOST, traces), encoding="utf-8")
    words = (
        *(
            "--search",
            "optuna",
            "--repeats",
            "1",
            "--optimizers",
            "patient,sgd",
            "--optimizer-file",
            str(patient),
            "--trials",
            "6",
        ),
        *("--train-images", "200", "--batch-size", "20", "--epochs", "2", "--seeds", "2", "--confirm-seeds", "0"),
        *("--no-sweep", "--no-timing", "--max-failures", "0", "--output", str(out)),
    )
    with hosts(4) as (head, lost, staying, newcomer):
        start_head(head)
        start_workers(head, lost, staying)
        study = head.start(
            [sys.executable, "-m", "study.run", *words, "--address", f"{head.address}:{PORT}"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

        def num_begun(host):
            return len(list(traces.glob(f"{host.name}-*")))

        wait_for(lambda: num_begun(lost) == 2 and num_begun(staying) == 2, study)
        lost.cut()
        start_workers(head, newcomer)
        wait_for(lambda: num_begun(newcomer) > 0, study)
        (traces / "open").touch()
        printed, err = study.communicate(timeout=PATIENCE_SECONDS)
        assert (study.returncode, err) == (0, "")
        checked = head.run([sys.executable, "-m", "study.ledger", str(out), "check"])
    assert "Sound." in checked.stdout, checked.stdout
    assert "Report: " in printed

    rows = table(out / "trials")
    asked = {
        (optimizer, number, replicate)
        for optimizer in ("patient", "sgd")
        for number in range(6)
        for replicate in (0, 1)
    }
    assert rows.select(KEY).is_unique().all()
    stored = set(rows.select("optimizer", "number", "replicate").rows())
    num_lost = sum(f"Node {lost.address} has left;" in line for line in printed.splitlines())
    num_retried = rows.filter(pl.col("attempt") > 0).select("optimizer", "phase", "number").n_unique()
    print(f"nodes lost: {num_lost}, trials retried: {num_retried}, rows lost: {len(asked - stored)} of {len(asked)}")
    assert stored == asked
    assert set(rows["status"]) <= {"complete", "diverged"}
    assert (num_lost, num_retried) == (1, 1)
    assert set(rows["node"]) == {host.address for host in (lost, staying, newcomer)}
    epochs = table(out / "epochs")
    assert epochs.select(*KEY, "epoch").is_unique().all()
    assert len(epochs) == 2 * len(asked)


@pytest.mark.slow
def test_a_host_with_other_files_that_joins_ends_the_study_in_one_line(hosts, tmp_path):
    traces, out, patient = (tmp_path / name for name in ("traces", "out", "patient.py"))
    traces.mkdir()
    patient.write_text(faulty_sgd(HELD_AFTER_ONE_TRIAL_PER_HOST, traces), encoding="utf-8")
    words = (
        *(
            "--search",
            "random",
            "--repeats",
            "1",
            "--optimizers",
            "patient",
            "--optimizer-file",
            str(patient),
            "--trials",
            "6",
        ),
        *("--train-images", "200", "--batch-size", "20", "--epochs", "2", "--seeds", "1", "--confirm-seeds", "0"),
        *("--no-sweep", "--no-timing", "--max-failures", "0", "--output", str(out)),
    )
    with hosts(3) as (head, worker, newcomer):
        start_head(head)
        start_workers(head, worker)
        command = [sys.executable, "-m", "study.run", *words, "--address", f"{head.address}:{PORT}"]
        study = head.start(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for(lambda: list(traces.glob(f"{worker.name}-*")), study)
        copy = tmp_path / "altered"
        shutil.copytree(ROOT / "trainables", copy)
        (copy / "timing.py").write_text("", encoding="utf-8")
        newcomer.run(["mount", "--bind", str(copy), str(ROOT / "trainables")])
        start_workers(head, newcomer)
        printed, err = study.communicate(timeout=PATIENCE_SECONDS)
        assert study.returncode == 2, err
        assert f"Node {newcomer.address}" not in printed, "it has not joined"
        assert re.fullmatch(
            rf".*: error: Every node needs this project .*, but {newcomer.address} has other files of trainables; .*\n",
            err,
        ), err
        newcomer.run(["umount", str(ROOT / "trainables")])
        (traces / "open").touch()
        done = head.run(command, cwd=tmp_path)
        assert "Report: " in done.stdout
    rows = table(out / "trials")
    assert rows["number"].sort().to_list() == list(range(6))
    assert set(rows["status"]) <= {"complete", "diverged"}


@pytest.mark.slow
def test_who_may_join_a_cluster_from_where(hosts, tmp_path):
    with hosts(3) as (head, worker, stranger):
        start_head(head)
        start_workers(head, worker)
        give_token(stranger)
        address = f"{head.address}:{PORT}"
        both = f"{head.address} {worker.address}\n"

        def join(host, *words, **env):
            done = host.run([sys.executable, "-c", JOIN, *words], env)
            assert done.stderr == ""
            return done.stdout

        assert join(head, "auto") == both
        assert join(worker, address) == both
        assert join(head, RAY_ADDRESS=address) == both
        alone = join(head)
        assert alone != both
        assert len(alone.split()) == 1

        assert re.match(
            r"--address must name a cluster that this machine belongs to, got .*:6379, none of whose 2 nodes",
            join(stranger, address),
        )
        assert re.match(
            r"--address auto needs a Ray cluster that runs on this machine, there is none; ", join(stranger, "auto")
        )

        copy = tmp_path / "study"
        shutil.copytree(ROOT / "study", copy)
        worker.run(["mount", "--bind", str(copy), str(ROOT / "study")])
        (copy / "rows.py").write_text("", encoding="utf-8")
        assert f"but {worker.address} has other files of study; install" in join(head, "auto")
        (copy / "__init__.py").write_text('raise ImportError("broken")', encoding="utf-8")
        assert f"but {worker.address} has no study; install" in join(head, "auto")
