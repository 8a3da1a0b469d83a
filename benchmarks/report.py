"""What the report costs over a large ledger: seconds, peak memory and size of its page.

The ledger is made up: random points, with an error that depends on the learning rate.
`python -m benchmarks.report --trials N` measures a size of your own.
"""

import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.command_line import Parser
from analysis.ledger.durable import write_part
from analysis.ledger.schema import epochs_schema, trials_schema
from benchmarks import Row, row
from benchmarks._studies import made_up_spec
from study.ledger import write_study
from study.request.numbers import at_least
from study.request.provenance import provenance
from study.spec import Extent, StudySpec
from trainables.optimizers import DEFAULTS

NUM_STEPS = 40
NUM_CONFIRM_SEEDS = 12
KIBIBYTE = 1024


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Size of a study: tuning trials of all optimizers, replicates of each, epochs of each replicate."""

    trials: int = 10_000
    replicates: int = 10
    epochs: int = 10


SMALL = Shape(trials=20, replicates=2, epochs=2)


def rows(*, small: bool = False, repetitions: int | None = None) -> list[Row]:
    """Seconds, peak memory and page size of the report's own command."""
    return measure(SMALL if small else Shape(), repetitions or (1 if small else 3))


def main() -> None:
    """Measure a ledger of the size asked for, and print."""
    parser = Parser(prog="python -m benchmarks.report", description=__doc__)
    for name, default in asdict(Shape()).items():
        parser.add_argument(f"--{name}", type=at_least(1), default=default, help="(default: %(default)s)")
    for found in measure(Shape(**vars(parser.parse_args())), 1):
        print(f"{found['case']}, {found['quantity']}: {found['median']:.2f} {found['unit']}")


def measure(shape: Shape, repetitions: int) -> list[Row]:
    """Generate a ledger and write its report several times, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        directory = pathlib.Path(folder)
        generate(directory, shape)
        costs = [report_cost(directory) for _ in range(repetitions)]
        page = (directory / "report" / "report.html").stat().st_size
        files = sum(path.stat().st_size for path in (directory / "report").rglob("*") if path.is_file())
    case = f"{shape.trials:,} trials x {shape.replicates} replicates x {shape.epochs} epochs"
    return [
        row("report", case, "wall time", "s", [seconds for seconds, _ in costs]),
        row("report", case, "peak memory", "MB", [peak / 1e6 for _, peak in costs]),
        row("report", case, "size of the page", "MB", [page / 1e6]),
        row("report", case, "size of all files", "MB", [files / 1e6]),
    ]


def report_cost(directory: pathlib.Path) -> tuple[float, float]:
    """Wall time in seconds and peak memory in bytes of `python -m analysis.report`."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "analysis.report.__main__", str(directory)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"The report failed with status {process.returncode}; its message stands above.")
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else KIBIBYTE)


def generate(directory: pathlib.Path, shape: Shape) -> None:
    """Write the ledger of a finished study of the default optimizers."""
    spec = spec_of(shape)
    write_study(directory, {**spec.to_dict(), "runs": [provenance(())], "looks": []})
    names = sorted({name for definition in spec.optimizers.values() for name in definition.space})
    for place, optimizer in enumerate(spec.extent.optimizers):
        random = np.random.default_rng(place)
        for phase, numbers, points in phases(spec, optimizer, random):
            replicates = NUM_CONFIRM_SEEDS if phase == "confirm" else shape.replicates
            table = {"optimizer": optimizer, "phase": phase, "attempt": 0, "steps": shape.epochs * NUM_STEPS}
            trials, epochs = replicate_rows(numbers, points, replicates, shape.epochs, random)
            own = {**table, **dict.fromkeys(names), **trials, "sampler": SAMPLERS[phase], "group_size": replicates}
            if phase == "confirm":
                own |= {"test_loss": own["validation_loss"], "test_error": own["validation_error"]}
            stem = f"{optimizer}-{phase}"
            write_part(table_of(own, trials_schema(names)), directory / "trials", stem)
            write_part(table_of({**table, **epochs, "steps": NUM_STEPS}, epochs_schema()), directory / "epochs", stem)


SAMPLERS = {"published": "published", "explore": "sobol", "exploit": "tpe", "sweep": "sweep", "confirm": "published"}


def spec_of(shape: Shape) -> StudySpec:
    """A study of the default optimizers with as many trials in all."""
    extent = Extent(
        optimizers=DEFAULTS,
        num_trials=shape.trials // len(DEFAULTS),
        num_confirm_seeds=NUM_CONFIRM_SEEDS,
        sweep=True,
    )
    return made_up_spec(extent, search="optuna", num_epochs=shape.epochs, num_seeds=shape.replicates)


def phases(
    spec: StudySpec, optimizer: str, random: np.random.Generator
) -> Iterator[tuple[str, np.ndarray[Any, Any], dict[str, np.ndarray[Any, Any]]]]:
    """Each phase of an optimizer with the numbers and points of its trials; one third is exploited."""
    definition = spec.optimizers[optimizer]
    numbers = np.arange(spec.extent.num_trials)
    is_explored = (numbers < 10) | (numbers % 2 == 1)
    for phase, chosen in (
        ("published", numbers[:1]),
        ("explore", numbers[1:][is_explored[1:]]),
        ("exploit", numbers[~is_explored]),
        ("sweep", np.arange(9)),
        ("confirm", np.arange(1)),
    ):
        points = {
            name: np.array([axis.at(fraction) for fraction in random.random(len(chosen))])
            for name, axis in definition.space.items()
        }
        if phase in ("published", "confirm"):
            points = {name: np.array([value]) for name, value in definition.published.items()}
        if len(chosen):
            yield phase, chosen, points


def replicate_rows(
    numbers: np.ndarray[Any, Any],
    points: dict[str, np.ndarray[Any, Any]],
    replicates: int,
    num_epochs: int,
    random: np.random.Generator,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Columns of `trials` and of `epochs`: errors that fall over epochs towards a parabola in the learning rate."""
    count = len(numbers) * replicates
    best = 0.45 + 0.05 * np.abs(np.log10(points["learning_rate"] / 0.03)).repeat(replicates)
    final = np.clip(best + 0.01 * random.standard_normal(count), 0.0, 0.9)
    progress = np.exp(-4 * np.arange(1, num_epochs + 1) / num_epochs)
    errors = np.clip(final[:, None] + (0.9 - final[:, None]) * progress, 0.0, 1.0).ravel()
    key = {"number": numbers.repeat(replicates), "replicate": np.tile(np.arange(replicates), len(numbers))}
    last = {"validation_loss": math.log(10) * errors.reshape(count, num_epochs)[:, -1]}
    trials = {
        **key, **{name: values.repeat(replicates) for name, values in points.items()}, **last,
        "validation_error": errors.reshape(count, num_epochs)[:, -1], "seed": key["replicate"], "status": "complete",
        "best_validation_loss": last["validation_loss"], "best_validation_error": final,
        "images": num_epochs * NUM_STEPS * 8, "seconds": random.uniform(1, 2, count), "device": "cpu",
        "node": "127.0.0.1",
    }  # fmt: skip
    losses = pa.ListArray.from_arrays(
        np.arange(0, count * num_epochs * NUM_STEPS + 1, NUM_STEPS, dtype=np.int32),
        pa.array(random.random(count * num_epochs * NUM_STEPS, dtype=np.float32)),
    )
    epochs = {
        **{name: values.repeat(num_epochs) for name, values in key.items()},
        "epoch": np.tile(np.arange(1, num_epochs + 1), count),
        "train_loss": 2 * errors, "train_error": 0.9 * errors, "validation_loss": math.log(10) * errors,
        "validation_error": errors, "step_losses": losses, "gradient_norm": random.random(count * num_epochs),
        "update_norm": random.random(count * num_epochs), "weight_norm": random.random(count * num_epochs),
        "seconds": random.uniform(0.1, 0.2, count * num_epochs), "images": NUM_STEPS * 8,
    }  # fmt: skip
    return trials, epochs


def table_of(columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
    """The columns as a table; a single value stands in every row and a missing column is null."""
    length = len(columns["number"])
    arrays = [
        value.cast(field.type)
        if isinstance(value := columns.get(field.name), pa.Array)
        else pa.array(value if isinstance(value, np.ndarray) else [value] * length, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


if __name__ == "__main__":
    main()
