"""The answer in one row per optimizer: tuned and published setting on the same fresh seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from analysis.ledger.load import Ledger
from analysis.ledger.schema import KEY, TUNING_PHASES
from analysis.ledger.study import Study
from analysis.metrics import METRICS, measure
from analysis.statistics.intervals import Estimate, estimate, paired_differences
from analysis.tables.settings import Setting, confirm_number


@dataclass(frozen=True, kw_only=True)
class Result:
    """What the study found out about one optimizer.

    Args:
        optimizer: Its name.
        best: The winner of the tuning, or None while no tuning trial has ended with all its replicates. The validation
            error that it won by flatters it: it is the least of many.
        published: The setting its authors print.
        tuned_error: Validation error of the winner over fresh seeds (1 for a diverged one); None if not confirmed yet.
        tuned_accuracy: Test accuracy of the winner over fresh seeds; None if not confirmed yet.
        published_accuracy: Test accuracy of the published setting over fresh seeds; None if not confirmed yet.
        difference: Tuned minus published, paired by seed; None if not confirmed yet, or if the published setting won.
        published_won: No tuned setting had a lower validation error than the published one.
        tuned_diverged: Fresh seeds of the winner that diverged (accuracy 0 each).
        published_diverged: Fresh seeds of the published setting that diverged (accuracy 0 each).
        trials: Tuning trials that ended.
        diverged: Of these, trials in which at least one replicate diverged.
        failed: Of these, trials in which at least one replicate failed.
    """

    optimizer: str
    best: Setting | None
    published: Mapping[str, float]
    tuned_error: Estimate | None
    tuned_accuracy: Estimate | None
    published_accuracy: Estimate | None
    difference: Estimate | None
    published_won: bool
    tuned_diverged: int
    published_diverged: int
    trials: int
    diverged: int
    failed: int


def confirmed_accuracies(ledger: Ledger, points: pl.DataFrame, best: Mapping[str, Setting]) -> pl.DataFrame:
    """Test accuracy of every fresh seed.

    Returns:
        Columns `optimizer`, `setting` ("published" or "tuned"), `number`, `replicate`, `seed`, `status`,
        `test_accuracy`. If the published setting won, its runs stand under both. Failed replicates have no row.
    """
    confirm = ledger.trials.filter(phase="confirm")
    values = measure(METRICS["test_accuracy"], confirm, ledger.epochs).rename({"value": "test_accuracy"})
    values = values.join(confirm.select(*KEY, "seed"), on=KEY, maintain_order="left")
    columns = ["optimizer", pl.lit("").alias("setting"), "number", "replicate", "seed", "status", "test_accuracy"]
    shown = [values.clear().select(columns)]
    for name in ledger.study.optimizers:
        numbers = {"published": 0, "tuned": confirm_number(best[name], points) if name in best else None}
        for setting, number in numbers.items():
            if number is not None:
                rows = values.filter(optimizer=name, number=number)
                shown.append(rows.select(columns).with_columns(setting=pl.lit(setting)))
    return pl.concat(shown)


def results(study: Study, points: pl.DataFrame, best: Mapping[str, Setting], accuracies: pl.DataFrame) -> list[Result]:
    """One `Result` per optimizer, in the order of the study."""
    return [
        _result(study, name, points, best.get(name), accuracies.filter(optimizer=name)) for name in study.optimizers
    ]


def _result(study: Study, name: str, points: pl.DataFrame, best: Setting | None, accuracies: pl.DataFrame) -> Result:
    sides = {setting: accuracies.filter(setting=setting) for setting in ("tuned", "published")}
    by_seed = {
        setting: dict(zip(rows["replicate"].to_list(), rows["test_accuracy"].to_list(), strict=True))
        for setting, rows in sides.items()
    }
    published = study.optimizers[name].published
    tuning = points.filter(pl.col("optimizer") == name, pl.col("phase").is_in(TUNING_PHASES))
    published_won = best is not None and dict(best.hyperparameters) == dict(published)
    differences = paired_differences(by_seed["tuned"], by_seed["published"])
    return Result(
        optimizer=name,
        best=best,
        published=published,
        tuned_error=_fresh_error(best, points) if best else None,
        tuned_accuracy=estimate(list(by_seed["tuned"].values())),
        published_accuracy=estimate(list(by_seed["published"].values())),
        difference=None if published_won else estimate(differences),
        published_won=published_won,
        tuned_diverged=sides["tuned"].filter(status="diverged").height,
        published_diverged=sides["published"].filter(status="diverged").height,
        trials=tuning.height,
        diverged=tuning.filter(pl.col("diverged") > 0).height,
        failed=tuning.filter(pl.col("failed") > 0).height,
    )


def _fresh_error(best: Setting, points: pl.DataFrame) -> Estimate | None:
    number = confirm_number(best, points)
    if number is None:
        return None
    (row,) = points.filter(optimizer=best.optimizer, phase="confirm", number=number).to_dicts()
    if row["validation_error"] is None:
        return None
    return Estimate(row["validation_error"], row["low"], row["high"], row["complete"] + row["diverged"])


def results_table(study: Study, found: Sequence[Result]) -> pl.DataFrame:
    """The results as a flat table; hyperparameters as `tuned.<name>` and `published.<name>`.

    `tuning_error` is the objective, the validation error that the winner won by; `tuned_error` is that on fresh seeds.
    """
    rows = []
    for result in found:
        best = result.best
        tuned = best.hyperparameters if best else {}
        rows.append(
            {
                "optimizer": result.optimizer,
                "phase": best.phase if best else None,
                "number": best.number if best else None,
                "sampler": best.sampler if best else None,
                "tuning_error": best.validation_error if best else None,
                **_columns("tuned_error", result.tuned_error),
                **_columns("tuned_accuracy", result.tuned_accuracy),
                **_columns("published_accuracy", result.published_accuracy),
                **_columns("difference", result.difference),
                "published_won": result.published_won,
                "tuned_diverged": result.tuned_diverged,
                "published_diverged": result.published_diverged,
                "trials": result.trials,
                "diverged_trials": result.diverged,
                "failed_trials": result.failed,
                **{f"tuned.{name}": tuned.get(name) for name in study.hyperparameters},
                **{f"published.{name}": result.published.get(name) for name in study.hyperparameters},
            }
        )
    return pl.from_dicts(rows, infer_schema_length=None)


def _columns(name: str, found: Estimate | None) -> dict[str, float | int | None]:
    mean, low, high, count = (found.mean, found.low, found.high, found.num_values) if found else (None, None, None, 0)
    return {name: mean, f"{name}_low": low, f"{name}_high": high, f"{name}_seeds": count}
