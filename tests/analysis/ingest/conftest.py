"""A response surface known in closed form, as other programs would have stored it."""

import json
import math
import pathlib
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from analysis.ingest.__main__ import main

EPOCHS = 3
RATES = (1e-3, 1e-2, 1e-1)
SPACE = """
[optimizers.sgd.space]
learning_rate = {low = 1e-4, high = 1.0, scale = "log"}

[optimizers.adam]
equation = "Kingma & Ba (2015)"
space.learning_rate = {low = 1e-4, high = 1.0, scale = "log"}
published.learning_rate = 1e-3
"""
DESCRIPTION = f'dataset = "CIFAR-100"\nnum_epochs = {EPOCHS}\n{SPACE}'


def error(optimizer: str, rate: float, seed: int, epoch: int = EPOCHS) -> float:
    """Lowest at 0.01 for sgd and 0.001 for adam; the seed shifts it, and it falls by 0.1 per epoch."""
    best = {"sgd": -2, "adam": -3}[optimizer]
    return 0.3 + 0.05 * (math.log10(rate) - best) ** 2 + 0.01 * seed + 0.1 * (EPOCHS - epoch)


def result(epoch: int, **metrics: Any) -> dict[str, Any]:
    """A line of `result.json` as Ray 2.60 writes it, but for the config."""
    return {
        **metrics, "timestamp": 1795280889 + epoch, "checkpoint_dir_name": None, "done": False,
        "training_iteration": epoch, "trial_id": "0e4f6_00000", "date": "2026-11-21_17-08-09",
        "time_this_iter_s": 0.5, "time_total_s": 0.5 * epoch, "pid": 21475, "hostname": "host",
        "node_ip": "192.0.2.2", "time_since_restore": 0.5 * epoch, "iterations_since_restore": epoch,
    }  # fmt: skip


def metrics(optimizer: str, rate: float, seed: int, epoch: int) -> dict[str, float]:
    """What a user's training function reports, under names of its own."""
    value = error(optimizer, rate, seed, epoch)
    return {"val_acc": 100 * (1 - value), "val_loss": 2 * value, "loss": 2 * value - 0.1 * epoch}


Lines = Sequence[Mapping[str, Any]]


class Experiment:
    """A folder of Ray Tune, written by hand in the form that a real run gives (`test_ray_tune_real.py`)."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.count = 0

    def add(self, config: Mapping[str, Any], lines: Lines, *, failed: str | None = None) -> pathlib.Path:
        """Add the folder of one trial."""
        values = ",".join(f"{key}={value}" for key, value in config.items() if not isinstance(value, dict))
        folder = self.root / f"train_0e4f6_{self.count:05}_{self.count}_{values}_2026-11-21_17-07-39"
        self.count += 1
        folder.mkdir(parents=True)
        (folder / "params.json").write_text(json.dumps(config, indent=2, sort_keys=True))
        (folder / "params.pkl").write_bytes(b"never read")
        text = "".join(json.dumps({**line, "config": config}) + "\n" for line in lines)
        (folder / "result.json").write_text(text)
        if failed:
            trace = f"Failure # 1 (occurred at 2026-11-21_17-08-09)\nTraceback (most recent call last):\n{failed}\n"
            (folder / "error.txt").write_text(trace)
        return folder

    def surface(self, *, optimizers: Sequence[str] = ("sgd", "adam"), rates: Sequence[float] = RATES,
                seeds: Sequence[int] = (0, 1), **extra: float) -> "Experiment":  # fmt: skip
        """Add a whole experiment over the known surface."""
        for optimizer in optimizers:
            for rate in rates:
                for seed in seeds:
                    config = {"opt": optimizer, "lr": rate, "seed": seed, "batch_size": 128}
                    lines = [
                        result(epoch, **metrics(optimizer, rate, seed, epoch), **extra)
                        for epoch in range(1, EPOCHS + 1)
                    ]
                    self.add(config, lines)
        return self


@pytest.fixture
def experiment(tmp_path: pathlib.Path) -> Callable[[str], Experiment]:
    """Makes an experiment folder of a name."""
    return lambda name: Experiment(tmp_path / name)


@pytest.fixture
def description(tmp_path: pathlib.Path) -> Callable[..., pathlib.Path]:
    """Writes a description."""

    def write(text: str = DESCRIPTION, name: str = "study.toml") -> pathlib.Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def refused(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command line, which must refuse in one line and leave nothing behind."""

    def run(*words: object) -> str:
        before = {path: path.stat().st_size for path in tmp_path.rglob("*")}
        assert main([*map(str, words), "--output", str(tmp_path / "ledger")]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1
        assert {path: path.stat().st_size for path in tmp_path.rglob("*")} == before
        return said.err.removeprefix("python -m analysis.ingest: error: ").strip()

    return run


@pytest.fixture
def taken(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., pathlib.Path]:
    """Runs the command line, which must write a ledger."""

    def run(*words: object) -> pathlib.Path:
        folder = tmp_path / "ledger"
        status = main([*map(str, words), "--output", str(folder)])
        assert status == 0, capsys.readouterr().err
        return folder

    return run


@pytest.fixture(scope="session")
def known() -> types.SimpleNamespace:
    """The surface and what it looks like elsewhere."""
    return types.SimpleNamespace(error=error, result=result, metrics=metrics, SPACE=SPACE, EPOCHS=EPOCHS)
