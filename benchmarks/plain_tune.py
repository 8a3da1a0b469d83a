"""A whole study against the script that one would write without this package, on the same work, start-up included.

Both train 8 learning rates x 4 seeds x 4 epochs x 10,000 images in batches of 100, and validate after every epoch.
The study evaluates on as many training images too, stores every epoch and writes its report; the script does not.
`python -m benchmarks.plain_tune --points N` compares them on work of another size.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from analysis.command_line import Parser
from benchmarks import Row, row
from study.request.numbers import at_least


@dataclass(frozen=True, kw_only=True)
class Work:
    """What both do: learning rates, seeds of each, epochs, training images, batch size."""

    points: int = 8
    seeds: int = 4
    epochs: int = 4
    images: int = 10_000
    batch_size: int = 100

    def words(self) -> list[str]:
        """Options that both commands have."""
        return [
            *("--train-images", str(self.images)),
            *("--batch-size", str(self.batch_size)),
            *("--epochs", str(self.epochs)),
            *("--seeds", str(self.seeds)),
        ]


SMALL = Work(points=2, seeds=2, epochs=1, images=200, batch_size=20)
MINI = Work(images=4_000)

FAST = ("--shared-order",)
"""Options that trade information or digits for speed; `--precision bf16` is left out, few processors are fast at it."""


def rows(*, small: bool = False, repetitions: int | None = None, data_dir: pathlib.Path | None = None) -> list[Row]:
    """Wall times in turn, and how many times longer the script takes."""
    if small:
        return measure(SMALL, 1 if repetitions is None else repetitions, None)
    return measure(Work() if data_dir else MINI, 1 if repetitions is None else repetitions, data_dir)


def main() -> None:
    """Compare on the work asked for, and print."""
    parser = Parser(prog="python -m benchmarks.plain_tune", description=__doc__)
    for name, default in asdict(Work()).items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=at_least(1), default=default, help="(default: %(default)s)"
        )
    data_dir = os.environ.get("CIFAR10_DIR")
    for found in measure(Work(**vars(parser.parse_args())), 1, pathlib.Path(data_dir) if data_dir else None):
        print(f"{found['case']}, {found['quantity']}: {found['median']:.2f} {found['unit']}")


def measure(work: Work, repetitions: int, data_dir: pathlib.Path | None) -> list[Row]:
    """Compare both as often as asked for, on the full CIFAR-10 of a folder or, without one, on the mini set."""
    dataset, place = ("cifar10", ["--data-dir", str(data_dir)]) if data_dir else ("cifar10-mini", [])
    turns = [compare(work, dataset, place) for _ in range(repetitions)]
    case = f"{work.points} points x {work.seeds} seeds x {work.epochs} epochs x {work.images:,} images of {dataset}"
    names = ("plain script", "study with report", f"study with report, {' '.join(FAST)}")
    times = [
        row("plain_tune", case, name, "s", side) for name, side in zip(names, zip(*turns, strict=True), strict=True)
    ]
    ratios = [
        row("plain_tune", case, f"plain script / {name}", "1", [turn[0] / turn[side] for turn in turns])
        for side, name in enumerate(names[1:], start=1)
    ]
    return times + ratios


def compare(work: Work, dataset: str, place: Sequence[str]) -> tuple[float, float, float]:
    """Seconds of the script, of the study and of the study with the fast options."""
    with tempfile.TemporaryDirectory() as folder:
        script = [
            *("-m", "benchmarks._plain_script", *place, *work.words()),
            *("--points", str(work.points), "--results", f"{folder}/plain"),
        ]
        study = [
            *("-m", "study.run", "--search", "optuna", "--repeats", "1", "--dataset", dataset, *place, *work.words()),
            *("--optimizers", "sgd", "--trials", str(work.points), "--confirm-seeds", "0", "--no-sweep"),
        ]
        return (
            seconds(script),
            seconds([*study, "--output", f"{folder}/study"]),
            seconds([*study, "--output", f"{folder}/fast", *FAST]),
        )


def seconds(words: Sequence[str]) -> float:
    """Wall time of a Python command, from its start to its end."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(words)}` failed: {done.stderr[-2000:]}")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
