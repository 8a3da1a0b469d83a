"""A ledger made up from a known response surface, written as a study writes it: many small files, or merged ones."""

import json
import math
import pathlib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.claims.file import packaged_text, parse_claims
from analysis.ledger import schema
from analysis.ledger.study import Axis
from analysis.ledger.sweep_design import SweepDesign, sweep_design
from analysis.metrics import Run, Setup
from analysis.report.write import Report, write_report
from analysis.verdicts.default_vocabulary import VOCABULARY

RATE = {"low": 1e-4, "high": 1.0, "scale": "log", "unit": "1"}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"space": {"learning_rate": RATE}, "published": {"learning_rate": 0.01}},
    "momentum": {
        "space": {
            "learning_rate": {"low": 1e-5, "high": 0.3, "scale": "log", "unit": "1"},
            "momentum": {"low": 0.0, "high": 0.99, "scale": "log_complement", "unit": "1"},
        },
        "published": {"learning_rate": 0.01, "momentum": 0.9},
    },
}
Outcome = Callable[[tuple[str, str, int, int]], str]


def always_complete(key: tuple[str, str, int, int]) -> str:
    """Outcome of the replicate with this key, unless its learning rate is too large."""
    del key
    return "complete"


@dataclass(kw_only=True)
class SyntheticStudy:
    """Writes the ledger of a study whose every number is known; change a field, then `write`."""

    optimizers: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: OPTIMIZERS)
    num_trials: int = 5
    num_seeds: int = 2
    num_confirm_seeds: int = 3
    first_seed: int = 0
    num_sweep_seeds: int | None = None
    num_epochs: int = 3
    phases: tuple[str, ...] = ("tuning", "sweep", "confirm", "ablation")
    outcome: Outcome = always_complete
    rate_limit: float = 0.4
    group_size: int = 4
    model: str = "simple_cnn"
    message: str = "RuntimeError: out of memory"
    former_winners: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)
    merged: bool = True

    @property
    def sweep(self) -> SweepDesign:
        """Every hyperparameter with `num_sweep_seeds`, else nine learning rates."""
        design = sweep_design(has_sweep=True, num_sweep_seeds=self.num_sweep_seeds, num_tuning_seeds=self.num_seeds)
        assert design is not None
        return design

    def error(self, hyperparameters: Mapping[str, float], replicate: int) -> float:
        """A parabola over log10 of the learning rate with its lowest point at 0.03, plus the luck of the seed."""
        rate = hyperparameters.get("learning_rate", 0.03)
        others = sum(abs(value - 0.5) for name, value in hyperparameters.items() if name != "learning_rate")
        return min(0.9, 0.45 + 0.06 * math.log10(rate / 0.03) ** 2 + 0.02 * others + 0.01 * math.sin(replicate))

    def points(self, name: str) -> Iterator[tuple[str, int, str, dict[str, float]]]:
        """Every trial: phase, number, sampler, hyperparameters."""
        entry = self.optimizers[name]
        random = np.random.default_rng(zlib.crc32(name.encode()) + self.identity.get("repeat", 0))
        tuning = [("published", 0, "published", dict(entry["published"]))]
        for number in range(1, self.num_trials):
            point = {key: _inside(axis, random.uniform()) for key, axis in entry["space"].items()}
            exploit = number >= 10 and number % 2 == 0
            tuning.append(("exploit", number, "tpe", point) if exploit else ("explore", number, "sobol", point))
        if "tuning" in self.phases:
            yield from tuning
        best = min(tuning, key=lambda trial: (self.error(trial[3], 0), trial[1]))[3]
        if "sweep" in self.phases:
            swept = [self.former_winners[name], best] if name in self.former_winners else [best]
            space = {key: Axis(low=axis["low"], high=axis["high"], scale=axis["scale"]) for key, axis in
                     entry["space"].items()}  # fmt: skip
            for block, center in enumerate(swept):
                for number, point in self.sweep.points(space, center).items():
                    number += block * self.sweep.block_size(space)
                    yield "sweep", number, "sweep", {**center, point.hyperparameter: point.value}
        if "confirm" in self.phases:
            yield "confirm", 0, "published", dict(entry["published"])
            if best != entry["published"]:
                yield "confirm", 1, "winner", best
        if "ablation" in self.phases:
            for number, at in enumerate(entry.get("reduces_to", {}).values()):
                if {**best, **at} != best:
                    yield "ablation", number, "ablation", {**best, **at}

    def write(self, folder: pathlib.Path) -> pathlib.Path:
        """Write `study.json` and one file per trial and group, or one for all if they are merged."""
        (folder / "trials").mkdir(parents=True)
        (folder / "epochs").mkdir()
        (folder / "study.json").write_text(json.dumps(self.description()), encoding="utf-8")
        names = {key for entry in self.optimizers.values() for key in entry["space"]}
        schemas = {"trials": schema.trials_schema(names), "epochs": schema.epochs_schema()}
        files: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for place, name in enumerate(self.optimizers):
            for phase, number, sampler, point in self.points(name):
                fresh = dict.fromkeys(schema.TESTED_PHASES, self.num_confirm_seeds)
                seeds = {**fresh, "sweep": self.sweep.num_seeds}.get(phase, self.num_seeds)
                for start in range(0, seeds, self.group_size):
                    replicates = range(start, min(seeds, start + self.group_size))
                    rows = [self.replicate(name, phase, number, sampler, point, r, len(replicates)) for r in replicates]
                    file = "all.parquet" if self.merged else f"{place}-{phase}-{number}-{start}.parquet"
                    files.setdefault(("trials", file), []).extend(dict.fromkeys(names) | trial for trial, _ in rows)
                    files.setdefault(("epochs", file), []).extend(row for _, own in rows for row in own)
        for (table, file), held in files.items():
            pq.write_table(pa.Table.from_pylist(held, schema=schemas[table]), folder / table / file)
        return folder

    def replicate(
        self, name: str, phase: str, number: int, sampler: str, point: dict[str, float], replicate: int, group: int
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """One row of `trials` and its rows of `epochs`."""
        status = self.outcome((name, phase, number, replicate))
        if status == "complete" and point.get("learning_rate", 0) > self.rate_limit * (1 + 0.1 * math.sin(replicate)):
            status = "diverged"
        is_tested = phase in schema.TESTED_PHASES
        place = replicate + (100 if is_tested or (phase == "sweep" and self.sweep.is_fresh) else 0)
        seed = self.first_seed + place
        final = self.error(point, place)
        key = {"optimizer": name, "phase": phase, "number": number, "replicate": replicate, "attempt": 0}
        step_seconds = 0.004 + 0.001 * (zlib.crc32(f"{name}/{phase}/{number}".encode()) % 100) / 100
        num_epochs = {"complete": self.num_epochs, "diverged": 1, "failed": 0}[status]
        epochs = [
            {**key, "epoch": epoch, **self.epoch(final, epoch, status), "step_losses": [2.3, 2.0],
             "seconds": 125 * step_seconds, "steps": 125, "images": 1000}
            for epoch in range(1, num_epochs + 1)
        ]  # fmt: skip
        learned, last = status == "complete", epochs[-1] if epochs else {}
        error = final if learned else 1.0 if status == "diverged" else None
        trial = {
            **key, **point, "sampler": sampler, "seed": seed,
            "group_size": group, "status": status, "message": self.message if status == "failed" else None,
            "diverged_step": 17 if status == "diverged" else None,
            "validation_loss": last.get("validation_loss"), "validation_error": error,
            "best_validation_loss": last.get("validation_loss"), "best_validation_error": error,
            "test_loss": 1.5 if learned and is_tested else None,
            "test_error": None if not is_tested or error is None else min(1.0, error + 0.01 if learned else 1.0),
            "test_correct": b"\xf0" if learned and is_tested else None,
            "steps": 125 * len(epochs), "images": 1000 * len(epochs), "seconds": 125 * len(epochs) * step_seconds,
            "device": "cpu", "node": "127.0.0.1",
        }  # fmt: skip
        return trial, epochs

    def epoch(self, final: float, epoch: int, status: str) -> dict[str, float | None]:
        """Curves that fall towards the final error; the training loss keeps falling below the validation loss."""
        if status == "diverged":
            losses = dict.fromkeys(("train_loss", "validation_loss", "gradient_norm", "update_norm", "weight_norm"))
            return {**losses, "train_error": 1.0, "validation_error": 1.0}
        progress = math.exp(-4 * epoch / self.num_epochs)
        error = final if epoch == self.num_epochs else final + (0.9 - final) * progress
        overfitting = 0.05 * epoch
        return {
            "train_error": max(0.0, error - 0.02 * epoch), "validation_error": error,
            "train_loss": 2.3 * error - overfitting, "validation_loss": 2.3 * error + overfitting,
            "gradient_norm": 1.0, "update_norm": 0.01, "weight_norm": 10.0,
        }  # fmt: skip

    def description(self) -> dict[str, Any]:
        """What stands in `study.json`."""
        return {
            "format_version": 1,
            "study_hash": "0123456789ab",
            "identity": {
                "dataset": "cifar10-mini", "num_train_images": 1000, "num_validation_images": 1000,
                "num_evaluation_images": 200, "num_test_images": 1000, "model": self.model, "batch_size": 8,
                "num_epochs": self.num_epochs,
                "precision": "float32", "seed": 0, "num_seeds": self.num_seeds, "search": "optuna", "lag": 8,
                **self.identity,
            },
            "extent": {
                "optimizers": list(self.optimizers), "num_trials": self.num_trials,
                "num_confirm_seeds": self.num_confirm_seeds, "sweep": "sweep" in self.phases,
                **({"num_sweep_seeds": self.num_sweep_seeds} if self.num_sweep_seeds else {}),
            },
            "optimizers": {
                name: {"equation": "theta <- theta - eta g", "reference": "https://doi.org/10.1214/aoms/1177729586",
                       "source": None, **entry}
                for name, entry in self.optimizers.items()
            },
            "runs": [{
                "started": "2026-11-21T10:00:00+00:00", "command": "python -m study.run --search optuna",
                "commit": None,
                "versions": {"python": "3.11.7", "torch": "2.15.0"},
                "hardware": {"cpu": "a CPU", "cores": 2, "memory_bytes": 8_000_000_000, "gpus": []},
            }],
            "looks": [],
        }  # fmt: skip


def _inside(axis: Mapping[str, Any], fraction: float) -> float:
    low, high = axis["low"], axis["high"]
    match axis["scale"]:
        case "log":
            return float(low * (high / low) ** fraction)
        case "log_complement":
            return float(1 - (1 - low) * ((1 - high) / (1 - low)) ** fraction)
        case _:
            return float(low + (high - low) * fraction)


SHARE = {"low": 0.0, "high": 0.99, "scale": "log_complement", "unit": "1"}
NOISE = {"low": 1e-9, "high": 0.1, "scale": "log", "unit": "loss"}
DEFAULT_OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"space": {"learning_rate": RATE}, "published": {"learning_rate": 0.01}},
    "momentum": {
        "space": {"learning_rate": RATE, "momentum": SHARE},
        "published": {"learning_rate": 0.01, "momentum": 0.9},
        "reduces_to": {"sgd": {"momentum": 0.0}},
    },
    "adam": {
        "space": {"learning_rate": RATE, "beta1": SHARE, "beta2": {**SHARE, "low": 0.9, "high": 0.9999}},
        "published": {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999},
    },
    "langevin": {
        "space": {"learning_rate": RATE, "diffusion": NOISE},
        "published": {"learning_rate": 0.01, "diffusion": 0.01},
        "reduces_to": {"sgd": {"diffusion": 0.0}},
    },
    "constant_noise": {
        "space": {"learning_rate": RATE, "diffusion": NOISE},
        "published": {"learning_rate": 0.001, "diffusion": 0.01},
        "reduces_to": {"sgd": {"diffusion": 0.0}},
    },
}


@dataclass(frozen=True)
class Character:
    """What makes an optimizer of the study: its last error, haste, gap in nats, swing of the losses, cost of a step."""

    error: float
    haste: float
    gap: float
    swing: float
    cost: float


CHARACTERS = {
    "sgd": Character(error=0.52, haste=4.0, gap=0.10, swing=0.05, cost=1.0),
    "momentum": Character(error=0.50, haste=5.0, gap=0.12, swing=0.06, cost=1.03),
    "adam": Character(error=0.45, haste=7.0, gap=0.20, swing=0.08, cost=1.12),
    "langevin": Character(error=0.515, haste=4.4, gap=0.07, swing=0.051, cost=1.07),
    "constant_noise": Character(error=0.55, haste=3.0, gap=0.04, swing=0.12, cost=1.2),
}


@dataclass(kw_only=True)
class RichStudy(SyntheticStudy):
    """The five default optimizers, in which every kind of verdict has a reason to occur.

    As many seeds and trials as verdicts need, step losses, timings, and claims fixed beforehand.
    """

    optimizers: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: DEFAULT_OPTIMIZERS)
    num_trials: int = 24
    num_seeds: int = 3
    num_confirm_seeds: int = 12
    num_sweep_seeds: int | None = 12
    num_epochs: int = 8
    _name: str = ""
    _replicate: int = 0

    def error(self, hyperparameters: Mapping[str, float], replicate: int) -> float:
        character = CHARACTERS[self._name] if self._name else CHARACTERS["sgd"]
        away = math.log10(hyperparameters.get("learning_rate", 0.03) / 0.03)
        others = sum(
            0.01 * abs(math.log10(max(value, 1e-9)) + 4) ** 1.5 if name == "diffusion" else 0.03 * abs(value - 0.8)
            for name, value in hyperparameters.items()
            if name != "learning_rate"
        )
        return min(0.9, character.error + 0.05 * away**2 + others + 0.015 * self._luck(replicate))

    def _luck(self, replicate: int, salt: str = "") -> float:
        return float(np.random.default_rng([replicate, zlib.crc32(f"{self._name}{salt}".encode())]).normal())

    def points(self, name):
        self._name = name
        return list(super().points(name))

    def replicate(self, name, phase, number, sampler, point, replicate, group):
        self._name, self._replicate = name, replicate
        trial, epochs = super().replicate(name, phase, number, sampler, point, replicate, group)
        if phase in schema.TESTED_PHASES:
            random = np.random.default_rng([replicate, number, zlib.crc32(name.encode())])
            swing = CHARACTERS[name].swing * (1 + 0.1 * self._luck(replicate, "swing"))
            for row in epochs:
                level = row["train_loss"] or 2.3
                row["step_losses"] = list(level * (1 + swing * random.normal(size=row["steps"])))
        return trial, epochs

    def epoch(self, final: float, epoch: int, status: str) -> dict[str, float | None]:
        found = super().epoch(final, epoch, status)
        if status == "diverged":
            return found
        character = CHARACTERS[self._name]
        progress = math.exp(-character.haste * epoch / self.num_epochs)
        error = final if epoch == self.num_epochs else final + (0.9 - final) * progress
        held_out = 2.5 * error + 0.02 * self._luck(100 * self._replicate + epoch, "loss")
        gap = character.gap * (1 - progress) * (1 + 0.2 * self._luck(self._replicate, "gap"))
        return {**found, "validation_error": error, "train_error": error, "validation_loss": held_out,
                "train_loss": held_out - 2 * gap}  # fmt: skip

    def write(self, folder: pathlib.Path) -> pathlib.Path:
        super().write(folder)
        rows = []
        for block in range(16):
            luck = np.random.default_rng(block)
            for size in (32, 100, 500):
                for name in self.optimizers:
                    extra = (CHARACTERS[name].cost - 1) * 0.004
                    seconds = 10 * (3e-5 * size + 0.001 + extra) * (1 + 0.02 * luck.normal())
                    rows.append({"optimizer": name, "block": block, "batch_size": size, "replicates": 4, "steps": 10,
                                 "seconds": seconds, "device": "cpu", "node": "127.0.0.1"})  # fmt: skip
        (folder / "timings").mkdir()
        table = pa.Table.from_pylist(rows, schema=schema.timings_schema())
        pq.write_table(table, folder / "timings" / "0.parquet")
        return folder

    def description(self):
        text = packaged_text()
        known = sorted({*parse_claims(text, VOCABULARY).optimizers, *self.optimizers})
        return {**super().description(), "claims": {"text": text, "known": known}}


SLOW = 0.001
PLAIN: dict[str, Any] = {"space": {"learning_rate": RATE}, "published": {"learning_rate": SLOW}}
NOISY: dict[str, Any] = {
    "space": {"learning_rate": RATE, "diffusion": NOISE},
    "published": {"learning_rate": SLOW, "diffusion": 0.01},
    "reduces_to": {"sgd": {"diffusion": 0.0}},
}
WINNERS = {"sgd": {"learning_rate": 0.06}, "langevin": {"learning_rate": 0.1, "diffusion": 1e-4}}


@dataclass(kw_only=True)
class NestedStudy(SyntheticStudy):
    """`sgd` and `langevin` with known winners: errors and swings fall by what is planted in noise and in a large rate.

    Rates of 0.1 and above are large; the published settings are far behind.
    """

    optimizers: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"sgd": PLAIN, "langevin": NOISY})
    winners: Mapping[str, dict[str, float]] = field(default_factory=lambda: WINNERS)
    num_trials: int = 2
    num_confirm_seeds: int = 12
    num_epochs: int = 8
    phases: tuple[str, ...] = ("tuning", "confirm", "ablation")
    of_noise: float = 0.0
    of_rate: float = 0.0
    swing_of_noise: float = 1.0
    swing_of_rate: float = 1.0

    def error(self, hyperparameters: Mapping[str, float], replicate: int) -> float:
        if hyperparameters["learning_rate"] == SLOW:
            return 0.7
        noisy, large = self._traits(hyperparameters)
        luck = [np.random.default_rng([replicate, *salt]).normal() for salt in ((2,), (noisy, large))]
        return 0.45 - self.of_noise * noisy - self.of_rate * large + float(0.01 * luck[0] + 0.003 * luck[1])

    def _traits(self, hyperparameters: Mapping[str, float]) -> tuple[bool, bool]:
        return hyperparameters.get("diffusion", 0.0) > 0, hyperparameters["learning_rate"] >= 0.1

    def points(self, name):
        entry, best = self.optimizers[name], self.winners[name]
        yield "published", 0, "published", dict(entry["published"])
        yield "explore", 1, "sobol", best
        yield "confirm", 0, "published", dict(entry["published"])
        yield "confirm", 1, "winner", best
        for number, at in enumerate(entry.get("reduces_to", {}).values() if "ablation" in self.phases else ()):
            if {**best, **at} != best:
                yield "ablation", number, "ablation", {**best, **at}

    def replicate(self, name, phase, number, sampler, point, replicate, group):
        trial, epochs = super().replicate(name, phase, number, sampler, point, replicate, group)
        noisy, large = self._traits(point)
        swing = 0.05 / (self.swing_of_noise if noisy else 1.0) / (self.swing_of_rate if large else 1.0)
        shared, own = (np.random.default_rng([replicate, *salt]).normal(size=125) for salt in ((2,), (noisy, large)))
        for row in epochs:
            row["step_losses"] = (2 * (1 + swing * (shared + 0.2 * own))).tolist()
        return trial, epochs

    def description(self):
        known = parse_claims(packaged_text(), VOCABULARY).optimizers
        return {**super().description(), "claims": {"text": packaged_text(), "known": sorted(known)}}


def run_of_curves(
    errors: Sequence[float | None] = (),
    *,
    train: Sequence[float | None] | None = None,
    held_out: Sequence[float | None] | None = None,
    step_losses: Sequence[float] | None = None,
    steps: int = 100,
    seconds: Sequence[float] | None = None,
    status: str = "complete",
    setup: Setup | None = None,
    **trial: Any,
) -> Run:
    """A run with these validation errors, training losses and validation losses (`held_out`) at its evaluations.

    `steps` is the number of steps of each epoch; all step losses stand in the first epoch, those of others are empty.
    """
    count = max(len(column) for column in (errors, train or (), held_out or ()))
    losses = None if step_losses is None else [list(step_losses), *[[]] * (count - 1)][:count]
    columns = {
        "epoch": (range(1, count + 1), pl.Int32),
        "train_loss": (train if train is not None else [1.0] * count, pl.Float64),
        "validation_loss": (held_out if held_out is not None else [1.0] * count, pl.Float64),
        "validation_error": (errors or [0.5] * count, pl.Float64),
        "step_losses": (losses if losses is not None else [None] * count, pl.List(pl.Float32)),
        "seconds": (seconds if seconds is not None else [2.0] * count, pl.Float64),
        "steps": ([steps] * count, pl.Int64),
    }
    epochs = pl.DataFrame([pl.Series(name, values, dtype=kind) for name, (values, kind) in columns.items()])
    return Run({"status": status, **trial}, epochs, setup or Setup())


@pytest.fixture
def make_run() -> Callable[..., Run]:
    return run_of_curves


@pytest.fixture
def synthetic() -> type[SyntheticStudy]:
    return SyntheticStudy


@pytest.fixture
def planted() -> type[NestedStudy]:
    return NestedStudy


@pytest.fixture(scope="session")
def full(ledger_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of the complete study."""
    return write_report(ledger_dir, tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="session")
def rich_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A complete study of the five default optimizers."""
    return RichStudy().write(tmp_path_factory.mktemp("rich") / "study")


@pytest.fixture(scope="session")
def rich(rich_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Its report."""
    return write_report(rich_dir, tmp_path_factory.mktemp("rich_report"))


@pytest.fixture(scope="session")
def ledger_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A complete study of two optimizers, in as many files as its trials were stored in."""
    return SyntheticStudy(merged=False).write(tmp_path_factory.mktemp("ledger") / "study")


@pytest.fixture(scope="session")
def repeated_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A study tuned three times; the last tuning lacks an optimizer and its confirmation."""
    folder = SyntheticStudy().write(tmp_path_factory.mktemp("repeated") / "study")
    SyntheticStudy(identity={"repeat": 1}).write(folder / "repeats" / "1")
    only = {"sgd": OPTIMIZERS["sgd"]}
    SyntheticStudy(identity={"repeat": 4}, optimizers=only, phases=("tuning",)).write(folder / "repeats" / "4")
    return folder
