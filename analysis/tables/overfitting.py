"""The numbers that answer the questions of the claims, beyond the overview: what the figures of each question draw."""

import polars as pl

from analysis.statistics.intervals import summarise
from analysis.tables.overview import Overview
from analysis.tables.settings import TRIAL


def mean_losses(seeds: pl.DataFrame) -> pl.DataFrame:
    """Mean losses of the seeds that have not diverged, epoch by epoch: a curve of one loss against the other.

    Args:
        seeds: What `curves.seed_curves` returns.

    Returns:
        Columns `optimizer`, `setting`, `epoch`, `train_loss`, `validation_loss`, `generalization_gap` and `num_values`
        (seeds in the means), in the order of `seeds`.
    """
    losses = ("train_loss", "validation_loss", "generalization_gap")
    held = seeds.drop_nulls(losses)
    by = ["optimizer", "setting", "epoch"]
    tables = [summarise(held, by, loss).select(*by, "num_values", pl.col("mean").alias(loss)) for loss in losses]
    joined = tables[0].join(tables[1].drop("num_values"), on=by).join(tables[2].drop("num_values"), on=by)
    order = seeds.select("optimizer", "setting").unique(maintain_order=True)
    return order.join(joined, on=["optimizer", "setting"], maintain_order="left_right").drop_nulls("epoch")


def run_losses(overview: Overview) -> pl.DataFrame:
    """Losses after the last epoch of each tuned run on fresh seeds that did not diverge.

    Returns:
        Columns `optimizer`, `replicate`, `train_loss`, `test_loss`; no row without confirmation.
    """
    tuned = overview.shown.filter(setting="tuned", phase="confirm")
    tests = tuned.join(overview.ledger.trials, on=TRIAL, maintain_order="left").select(
        "optimizer", "replicate", "test_loss"
    )
    last = overview.seed_curves.filter(setting="tuned", epoch=overview.ledger.study.num_epochs)
    both = tests.join(last, on=["optimizer", "replicate"], maintain_order="left")
    return both.select("optimizer", "replicate", "train_loss", "test_loss").drop_nulls()
