"""What the ledger costs: time per result in the driver, size on the disk, time to merge, check and read back.

Feeds the callback of a study with made-up results of a given shape, through the schedule and the router of a real one,
without training anything. `python benchmarks/ledger.py` prints one line per measurement.
"""

import argparse
import io
import pathlib
import statistics
import tempfile
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
from rich.console import Console

from study.budget import TimeBudget
from study.callback import LedgerCallback
from study.ledger import Ledger
from study.progress import Progress
from study.router import Router
from study.schedule import Schedule
from study.search import load_search
from study.spec import Extent, Identity, OptimizerDefinition, StudySpec
from trainables.optimizers import load_optimizer

OPTIMIZERS = ("sgd", "adam")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000, help="in all (default: %(default)s)")
    parser.add_argument("--replicates", type=int, default=4, help="of each trial (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=10, help="of each replicate (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=40, help="of each epoch (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(pathlib.Path(folder), options)


def measure(directory: pathlib.Path, options: argparse.Namespace) -> None:
    """Fill a ledger in a directory, merge it and read it back."""
    spec = spec_of(options)
    ledger = Ledger(directory, spec)
    ledger.record_run({"command": "a benchmark"})
    schedule = Schedule(spec, load_search("random"))
    router = Router(schedule, spec.identity, TimeBudget(None))
    per_result, per_commit = [], []
    with Progress(schedule, OPTIMIZERS, [], Console(file=io.StringIO())) as progress:
        callback: Any = LedgerCallback(ledger, router, progress)
        for number in range(options.trials):
            trial = SimpleNamespace(trial_id=str(number), last_result={})
            router.suggest(trial.trial_id)
            callback.on_trial_start(0, [], trial)
            for epoch in range(1, options.epochs + 1):
                result = result_of(number, epoch, options)
                per_result.append(seconds(callback.on_trial_result, 0, [], trial, result))
            trial.last_result = result
            per_commit.append(seconds(callback.on_trial_complete, 0, [], trial))
    print_times("a result", per_result)
    print_times("a finished trial", per_commit)
    before = size(directory)
    print(f"merging: {seconds(ledger.close):.2f} s, {before / 1e6:.1f} MB before, {size(directory) / 1e6:.1f} MB after")
    print(f"checking everything and reading it back: {seconds(Ledger(directory, spec).recover):.2f} s")


def spec_of(options: argparse.Namespace) -> StudySpec:
    """A study of as many trials."""
    identity = Identity(
        dataset="cifar10-mini", num_train_images=320, num_validation_images=1000, num_evaluation_images=64,
        num_test_images=1000, batch_size=8, num_epochs=options.epochs, seed=0, num_seeds=options.replicates,
        search="random", lag=8,
    )  # fmt: skip
    extent = Extent(
        optimizers=OPTIMIZERS, num_trials=options.trials // len(OPTIMIZERS), num_confirm_seeds=0, sweep=False
    )
    definitions = {name: OptimizerDefinition.of(load_optimizer(name), source=None, values={}) for name in OPTIMIZERS}
    return StudySpec(identity=identity, extent=extent, optimizers=definitions)


def result_of(number: int, epoch: int, options: argparse.Namespace) -> dict[str, Any]:
    """What a worker reports of an epoch: numbers as hard to compress as real ones."""
    random = np.random.default_rng((number, epoch))
    names = ("train_loss", "train_error", "validation_loss", "validation_error", "gradient_norm", "update_norm")
    records = [
        {
            "replicate": replicate,
            "epoch": epoch,
            **{name: float(random.random()) for name in (*names, "weight_norm", "seconds")},
            "step_losses": random.random(options.steps, dtype=np.float32),
            "steps": options.steps,
            "images": options.steps * 8,
            "diverged_step": None,
        }
        for replicate in range(options.replicates)
    ]
    return {"epochs": records, "device": "cpu", "node_ip": "127.0.0.1", "done": epoch == options.epochs}


def seconds(call: Any, *arguments: Any) -> float:
    """Wall time of a call."""
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def size(directory: pathlib.Path) -> int:
    """Bytes of all files below."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def print_times(what: str, times: list[float]) -> None:
    """Median, 95th percentile and largest of some times."""
    milliseconds = sorted(1e3 * value for value in times)
    tail = milliseconds[int(0.95 * len(milliseconds))]
    print(
        f"{what}: median {statistics.median(milliseconds):.2f} ms, 95 % below {tail:.2f} ms, "
        f"longest {milliseconds[-1]:.1f} ms (n = {len(milliseconds):,})"
    )


if __name__ == "__main__":
    main()
