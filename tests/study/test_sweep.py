"""A real study with a sweep of every hyperparameter: its rows, its growth and what the report makes of it."""

import json
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from analysis.ledger.load import load
from analysis.tables.completeness import completeness
from analysis.tables.overview import overview_of
from analysis.tables.sensitivity import one_at_a_time

WORDS = (
    *("--search", "sobol", "--optimizers", "sgd,momentum,langevin", "--trials", "3", "--seeds", "2", "--epochs", "1"),
    *("--train-images", "100", "--confirm-seeds", "8", "--repeats", "1", "--no-timing"),
    *("--output", "out"),
)


def run(folder, *words):
    done = subprocess.run(
        [sys.executable, "-m", "study.run", *WORDS, *words],
        cwd=folder, env={**os.environ, "RAY_worker_niceness": "0"}, check=False, timeout=600,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def trials_of(folder):
    return pl.read_parquet(folder / "out" / "trials" / "*.parquet").sort("optimizer", "phase", "number", "replicate")


@pytest.mark.slow
def test_a_study_gets_its_sweep_later_and_grows_it(tmp_path):
    assert "without sweep" in run(tmp_path, "--no-sweep")
    before = trials_of(tmp_path)
    assert "6 of them for the sweep of every hyperparameter" in run(tmp_path, "--sweep-seeds", "6")
    assert "8 of them for the sweep of every hyperparameter" in run(tmp_path)
    after = trials_of(tmp_path)
    assert after.filter(pl.col("phase") != "sweep").equals(before)
    assert "0 networks to train" in run(tmp_path)
    assert trials_of(tmp_path).equals(after)

    seeds = dict(after.filter(phase="confirm").select("replicate", "seed").iter_rows())
    sweep = after.filter(phase="sweep")
    assert all(seeds[replicate] == seed for replicate, seed in sweep.select("replicate", "seed").iter_rows())
    assert sweep.select("test_error", "test_loss", "test_correct").null_count().row(0) == (sweep.height,) * 3
    ledger = load(tmp_path / "out")
    assert completeness(overview_of(ledger)).missing == ()
    for name, curves in one_at_a_time(ledger).items():
        for hyperparameter, curve in curves.items():
            assert curve.errors.shape == (len(curve.steps), 8)
            own = sweep.filter(optimizer=name).filter(pl.col(hyperparameter).is_in(curve.values[curve.steps != 0]))
            assert own.height == 8 * (len(curve.steps) - 1)
            assert np.isin(curve.errors[curve.steps != 0], own["validation_error"].to_numpy()).all()

    verdicts = json.loads((tmp_path / "out" / "report" / "verdicts.json").read_text(encoding="utf-8"))
    asked = [entry for entry in verdicts if entry["question"] == "is less sensitive" and entry["a"] == "langevin"]
    assert {entry["b"] for entry in asked if entry["verdict"] != "NOT TESTED"} == {"sgd", "momentum"}
    looks = json.loads((tmp_path / "out" / "study.json").read_text(encoding="utf-8"))["looks"]
    assert [look["swept"].get("sgd", 0) for look in looks] == [0, 36, 48]
