"""A whole study against the script that one would write without this package, on the same work, start-up included.

Both train 8 learning rates x 4 seeds x 4 epochs x 10,000 images in batches of 100, and validate after every epoch.
The study evaluates on as many training images too, stores every epoch and writes its report; the script does not.
"""

import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import Row, row


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


def rows(*, small: bool = False, repetitions: int | None = None, data_dir: pathlib.Path | None = None) -> list[Row]:
    """Wall time of both in turn, and how many times longer the script takes."""
    work = SMALL if small else Work() if data_dir else MINI
    dataset = "cifar10-mini" if small or data_dir is None else "cifar10"
    place = [] if small or data_dir is None else ["--data-dir", str(data_dir)]
    turns = [compare(work, dataset, place) for _ in range(repetitions or 1)]
    case = f"{work.points} points x {work.seeds} seeds x {work.epochs} epochs x {work.images:,} images of {dataset}"
    plain, ours = ([turn[place] for turn in turns] for place in range(2))
    ratios = [script / study for script, study in turns]
    return [
        row("plain_tune", case, "plain script", "s", plain),
        row("plain_tune", case, "study with report", "s", ours),
        row("plain_tune", case, "plain script / study", "1", ratios),
    ]


def compare(work: Work, dataset: str, place: Sequence[str]) -> tuple[float, float]:
    """Seconds of the script and of the study."""
    with tempfile.TemporaryDirectory() as folder:
        script = [
            *("-m", "benchmarks._plain_script", *place, *work.words()),
            *("--points", str(work.points), "--results", f"{folder}/plain"),
        ]
        study = [
            *("-m", "study.run", "--search", "optuna", "--dataset", dataset, *place, *work.words()),
            *("--optimizers", "sgd", "--trials", str(work.points), "--confirm-seeds", "0", "--no-sweep"),
            *("--output", f"{folder}/study"),
        ]
        return seconds(script), seconds(study)


def seconds(words: Sequence[str]) -> float:
    """Wall time of a Python command, from its start to its end."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(words)}` failed: {done.stderr[-2000:]}")
    return time.perf_counter() - start
