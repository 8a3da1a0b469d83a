"""What a reader must know before trusting the numbers."""

import dataclasses

import polars as pl

from analysis.ledger.load import load
from analysis.report.text.summary import notes
from analysis.tables.overview import overview_of


def test_runs_that_stood_still_are_told(synthetic, tmp_path):
    overview = overview_of(load(synthetic().write(tmp_path / "study")))
    assert notes(overview) == []
    ledger = overview.ledger
    is_idle = (pl.col("optimizer") == "sgd") & (pl.col("phase") == "confirm") & (pl.col("epoch") > 1)
    epochs = ledger.epochs.with_columns(update_norm=pl.when(is_idle).then(0.0).otherwise("update_norm"))
    num_runs = ledger.trials.filter(optimizer="sgd", phase="confirm", status="complete").height
    assert num_runs > 1
    assert notes(dataclasses.replace(overview, ledger=dataclasses.replace(ledger, epochs=epochs))) == [
        "Runs whose parameters did not change for a whole epoch, though their gradients were not 0: "
        f"sgd {num_runs}, the first in epoch 2. They count as they are: a schedule that has come to 0 leaves such "
        "runs, and so does a broken optimizer."
    ]
    at_rest = epochs.with_columns(gradient_norm=pl.lit(0.0))
    assert notes(dataclasses.replace(overview, ledger=dataclasses.replace(ledger, epochs=at_rest))) == []
