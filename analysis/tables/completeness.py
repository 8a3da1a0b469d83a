"""How much of a study is there: trials done of trials planned, and what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from analysis.ledger.plan import num_ablations, num_confirmed_settings
from analysis.ledger.schema import TUNING_PHASES
from analysis.tables.overview import Overview
from analysis.tables.results import Result
from analysis.tables.settings import ablation_trial, planned_replicates, sweep_around
from analysis.wording import count, listing


@dataclass(frozen=True)
class Completeness:
    """Trials that ended, trials planned, and a sentence for each optimizer that lacks some; of how many tunings."""

    done: int
    planned: int
    missing: tuple[str, ...]
    tunings: int = 1


def completeness_of_all(tunings: Sequence[Overview]) -> Completeness:
    """That of several tunings together; whose trials are missing is said but for the first one."""
    found = [completeness(overview) for overview in tunings]
    missing = [*found[0].missing]
    for overview, own in zip(tunings[1:], found[1:], strict=True):
        missing += [f"repeat {overview.ledger.study.repeat}, {line}" for line in own.missing]
    return Completeness(
        done=sum(own.done for own in found),
        planned=sum(own.planned for own in found),
        missing=tuple(missing),
        tunings=len(tunings),
    )


def completeness(overview: Overview) -> Completeness:
    """Compare the trials of a ledger with the plan of its study.

    A trial counts once all its replicates are there, whatever their outcome.
    """
    total_done = total_planned = 0
    missing = []
    for result in overview.results:
        ended, planned = _ended(overview, result.optimizer), _planned(overview, result)
        done = {name: min(ended[name], number) for name, number in planned.items()}
        lacking = [count(planned[name] - done[name], f"{name} trial") for name in planned if done[name] < planned[name]]
        if lacking:
            missing.append(f"{result.optimizer}: {listing(lacking)}")
        total_done += sum(done.values())
        total_planned += sum(planned.values())
    return Completeness(total_done, total_planned, tuple(missing))


def _num_sweep_trials(overview: Overview, optimizer: str) -> int:
    """Those around the winner; as many as it can have at most while there is none."""
    study, best = overview.ledger.study, overview.best.get(optimizer)
    space = study.optimizers[optimizer].space
    if study.sweep is None:
        return 0
    return len(study.sweep.points(space, best.hyperparameters)) if best else study.sweep.block_size(space)


def _planned(overview: Overview, result: Result) -> dict[str, int]:
    study = overview.ledger.study
    optimizer, has_confirmation = study.optimizers[result.optimizer], study.num_confirm_seeds > 0
    settings = num_confirmed_settings(
        has_published=bool(result.published) and not study.identity.get("own_seeds"),
        published_won=result.published_won,
    )
    ablations = num_ablations(optimizer.reduces_to, result.best.hyperparameters if result.best else None)
    return {
        "tuning": study.num_trials,
        "sweep": _num_sweep_trials(overview, result.optimizer),
        "confirmation": settings if has_confirmation else 0,
        "ablation": ablations if has_confirmation else 0,
    }


def _ended(overview: Overview, optimizer: str) -> dict[str, int]:
    study, points = overview.ledger.study, overview.points.filter(optimizer=optimizer)
    full = points.filter(pl.col("replicates") >= planned_replicates(study))
    shown = overview.shown.filter(optimizer=optimizer, phase="confirm")["number"].unique()
    best = overview.best.get(optimizer)
    reductions = study.optimizers[optimizer].reduces_to.values()
    ablated = [ablation_trial(best, at, full) for at in reductions] if best else []
    # Sweep, confirmation and ablation of a setting that a later trial has overtaken are no longer part of the plan.
    return {
        "tuning": full.filter(pl.col("phase").is_in(TUNING_PHASES)).height,
        "sweep": sweep_around(study, best, full).height if best else 0,
        "confirmation": full.filter(pl.col("phase") == "confirm", pl.col("number").is_in(shown.to_list())).height,
        "ablation": sum(trial is not None and trial[0] == "ablation" for trial in ablated),
    }
