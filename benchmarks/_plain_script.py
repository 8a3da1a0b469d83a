"""The script that one would write without this package: Ray Tune around the article's loop, a trial for each network.

It trains a list of learning rates on several seeds each, validates after every epoch and prints the best setting.
Images are loaded once and shared by all trials, and a trial has one core and loads its own batches: with a loader
process beside each of as many trials as there are cores it would be slower.
"""

import argparse
import os
import pathlib
from typing import Any

import numpy as np
import ray
import torch
from ray import tune
from torch.utils.data import DataLoader

from benchmarks._article import Pictures, SimpleCNN, error, train_epoch
from trainables.data.dataset import Dataset, load_dataset


def train(config: dict[str, Any], data: Dataset) -> None:
    """One trial: one network."""
    torch.manual_seed(config["seed"])
    train_set = Pictures(data.train_images, data.train_labels)
    validation_set = Pictures(data.validation_images, data.validation_labels)
    train_loader = DataLoader(train_set, batch_size=config["batch_size"], shuffle=True)
    validation_loader = DataLoader(validation_set, batch_size=250)
    model = SimpleCNN()
    optimizer = torch.optim.SGD(model.parameters(), lr=config["learning_rate"])
    for _ in range(config["epochs"]):
        loss = train_epoch(model, train_loader, optimizer)
        tune.report({"train_loss": loss, "validation_error": error(model, validation_loader)})


def main() -> None:
    """Run the trials and print the best learning rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=pathlib.Path)
    for name in ("train-images", "batch-size", "epochs", "points", "seeds"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--results", type=pathlib.Path, required=True)
    options = parser.parse_args()
    name = "cifar10" if options.data_dir else "cifar10-mini"
    data = load_dataset(name, data_dir=options.data_dir).subset(options.train_images)
    ray.init(address="local", include_dashboard=False, log_to_driver=False)
    space = {
        "learning_rate": tune.grid_search(np.geomspace(1e-4, 1.0, options.points).tolist()),
        "seed": tune.grid_search(list(range(options.seeds))),
        "batch_size": options.batch_size,
        "epochs": options.epochs,
    }
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(train, data=data), {"cpu": 1}),
        param_space=space,
        run_config=tune.RunConfig(storage_path=str(options.results.absolute()), verbose=0),
    )
    table = tuner.fit().get_dataframe()
    means = table.groupby("config/learning_rate")["validation_error"].mean()
    print(f"{len(table)} trials, best learning rate {means.idxmin():.3g}, validation error {means.min():.1%}")
    ray.shutdown()


if __name__ == "__main__":
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    main()
