"""What a study costs beside the training: time per trial, driver memory, and both against Ray Tune alone.

The trials train nothing (`--dataset synthetic`): what is measured is the way of a trial through the driver, Tune,
a worker and the ledger. `python -m benchmarks.overhead --trials 100 1000` measures numbers of trials of your own.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.console import Console
from rich.table import Table

from analysis.command_line import Parser
from benchmarks import ROW, Row, row
from study.request.numbers import at_least

WORKERS = 2
EPOCHS = 3
COMPARED = 1000
SIZES = (100, 1_000, 10_000)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one process has measured of itself.

    Args:
        wall: When each trial had ended, in seconds of wall time; up to 16 were still being stored.
        cpu: The same in seconds of the driver's CPU time.
        asking: Seconds spent on choosing points until then; empty for Tune alone.
        peak_bytes: Largest resident memory of the driver, the libraries that it maps included.
    """

    wall: Sequence[float]
    cpu: Sequence[float]
    peak_bytes: int
    asking: Sequence[float] = ()

    def part(self, first: float, last: float) -> float:
        """Seconds of wall time per trial between two shares of the trials."""
        begin, end = (round(share * (len(self.wall) - 1)) for share in (first, last))
        return (self.wall[end] - self.wall[begin]) / (end - begin)

    @property
    def per_trial(self) -> float:
        """Seconds of wall time per trial, from a tenth of them on: by then all workers are there."""
        return self.part(0.1, 1.0)

    @property
    def cpu_per_trial(self) -> float:
        """The same of the driver's CPU time."""
        begin = round(0.1 * (len(self.cpu) - 1))
        return (self.cpu[-1] - self.cpu[begin]) / (len(self.cpu) - 1 - begin)


def rows(
    *, small: bool = False, repetitions: int | None = None, sizes: Sequence[int] | None = None, tpe: bool = True
) -> list[Row]:
    """Overhead at several numbers of trials, against Tune alone, and what TPE takes to choose points.

    Args:
        small: Sizes for a trial run.
        repetitions: Of the comparison and of TPE; the numbers of trials are run once each.
        sizes: Numbers of trials.
        tpe: Whether TPE is measured.
    """
    compared = 20 if small else COMPARED
    found = [entry for size in (sizes or ((20,) if small else SIZES)) for entry in _growth(size)]
    found += _comparison(compared, repetitions or (1 if small else 5))
    return found + (_tpe(compared, repetitions or 1) if tpe else [])


def _growth(num_trials: int) -> list[Row]:
    """Time per trial early and late, and the peak of the driver's memory."""
    run, case = study(num_trials, "random"), f"{num_trials:,} random trials x {EPOCHS} epochs"
    early, late = run.part(0.05, 0.15), run.part(0.9, 1.0)
    return [
        row("overhead", case, "a trial", "ms", [1e3 * run.per_trial]),
        row("overhead", case, "a trial, from 5 to 15 % of them", "ms", [1e3 * early]),
        row("overhead", case, "a trial, last 10 % of them", "ms", [1e3 * late]),
        row("overhead", case, "last / first", "1", [late / early]),
        row("overhead", case, "driver's CPU time of a trial", "ms", [1e3 * run.cpu_per_trial]),
        row("overhead", case, "driver's peak memory", "MB", [run.peak_bytes / 1e6]),
    ]


def _comparison(num_trials: int, repetitions: int) -> list[Row]:
    """The study and Tune alone in turn: each ratio is that of two neighbours in time."""
    case = f"{num_trials:,} random trials x {EPOCHS} epochs, in turn"
    pairs = [(study(num_trials, "random"), bare(num_trials)) for _ in range(repetitions)]
    return [
        row("overhead", case, "a trial of the study", "ms", [1e3 * ours.per_trial for ours, _ in pairs]),
        row("overhead", case, "a trial of Tune alone", "ms", [1e3 * alone.per_trial for _, alone in pairs]),
        row("overhead", case, "study / Tune alone", "1", [ours.per_trial / alone.per_trial for ours, alone in pairs]),
        row(
            "overhead", case, "study / Tune alone, driver's CPU time", "1",
            [ours.cpu_per_trial / alone.cpu_per_trial for ours, alone in pairs],
        ),
        row("overhead", case, "driver's peak memory, Tune alone", "MB", [alone.peak_bytes / 1e6 for _, alone in pairs]),
    ]  # fmt: skip


def _tpe(num_trials: int, repetitions: int) -> list[Row]:
    """The time in which half of the points are chosen by TPE, apart from the rest."""
    case = f"{num_trials:,} trials of one optimizer by optuna x {EPOCHS} epochs"
    runs = [study(num_trials, "optuna") for _ in range(repetitions)]
    steps = [[late - early for early, late in pairwise(run.asking)] for run in runs]
    last = [sorted(found[-(len(found) // 4) :])[-(len(found) // 8) :] for found in steps]  # every other one is TPE's
    rest = [run.per_trial - (run.asking[-1] - run.asking[0]) / (len(run.asking) - 1) for run in runs]
    return [
        row("overhead", case, "asking in all", "s", [run.asking[-1] for run in runs]),
        row("overhead", case, "a point of TPE, last quarter", "ms", [1e3 * sum(few) / len(few) for few in last]),
        row("overhead", case, "a trial without asking", "ms", [1e3 * seconds for seconds in rest]),
    ]


def study(num_trials: int, search: str) -> Run:
    """A study of one optimizer whose trials train nothing."""
    with tempfile.TemporaryDirectory() as folder:
        options = [
            *("--search", search, "--dataset", "synthetic", "--optimizers", "sgd", "--trials", str(num_trials)),
            *("--epochs", str(EPOCHS), "--seeds", "1", "--confirm-seeds", "0", "--no-sweep"),
            *("--max-concurrent", str(WORKERS), "--output", str(pathlib.Path(folder, "study"))),
        ]
        return _run("benchmarks._overhead_study", pathlib.Path(folder), options)


def bare(num_trials: int) -> Run:
    """As many trials of Tune alone."""
    with tempfile.TemporaryDirectory() as folder:
        words = [str(number) for number in (num_trials, EPOCHS, WORKERS)]
        return _run("benchmarks._overhead_bare", pathlib.Path(folder), words)


def _run(module: str, folder: pathlib.Path, words: Sequence[str]) -> Run:
    """A process of its own: its memory is its own, and no Ray of another run is left."""
    result = folder / "result.json"
    done = subprocess.run(
        [sys.executable, "-m", module, str(result), *words],
        cwd=pathlib.Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module} ended with {done.returncode}: {done.stderr[-2000:]}")
    return Run(**json.loads(result.read_text(encoding="utf-8")))


def main() -> None:
    """Measure and print."""
    parser = Parser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument(
        "--trials", type=at_least(1), nargs="+", action="extend", metavar="N",
        help="numbers of trials (default: 100 1000 10000)",
    )  # fmt: skip
    parser.add_argument(
        "--repetitions", type=at_least(1), help="of the comparison with Tune alone (default: 5), and of TPE"
    )
    parser.add_argument("--no-tpe", action="store_true", help="leave TPE out")
    options = parser.parse_args()
    table = Table(*ROW, box=None)
    for found in rows(repetitions=options.repetitions, sizes=options.trials or SIZES, tpe=not options.no_tpe):
        table.add_row(*(f"{value:,.4g}" if isinstance(value, float) else str(value) for value in found.values()))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
