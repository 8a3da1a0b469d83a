"""Ledgers made up in memory from a known error at every point."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest
from scipy.stats import qmc

from analysis.ledger.load import Ledger
from analysis.ledger.study import Axis, Optimizer, Study

RATE = Axis(low=1e-4, high=1.0, scale="log")
MOMENTUM = Axis(low=0.0, high=0.99, scale="log_complement")


def value_at(axis: Axis, fraction: float) -> float:
    """Value at a fraction of a range in the sampled measure, written out by hand."""
    match axis.scale:
        case "linear":
            return axis.low + fraction * (axis.high - axis.low)
        case "log":
            return axis.low * (axis.high / axis.low) ** fraction
        case "log_complement":
            return 1 - (1 - axis.low) * ((1 - axis.high) / (1 - axis.low)) ** fraction
    raise AssertionError(axis)


def constant(unit: np.ndarray, replicate: int) -> float:
    """A response that nothing changes."""
    del unit, replicate
    return 0.5


@dataclass(kw_only=True)
class Side:
    """One optimizer: errors as a function of the point in the unit cube and the replicate, or as numbers."""

    error: Callable[[np.ndarray, int], float] = constant
    space: Mapping[str, Axis] = field(default_factory=lambda: {"learning_rate": RATE})
    published: Mapping[str, float] | None = None
    explore: Sequence[Sequence[float]] | int = 16
    exploit: Sequence[Sequence[float]] = ()
    sweep: Sequence[float] = ()
    sweep_errors: Sequence[Sequence[float]] = ()


def make_ledger(sides: Mapping[str, Side], *, num_seeds: int = 2) -> Ledger:
    """A ledger; an error of 1 or more stands for a diverged replicate, NaN for a failed one."""
    rows, optimizers = [], {}
    for name, side in sides.items():
        published = side.published or {key: value_at(axis, 0.5) for key, axis in side.space.items()}
        optimizers[name] = Optimizer(
            name=name, equation="", space=dict(side.space), published=dict(published), reference=""
        )
        points = side.explore
        if isinstance(points, int):
            points = qmc.Sobol(max(1, len(side.space)), rng=0).random(2**10)[:points, : len(side.space)].tolist()
        tried = [("explore", number, unit) for number, unit in enumerate(points, start=1)]
        tried += [("exploit", len(tried) + place, unit) for place, unit in enumerate(side.exploit, start=1)]
        for phase, number, unit in tried:
            values = {key: value_at(axis, part) for (key, axis), part in zip(side.space.items(), unit, strict=True)}
            errors = [side.error(np.array(unit), replicate) for replicate in range(num_seeds)]
            rows += [(name, phase, number, replicate, values, error) for replicate, error in enumerate(errors)]
        if side.sweep:
            # The winner is a published trial of error 0 whose other hyperparameters the sweep shares.
            middle = {**published, "learning_rate": side.sweep[len(side.sweep) // 2]}
            rows += [(name, "published", 0, replicate, middle, 0.0) for replicate in range(num_seeds)]
        for number, (rate, errors) in enumerate(zip(side.sweep, side.sweep_errors, strict=True)):
            for replicate, error in enumerate(errors):
                rows.append((name, "sweep", number, replicate, {**published, "learning_rate": rate}, error))
    names = sorted({key for side in sides.values() for key in side.space})
    study = Study(
        study_hash="0123456789ab", identity={"num_epochs": 1}, optimizers=optimizers, num_trials=17,
        num_seeds=num_seeds, num_confirm_seeds=0, has_sweep=True, runs=(),
    )  # fmt: skip
    trials = pl.DataFrame(
        [
            {
                "optimizer": name, "phase": phase, "number": number, "replicate": replicate, "sampler": "sobol",
                "status": "failed" if np.isnan(error) else "diverged" if error >= 1 else "complete",
                "validation_error": None if np.isnan(error) else min(float(error), 1.0),
                **{key: values.get(key) for key in names},
            }
            for name, phase, number, replicate, values, error in rows
        ],
        schema={
            "optimizer": pl.String, "phase": pl.String, "number": pl.Int32, "replicate": pl.Int32,
            "sampler": pl.String, "status": pl.String, "validation_error": pl.Float64,
            **dict.fromkeys(names, pl.Float64),
        },
    )  # fmt: skip
    return Ledger(study, trials, pl.DataFrame(), 0)


@pytest.fixture
def side() -> type[Side]:
    return Side


@pytest.fixture
def ledger_of() -> Callable[..., Ledger]:
    return make_ledger
