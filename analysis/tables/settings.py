"""Which setting won: trials as points, the winner of each optimizer, the runs that confirm it."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from analysis.ledger.plan import RATE
from analysis.ledger.schema import PHASES, TESTED_PHASES, TUNING_PHASES
from analysis.ledger.study import Optimizer, Study
from analysis.statistics.intervals import summarise

TOLERANCE = 1e-9
"""Part of a value by which a sweep trial may miss what its number asks for: rounding on another machine."""

TRIAL = ("optimizer", "phase", "number")


def setting_column(hyperparameter: str) -> str:
    """Column of a hyperparameter beside computed columns: none of these holds a dot, so no name can clash."""
    return f"setting.{hyperparameter}"


@dataclass(frozen=True)
class Setting:
    """A trial seen as a point of the search space, with its key."""

    optimizer: str
    phase: str
    number: int
    sampler: str
    hyperparameters: Mapping[str, float]
    validation_error: float


def settings(study: Study, trials: pl.DataFrame) -> pl.DataFrame:
    """One row per trial.

    Returns:
        Key, `sampler`, hyperparameters as `setting.<name>`, numbers of `replicates`, of these `complete`, `diverged`
        and `failed`, `is_whole` (all planned replicates are there and none failed) and the mean over the ended
        replicates of `validation_error` (1 for a diverged one), rounded to 12 decimal places, with its interval `low`,
        `high`. In the order of the study, then by phase and number.
    """
    counts = trials.group_by(TRIAL).agg(
        pl.col("sampler").first(),
        *[pl.col(name).first().alias(setting_column(name)) for name in study.hyperparameters],
        pl.len().cast(pl.Int64).alias("replicates"),
        *[
            (pl.col("status") == status).sum().cast(pl.Int64).alias(status)
            for status in ("complete", "diverged", "failed")
        ],
    )
    errors = summarise(trials, TRIAL, "validation_error").drop("num_values", "num_rows")
    order = pl.col("optimizer").replace_strict({name: place for place, name in enumerate(study.optimizers)})
    return (
        counts.join(errors, on=TRIAL)
        .rename({"mean": "validation_error"})
        .with_columns(is_whole=(pl.col("replicates") >= planned_replicates(study)) & (pl.col("failed") == 0))
        .sort(order, "phase", "number")
    )


def planned_replicates(study: Study) -> pl.Expr:
    """Replicates that the plan has for a trial, from its `phase`."""
    swept = study.sweep.num_seeds if study.sweep else study.num_seeds
    is_tested, is_swept = pl.col("phase").is_in(TESTED_PHASES), pl.col("phase") == "sweep"
    return pl.when(is_tested).then(study.num_confirm_seeds).when(is_swept).then(swept).otherwise(study.num_seeds)


def winner(optimizer: Optimizer, points: pl.DataFrame) -> Setting | None:
    """The tuning trial with the lowest mean validation error at the last epoch; ties go to the lower number.

    Means are compared after rounding to 12 decimal places, so equal counts of errors tie, whatever their floats.
    Only whole trials can win: a mean over fewer replicates would be luckier, and a failed one has no outcome.

    Args:
        optimizer: Whose winner is asked for.
        points: What `settings` returns.
    """
    candidates = points.filter(
        pl.col("is_whole"), pl.col("optimizer") == optimizer.name, pl.col("phase").is_in(TUNING_PHASES)
    ).sort("validation_error", "number")
    if candidates.is_empty():
        return None
    best = candidates.row(0, named=True)
    return Setting(
        optimizer=optimizer.name,
        phase=best["phase"],
        number=best["number"],
        sampler=best["sampler"],
        hyperparameters={name: best[setting_column(name)] for name in optimizer.space},
        validation_error=best["validation_error"],
    )


def winners(study: Study, points: pl.DataFrame) -> dict[str, Setting]:
    """The winner of each optimizer that has one."""
    found = {name: winner(optimizer, points) for name, optimizer in study.optimizers.items()}
    return {name: setting for name, setting in found.items() if setting is not None}


def confirm_number(best: Setting, points: pl.DataFrame) -> int | None:
    """Number of the confirm trial that repeats `best`; 0 if the published setting won, None if not run yet."""
    return _number_of(best.optimizer, "confirm", best.hyperparameters, points)


def ablation_trial(best: Setting, at: Mapping[str, float], points: pl.DataFrame) -> tuple[str, int] | None:
    """Phase and number of the trial that holds `best` but for its neutral values; None if it has not been run yet.

    A winner that has these values is its own ablation: then they are those of its confirmation.

    Args:
        best: The winner.
        at: Neutral values of some of its hyperparameters.
        points: What `settings` returns.
    """
    point = {**best.hyperparameters, **at}
    phase = "confirm" if point == dict(best.hyperparameters) else "ablation"
    number = _number_of(best.optimizer, phase, point, points)
    return None if number is None else (phase, number)


def _number_of(optimizer: str, phase: str, point: Mapping[str, float], points: pl.DataFrame) -> int | None:
    same = [pl.col(setting_column(name)) == value for name, value in point.items()]
    found = points.filter(pl.col("optimizer") == optimizer, pl.col("phase") == phase, *same)["number"].sort()
    return int(found[0]) if len(found) else None


def sweep_through(best: Setting, points: pl.DataFrame) -> pl.DataFrame:
    """The sweep trials that hold all hyperparameters of `best` but its learning rate, in the rows of `points`."""
    same = [pl.col(setting_column(name)) == value for name, value in best.hyperparameters.items() if name != RATE]
    return points.filter(pl.col("optimizer") == best.optimizer, pl.col("phase") == "sweep", *same)


def sweep_around(study: Study, best: Setting, points: pl.DataFrame) -> pl.DataFrame:
    """The sweep trials that the plan has around `best`, in the rows of `points`.

    Returns:
        The columns of `points`, and `hyperparameter`, `step`: what was moved, and by how many decades.
    """
    space = study.optimizers[best.optimizer].space
    block = study.sweep.block_size(space) if study.sweep else 0
    planned = study.sweep.points(space, best.hyperparameters) if study.sweep else {}
    rows = []
    for number, point in planned.items():
        setting = {**best.hyperparameters, point.hyperparameter: point.value}
        asked_for = {f"_{name}": value for name, value in setting.items()}
        rows.append({"_place": number, "hyperparameter": point.hyperparameter, "step": point.step, **asked_for})
    types = {"_place": pl.Int32, "hyperparameter": pl.String, "step": pl.Float64}
    asked = pl.DataFrame(rows, schema={**types, **{f"_{name}": pl.Float64 for name in space}})
    own = points.filter(optimizer=best.optimizer, phase="sweep")
    found = own.with_columns(_place=(pl.col("number") % max(block, 1)).cast(pl.Int32)).join(
        asked, on="_place", maintain_order="left"
    )
    # A tolerance, since powers may differ in the last bit between the machine of the study and this one.
    same = [
        (pl.col(setting_column(name)) - pl.col(f"_{name}")).abs() <= TOLERANCE * pl.col(f"_{name}").abs()
        for name in space
    ]
    return found.filter(*same).drop("_place", *(f"_{name}" for name in space))


def shown_runs(study: Study, points: pl.DataFrame, best: Mapping[str, Setting]) -> pl.DataFrame:
    """The trials whose curves stand for each optimizer's published and tuned setting.

    Confirmation runs where the study has any: their seeds took no part in the choice. Else the tuning runs themselves.

    Returns:
        Columns `optimizer`, `setting` ("published" or "tuned"), `phase`, `number`. If the published setting won, it
        stands under both.
    """
    rows: list[tuple[str, str, str, int]] = []
    confirmed = not points.filter(pl.col("phase") == "confirm").is_empty()
    for name in study.optimizers:
        own = points.filter(pl.col("optimizer") == name)
        phase = "confirm" if confirmed else "published"
        rows += [(name, "published", phase, 0)] if not own.filter(phase=phase, number=0).is_empty() else []
        if name in best:
            number = confirm_number(best[name], points) if confirmed else best[name].number
            shown = "confirm" if confirmed else best[name].phase
            rows += [(name, "tuned", shown, number)] if number is not None else []
    types = {"optimizer": pl.String, "setting": pl.String, "phase": pl.String, "number": pl.Int32}
    return pl.DataFrame(rows, schema=types, orient="row")


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
    phases = {phase: place for place, phase in enumerate(PHASES)}
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
