"""Which replicates of a ledger are whole."""

import polars as pl
import pytest

from study.ledger.check import _gap
from study.ledger.tables import broken

KEY = {"optimizer": "sgd", "phase": "explore", "number": 1, "replicate": 0}
EPOCH_SCHEMA = {"optimizer": pl.String, "phase": pl.String, "number": pl.Int64, "replicate": pl.Int64}
EPOCH_SCHEMA |= {"epoch": pl.Int64, "steps": pl.Int64}


@pytest.mark.parametrize(
    ("status", "steps", "epoch_steps", "gap"),
    [
        ("diverged", 0, [], "sgd explore 1 replicate 0 is diverged after 0 steps, but has no row of epochs"),
        ("diverged", 0, [0], None),
        ("diverged", 2, [2], None),
        (
            "diverged",
            4,
            [2],
            "sgd explore 1 replicate 0 is diverged after 4 steps, but has 1 epochs up to number 1, of 2",
        ),
        ("failed", 0, [], None),
        ("complete", 0, [], "sgd explore 1 replicate 0 is complete after 0 steps, but has no row of epochs"),
        ("complete", 0, [0, 0], None),
        (None, None, [0], "sgd explore 1 replicate 0 has 1 epochs and no trial row"),
    ],
)
def test_a_replicate_with_an_outcome_has_its_epochs(make_spec, status, steps, epoch_steps, gap):
    trial = {**KEY, "status": status, "steps": steps}
    schema = {**EPOCH_SCHEMA, "status": pl.String}
    trials = pl.DataFrame([trial] if status else [], schema={name: schema[name] for name in trial})
    rows = [{**KEY, "epoch": place, "steps": taken} for place, taken in enumerate(epoch_steps, start=1)]
    found = broken(trials, pl.DataFrame(rows, schema=EPOCH_SCHEMA), make_spec(num_epochs=2))
    gaps = [_gap(row) for row in found.iter_rows(named=True)]
    assert len(gaps) == (gap is not None)
    assert all(line.startswith(gap) for line in gaps)
