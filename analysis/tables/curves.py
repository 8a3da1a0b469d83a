"""The tables behind the figures: curves over epochs, responses to hyperparameters, times, counts."""

import polars as pl

from analysis.ledger.load import Ledger
from analysis.ledger.schema import KEY
from analysis.metrics import METRICS, measure
from analysis.statistics.intervals import summarise
from analysis.tables.settings import TRIAL

CURVES = ("train_loss", "validation_loss", "train_error", "validation_error", "generalization_gap")


def seed_curves(ledger: Ledger, shown: pl.DataFrame) -> pl.DataFrame:
    """Every shown replicate at every epoch; after its divergence a replicate keeps error 1 and has no loss.

    Args:
        ledger: The rows.
        shown: What `shown_runs` returns.

    Returns:
        Columns `optimizer`, `setting`, `replicate`, `epoch` and those of `CURVES`; `generalization_gap` is
        validation loss minus training loss, in nats.
    """
    epochs = pl.DataFrame({"epoch": range(1, ledger.study.num_epochs + 1)}, schema={"epoch": pl.Int32})
    runs = shown.join(ledger.trials.select(*KEY, "status"), on=TRIAL, maintain_order="left")
    ended = runs.filter(pl.col("status").is_in(["complete", "diverged"]))
    has_stopped = (pl.col("status") == "diverged") & (pl.col("epoch") > pl.col("last_epoch"))
    last = ledger.epochs.group_by(KEY).agg(pl.col("epoch").max().alias("last_epoch"))
    ended = ended.join(last, on=KEY, how="left", maintain_order="left")
    rows = ended.join(epochs, how="cross", maintain_order="left").join(
        ledger.epochs.select(*KEY, "epoch", *CURVES[:4]), on=[*KEY, "epoch"], how="left", maintain_order="left"
    )
    return rows.with_columns(
        pl.when(has_stopped).then(1.0).otherwise(pl.col(error)).alias(error)
        for error in ("train_error", "validation_error")
    ).select(
        "optimizer",
        "setting",
        "replicate",
        "epoch",
        *CURVES[:4],
        (pl.col("validation_loss") - pl.col("train_loss")).alias("generalization_gap"),
    )


def mean_curves(seeds: pl.DataFrame) -> pl.DataFrame:
    """Mean over seeds with interval, one row per optimizer, setting, quantity and epoch.

    Returns:
        Columns `optimizer`, `setting`, `quantity`, `epoch`, `mean`, `low`, `high`, `num_values` (seeds in the mean:
        a diverged seed has no loss) and `num_rows` (all seeds).
    """
    by = ["optimizer", "setting", "quantity", "epoch"]
    long = seeds.unpivot(CURVES, index=["optimizer", "setting", "replicate", "epoch"], variable_name="quantity")
    order = seeds["optimizer"].unique(maintain_order=True).to_list()
    place = pl.col("optimizer").replace_strict(order, range(len(order)), return_dtype=pl.Int32)
    return summarise(long, by, "value").sort(place, "setting", "quantity", "epoch")


def final_gaps(ledger: Ledger, shown: pl.DataFrame) -> pl.DataFrame:
    """Generalisation gap after the last epoch: `optimizer`, `setting`, `replicate`, `status`, `value` in nats."""
    metric = METRICS["generalization_gap"]
    values = measure(metric, ledger.trials.join(shown, on=TRIAL, how="semi"), ledger.epochs)
    return shown.join(values, on=TRIAL, maintain_order="left").select(
        "optimizer", "setting", "replicate", "status", "value"
    )
