"""What the ledger costs: time per result in the driver, size on the disk, time to merge, check and read back.

Feeds the callback of a study with made-up results of a given shape, through the queue and the searcher of a real one,
without training anything. `python -m benchmarks.ledger` measures a shape of your own.
"""

import io
import pathlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from rich.console import Console

from analysis.command_line import Parser
from benchmarks import Row, row
from benchmarks._studies import made_up_spec
from study.cluster.slots import Share, Slots
from study.display.fleet import Fleet
from study.display.progress import Progress
from study.ledger import Ledger
from study.queue.time_budget import TimeBudget
from study.queue.trial_queue import TrialQueue
from study.request.numbers import at_least
from study.search import load_search
from study.spec import Extent, StudySpec
from study.tune.assignments import Assignments
from study.tune.callback import LedgerCallback
from study.tune.commits import Commits
from study.tune.searcher import QueueSearcher
from study.tune.settlement import Settlement
from trainables.training.trial import ReplicateEpoch

OPTIMIZERS = ("sgd", "adam")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Size of a study: trials in all, replicates of each, epochs of each replicate, steps of each epoch."""

    trials: int = 2000
    replicates: int = 4
    epochs: int = 10
    steps: int = 40


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a ledger has cost: seconds of each result and of each finished trial, and of the end; bytes around it."""

    per_result: Sequence[float]
    per_trial: Sequence[float]
    merging: float
    recovering: float
    bytes_before: int
    bytes_after: int


def rows(*, small: bool = False) -> list[Row]:
    """The times of all results and of all finished trials of one ledger; merging and reading back are done once."""
    shape = Shape(trials=20) if small else Shape()
    case = f"{shape.trials:,} trials x {shape.replicates} replicates x {shape.epochs} epochs"
    cost = measure(shape)
    return [
        row("ledger", case, "a result in the driver", "ms", [1e3 * value for value in cost.per_result]),
        row("ledger", case, "a finished trial in the driver", "ms", [1e3 * value for value in cost.per_trial]),
        row("ledger", case, "merging at the end", "s", [cost.merging]),
        row("ledger", case, "checking everything and reading it back", "s", [cost.recovering]),
        row("ledger", case, "size before merging", "MB", [cost.bytes_before / 1e6]),
        row("ledger", case, "size after merging", "MB", [cost.bytes_after / 1e6]),
    ]


def main() -> None:
    """Measure and print."""
    parser = Parser(prog="python -m benchmarks.ledger", description=__doc__)
    parser.add_argument("--trials", type=at_least(1), default=Shape.trials, help="in all (default: %(default)s)")
    parser.add_argument(
        "--replicates", type=at_least(1), default=Shape.replicates, help="of each trial (default: %(default)s)"
    )
    parser.add_argument(
        "--epochs", type=at_least(1), default=Shape.epochs, help="of each replicate (default: %(default)s)"
    )
    parser.add_argument("--steps", type=at_least(1), default=Shape.steps, help="of each epoch (default: %(default)s)")
    cost = measure(Shape(**vars(parser.parse_args())))
    print_times("a result", cost.per_result)
    print_times("a finished trial", cost.per_trial)
    sizes = f"{cost.bytes_before / 1e6:.1f} MB before, {cost.bytes_after / 1e6:.1f} MB after"
    print(f"merging: {cost.merging:.2f} s, {sizes}")
    print(f"checking everything and reading it back: {cost.recovering:.2f} s")


def measure(shape: Shape) -> Cost:
    """Fill a ledger, merge it and read it back."""
    with tempfile.TemporaryDirectory() as folder:
        return measure_in(pathlib.Path(folder), shape)


def measure_in(directory: pathlib.Path, shape: Shape) -> Cost:
    """Fill a ledger in a directory, merge it and read it back."""
    spec = spec_of(shape)
    ledger = Ledger(directory, spec)
    ledger.record_run({"command": "a benchmark"})
    queue = TrialQueue(spec, load_search("random"))
    slots = Slots(["cpu"], Share(cpus=1.0, gpus=1.0), lambda: {"cpu": 1})
    assignments = Assignments(queue, slots, TimeBudget(None))
    per_result, per_trial = [], []
    with Progress(queue, OPTIMIZERS, [], Fleet(list), Console(file=io.StringIO())) as progress:
        settlement = Settlement(Commits(ledger, None), assignments, progress)
        searcher = QueueSearcher(assignments, spec.identity, settlement.settle)
        callback: Any = LedgerCallback(ledger, assignments, settlement, progress, max_failures=0)
        for number in range(shape.trials):
            trial = SimpleNamespace(trial_id=str(number), last_result={})
            searcher.suggest(trial.trial_id)
            callback.on_trial_start(0, [], trial)
            for epoch in range(1, shape.epochs + 1):
                result = result_of(number, epoch, shape)
                per_result.append(seconds(callback.on_trial_result, 0, [], trial, result))
            trial.last_result = result
            per_trial.append(seconds(store, callback, settlement, trial))
    before = size(directory)
    merging = seconds(ledger.close)
    return Cost(
        per_result=per_result,
        per_trial=per_trial,
        merging=merging,
        recovering=seconds(Ledger(directory, spec).recover),
        bytes_before=before,
        bytes_after=size(directory),
    )


def spec_of(shape: Shape) -> StudySpec:
    """A study of as many trials."""
    extent = Extent(optimizers=OPTIMIZERS, num_trials=shape.trials // len(OPTIMIZERS), num_confirm_seeds=0, sweep=False)
    return made_up_spec(extent, search="random", num_epochs=shape.epochs, num_seeds=shape.replicates)


def store(callback: LedgerCallback, settlement: Settlement, trial: Any) -> None:
    """Store a finished trial, which a study does beside the training."""
    callback.on_trial_complete(0, [], trial)
    settlement.settle(wait=True)


def result_of(number: int, epoch: int, shape: Shape) -> dict[str, Any]:
    """What a worker reports of an epoch: numbers as hard to compress as real ones."""
    random = np.random.default_rng((number, epoch))
    names = ("train_loss", "train_error", "validation_loss", "validation_error", "gradient_norm", "update_norm")
    records = [
        ReplicateEpoch(
            replicate=replicate,
            epoch=epoch,
            **{name: float(random.random()) for name in (*names, "weight_norm", "seconds")},
            step_losses=random.random(shape.steps, dtype=np.float32),
            steps=shape.steps,
            images=shape.steps * 8,
            diverged_step=None,
        )
        for replicate in range(shape.replicates)
    ]
    return {"epochs": records, "device": "cpu", "node_ip": "127.0.0.1", "done": epoch == shape.epochs}


def seconds(call: Any, *arguments: Any) -> float:
    """Wall time of a call."""
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def size(directory: pathlib.Path) -> int:
    """Bytes of all files below."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def print_times(what: str, times: Sequence[float]) -> None:
    """Median, 95th percentile and largest of some times."""
    milliseconds = sorted(1e3 * value for value in times)
    tail = milliseconds[int(0.95 * len(milliseconds))]
    print(
        f"{what}: median {statistics.median(milliseconds):.2f} ms, 95 % below {tail:.2f} ms, "
        f"longest {milliseconds[-1]:.1f} ms (n = {len(milliseconds):,})"
    )


if __name__ == "__main__":
    main()
