"""A real cluster whose nodes declare GPUs: what trials ask for, on both kinds of device, from one queue."""

import json
import subprocess
import sys
from contextlib import suppress

import polars as pl
import pytest
import yaml

from study.cluster import nodes_of
from study.devices import Node

CLUSTER = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
cluster.add_node(num_cpus=1)
cluster.add_node(num_cpus=1, num_gpus=1)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""

WITNESS = '''
"""SGD that tells what Ray has given its worker."""

import json
import os
import pathlib

import ray
import torch

from trainables.spec import Hyperparameter, OptimizerSpec


def build(parameters, *, generators, learning_rate):
    if ray.is_initialized():
        given = ray.get_runtime_context().get_assigned_resources()
        pathlib.Path({folder!r}, f"{{learning_rate!r}}.json").write_text(json.dumps(given))
    return torch.optim.SGD(parameters, lr=learning_rate)


SPEC = OptimizerSpec(
    build=build,
    equation="θ ← θ − η g",
    space={{"learning_rate": Hyperparameter(low=1e-3, high=1.0, scale="log")}},
    published={{"learning_rate": 0.1}},
    reference="a test",
)
'''


@pytest.fixture(scope="module")
def address():
    """A cluster whose head has no CPU; it has a node of one CPU, and one of a CPU and a GPU."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    yield process.stdout.readline().strip()
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=60)
    process.kill()
    process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(("device", "shares"), [("auto", {0.5}), ("mixed", {None, 0.5})])
def test_every_trial_asks_for_its_own_share(address, device, shares, tmp_path, user_file, study_command):
    folder = tmp_path / "seen"
    folder.mkdir()
    own = user_file("witness", WITNESS.format(folder=str(folder)))
    done = study_command(
        *("--search", "random", "--optimizers", "witness", "--optimizer-file", str(own), "--train-images", "40"),
        *("--trials", "6", "--epochs", "2", "--seeds", "1", "--confirm-seeds", "0", "--no-sweep", "--no-timing"),
        *("--device", device, "--gpus-per-trial", "0.5", "--address", address, "--output", "out"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    given = [json.loads(path.read_text(encoding="utf-8")) for path in folder.iterdir()]
    assert len(given) == 6
    assert {share["CPU"] for share in given} == {1.0}
    assert {share.get("GPU") for share in given} == shares
    trials = pl.read_parquet(tmp_path / "out" / "trials" / "*.parquet")
    assert trials["status"].to_list() == ["complete"] * 6
    assert set(trials["device"]) == {"cpu"}, "a GPU that was only declared trains nothing, and rows say so"


def test_the_largest_size_of_a_cluster_is_that_of_its_file():
    text = """
    max_workers: 5
    head_node_type: head
    available_node_types:
      head: {resources: {CPU: 0}, node_config: {}}
      cpu: {resources: {CPU: 4}, max_workers: 3, node_config: {}}
      gpu: {resources: {CPU: 8, GPU: 1}, max_workers: 10, node_config: {}}
    """
    found = list(nodes_of(yaml.safe_load(text)))
    assert found.count(Node(id="", address="", cpus=4.0, gpus=0.0)) == 3
    assert found.count(Node(id="", address="", cpus=8.0, gpus=1.0)) == 2
    assert len(found) == 6
