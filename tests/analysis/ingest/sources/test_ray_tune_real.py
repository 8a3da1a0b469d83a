"""A real run of Ray Tune: what it writes is what the other tests write by hand, and becomes a ledger."""

import json
import pathlib
import subprocess
import sys

import pytest

from analysis.ingest.__main__ import main
from analysis.ledger.load import load

PROGRAM = """
import sys

import ray
from ray import tune

def train(config):
    import numpy as np

    if config["learning_rate"] == 0.5:
        raise RuntimeError("no such rate")
    for epoch in range(1, 4):
        loss = 2.0 - 0.1 * epoch + config["seed"]
        tune.report({
            "accuracy": np.float32(0.25 * epoch),
            "val": {"loss": np.float32("nan") if config["learning_rate"] == 1.0 and epoch == 2 else loss},
            "train_loss": float("inf") if config["learning_rate"] == 2.0 else loss,
        })

ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
space = {
    "optimizer": "sgd", "learning_rate": tune.grid_search([0.1, 0.2, 0.5, 1.0, 2.0]), "seed": tune.grid_search([0, 1]),
}
tune.Tuner(
    tune.with_resources(train, {"cpu": 1}), param_space=space,
    run_config=tune.RunConfig(name="experiment", storage_path=sys.argv[1], verbose=0),
).fit()
ray.shutdown()
"""  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("ray")
    command = [sys.executable, "-c", PROGRAM, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return root / "experiment"


@pytest.mark.slow
def test_a_real_experiment_becomes_a_ledger(folder, tmp_path):
    description = tmp_path / "study.toml"
    description.write_text('[optimizers.sgd.space]\nlearning_rate = {low = 0.1, high = 2.0, scale = "log"}\n')
    words = ["ray-tune", folder, "--optimizer-key", "optimizer", "--seed-key", "seed", "--phase", "grid", "--map",
             "validation_error=1-accuracy", "validation_loss=val/loss", "--description", description]  # fmt: skip
    assert main([*map(str, words), "--output", str(tmp_path / "ledger")]) == 0
    ledger = load(tmp_path / "ledger")
    found = ledger.trials.sort("learning_rate", "seed").select("learning_rate", "seed", "status", "validation_error")
    assert found.rows() == [
        (0.1, 0, "complete", 0.25), (0.1, 1, "complete", 0.25), (0.2, 0, "complete", 0.25), (0.2, 1, "complete", 0.25),
        (0.5, 0, "failed", None), (0.5, 1, "failed", None), (1.0, 0, "diverged", 1.0), (1.0, 1, "diverged", 1.0),
        (2.0, 0, "diverged", 1.0), (2.0, 1, "diverged", 1.0),
    ]  # fmt: skip
    assert "no such rate" in ledger.trials.filter(status="failed")["message"][0]
    curve = ledger.epochs.filter(number=1, replicate=1)
    assert curve["train_loss"].to_list() == curve["validation_loss"].to_list() == pytest.approx([2.9, 2.8, 2.7])
    assert ledger.trials.filter(learning_rate=1.0)["message"][0] == "validation_loss not finite in epoch 2"
    assert ledger.study.num_epochs == 3


@pytest.mark.slow
def test_the_folders_written_by_hand_have_the_form_of_real_ones(folder, known):
    trial = sorted(path.parent for path in folder.glob("*/result.json"))[0]
    real = json.loads(pathlib.Path(trial / "result.json").read_text().splitlines()[0])
    own = set(real) - {"accuracy", "val", "train_loss", "config"}
    assert own == set(known.result(1))
    assert {"params.json", "params.pkl", "result.json"} <= {path.name for path in trial.iterdir()}
    assert json.loads((trial / "params.json").read_text()) == real["config"]
