"""A made-up study of the five default optimizers in which every kind of verdict has a reason to occur."""

import math
import pathlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from conftest import SyntheticStudy

from analysis import schema
from analysis.claims import packaged_text, parse_claims

RATE = {"low": 1e-4, "high": 1.0, "scale": "log", "unit": "1"}
SHARE = {"low": 0.0, "high": 0.99, "scale": "log_complement", "unit": "1"}
NOISE = {"low": 1e-9, "high": 0.1, "scale": "log", "unit": "loss"}
DEFAULTS: dict[str, dict[str, Any]] = {
    "sgd": {"space": {"learning_rate": RATE}, "published": {"learning_rate": 0.01}},
    "momentum": {
        "space": {"learning_rate": RATE, "momentum": SHARE},
        "published": {"learning_rate": 0.01, "momentum": 0.9},
    },
    "adam": {
        "space": {"learning_rate": RATE, "beta1": SHARE, "beta2": {**SHARE, "low": 0.9, "high": 0.9999}},
        "published": {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999},
    },
    "langevin": {
        "space": {"learning_rate": RATE, "diffusion": NOISE},
        "published": {"learning_rate": 0.01, "diffusion": 0.01},
    },
    "constant_noise": {
        "space": {"learning_rate": RATE, "diffusion": NOISE},
        "published": {"learning_rate": 0.001, "diffusion": 0.01},
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
    """As many seeds and trials as verdicts need, step losses, timings, and claims fixed beforehand."""

    optimizers: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: DEFAULTS)
    num_trials: int = 40
    num_seeds: int = 3
    num_confirm_seeds: int = 12
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
        if phase == "confirm":
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
        for block in range(12):
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
        known = sorted({*parse_claims(text).optimizers, *self.optimizers})
        return {**super().description(), "claims": {"text": text, "known": known}}
