"""The tables behind the figures: curves over epochs, responses to hyperparameters, times, counts."""

from collections.abc import Mapping

import polars as pl

from analysis.ledger.load import Ledger
from analysis.ledger.schema import KEY, TUNING_PHASES
from analysis.ledger.study import Study
from analysis.metrics import METRICS, measure
from analysis.selection import TRIAL, Setting, setting_column
from analysis.statistics.intervals import summarise

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


def responses(study: Study, points: pl.DataFrame, best: Mapping[str, Setting]) -> pl.DataFrame:
    """Every tuning trial and sweep trial against each hyperparameter of its optimizer.

    Returns:
        One row per trial and hyperparameter: what `settings` holds, and `hyperparameter`, `value`, `published` and
        `winner` (whether the trial is the published setting, the winner).
    """
    frames = [points.clear().with_columns(hyperparameter=pl.lit(""), value=0.0, published=False, winner=False)]
    tried = points.filter(pl.col("phase").is_in([*TUNING_PHASES, "sweep"]))
    for name, optimizer in study.optimizers.items():
        won = best.get(name)
        own = tried.filter(optimizer=name).with_columns(
            published=pl.col("phase") == "published",
            winner=(pl.col("phase") == won.phase) & (pl.col("number") == won.number) if won else False,
        )
        for hyperparameter in optimizer.space:
            rows = own.with_columns(hyperparameter=pl.lit(hyperparameter), value=pl.col(setting_column(hyperparameter)))
            frames.append(rows.select(frames[0].columns))
    return pl.concat(frames)


def step_times(ledger: Ledger) -> pl.DataFrame:
    """Wall time of a step of a fused group, over the groups that ran to the end.

    Returns:
        Columns `optimizer`, `group_size`, `device`, `groups`, and `low`, `lower`, `median`, `upper`, `high` (the 5, 25,
        50, 75 and 95 % quantiles over groups) in seconds.
    """
    # The replicates of a group share its wall time to the last bit, so one of them stands for the group.
    group = [*TRIAL, "group_size", "seconds"]
    runs = ledger.trials.filter(status="complete").unique(group, keep="first", maintain_order=True)
    values = measure(METRICS["seconds_per_step"], runs, ledger.epochs).drop_nulls("value")
    quantiles = {"low": 0.05, "lower": 0.25, "median": 0.5, "upper": 0.75, "high": 0.95}
    order = pl.col("optimizer").replace_strict({name: place for place, name in enumerate(ledger.study.optimizers)})
    return (
        values.join(runs.select(*KEY, "group_size", "device"), on=KEY)
        .group_by("optimizer", "group_size", "device")
        .agg(
            pl.len().cast(pl.Int64).alias("groups"),
            *[pl.col("value").quantile(share, "linear").alias(name) for name, share in quantiles.items()],
        )
        .sort("group_size", "device", order)
    )


def counts(study: Study, points: pl.DataFrame) -> pl.DataFrame:
    """How the trials of each phase ended.

    Returns:
        One row per optimizer and phase: `trials`, of these `complete`, `partly_diverged`, `diverged` (in every
        replicate), `failed` (in any replicate), then `replicates` and `replicates_diverged`, `replicates_failed`.
    """
    failed, diverged = pl.col("failed") > 0, pl.col("diverged") > 0
    all_diverged = pl.col("diverged") == pl.col("replicates")
    outcomes = {
        "complete": ~failed & ~diverged,
        "partly_diverged": ~failed & diverged & ~all_diverged,
        "diverged": ~failed & all_diverged,
        "failed": failed,
    }
    order = pl.col("optimizer").replace_strict({name: place for place, name in enumerate(study.optimizers)})
    phases = {phase: place for place, phase in enumerate((*TUNING_PHASES, "sweep", "confirm", "timing"))}
    return (
        points.with_columns(is_true.alias(f"is_{name}") for name, is_true in outcomes.items())
        .group_by("optimizer", "phase")
        .agg(
            pl.len().cast(pl.Int64).alias("trials"),
            *[pl.col(f"is_{name}").sum().cast(pl.Int64).alias(name) for name in outcomes],
            pl.col("replicates").sum().alias("replicates"),
            pl.col("diverged").sum().alias("replicates_diverged"),
            pl.col("failed").sum().alias("replicates_failed"),
        )
        .sort(order, pl.col("phase").replace_strict(phases))
    )
