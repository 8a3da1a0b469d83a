"""A real cluster whose nodes declare GPUs: what trials ask for, on both kinds of device, from one queue."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
import torch
import yaml

from study.cluster.nodes import nodes_of
from study.cluster.slots import Node
from tests.user_optimizers import HELD_ON_A_GPU, WITNESS_OF_RESOURCES, faulty_sgd

PATIENCE_SECONDS = 300


@pytest.mark.slow
def test_every_trial_asks_for_its_own_share_and_needs_no_gpu_once_that_is_lost(
    start_cluster, tmp_path, user_file, study_command
):
    seen = tmp_path / "seen"
    seen.mkdir()
    witness = user_file("witness", faulty_sgd(HELD_ON_A_GPU, seen) + WITNESS_OF_RESOURCES)
    address, lose_node = start_cluster({"num_cpus": 1}, {"num_cpus": 1, "num_gpus": 1})
    words = (
        *(
            "--search",
            "random",
            "--repeats",
            "1",
            "--optimizers",
            "witness",
            "--train-images",
            "40",
            "--trials",
            "6",
            "--epochs",
            "2",
        ),
        *("--optimizer-file", str(witness), "--seeds", "1"),
        *("--confirm-seeds", "0", "--no-sweep", "--no-timing", "--max-failures", "0", "--gpus-per-trial", "0.5"),
        *("--address", address),
    )

    done = study_command(*words, "--device", "auto", "--output", "auto")
    assert done.returncode == 0, done.stdout + done.stderr
    assert shares(seen) == {0.5}
    trials = pl.read_parquet(tmp_path / "auto" / "trials" / "*.parquet")
    assert trials["status"].to_list() == ["complete"] * 6
    if not torch.cuda.is_available():
        assert set(trials["device"]) == {"cpu"}, "a GPU that was only declared trains nothing, and rows say so"
        assert done.stdout.count(f"Note: torch on {trials['node'][0]} cannot use its GPU; ") == 1

    (seen / "hold").touch()
    with ThreadPoolExecutor(1) as thread:
        study = thread.submit(study_command, *words, "--device", "mixed", "--output", "mixed")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (seen / "held").exists():
            assert not study.done(), study.result()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert shares(seen) == {0.5, None}
        lose_node()
        done = study.result()
    assert done.returncode == 0, done.stdout + done.stderr
    trials = pl.read_parquet(tmp_path / "mixed" / "trials" / "*.parquet")
    assert trials["status"].to_list() == ["complete"] * 6
    assert sorted(trials["attempt"]) == [0, 0, 0, 0, 0, 1]
    assert shares(seen) == {None}


def shares(folder):
    """Shares of a GPU that the workers told of since the last time."""
    paths = list(folder.glob("*.json"))
    given = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    for path in paths:
        path.unlink()
    assert {each["CPU"] for each in given} == {1.0}
    return {each.get("GPU") for each in given}


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
