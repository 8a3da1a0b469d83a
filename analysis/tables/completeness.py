"""How much of a study is there: trials done of trials planned, and what is missing."""

from dataclasses import dataclass

import polars as pl

from analysis.ledger.plan import RATE, num_confirmed_settings, num_sweep_trials
from analysis.ledger.schema import TUNING_PHASES
from analysis.tables.overview import Overview
from analysis.tables.settings import is_planned_rate, sweep_through
from analysis.wording import count, listing


@dataclass(frozen=True)
class Completeness:
    """Trials that ended, trials planned, and a sentence for each optimizer that lacks some."""

    done: int
    planned: int
    missing: tuple[str, ...]


def completeness(overview: Overview) -> Completeness:
    """Compare the trials of a ledger with the plan of its study.

    A trial counts once all its replicates are there, whatever their outcome.
    """
    study = overview.ledger.study
    total_done = total_planned = 0
    missing = []
    for result in overview.results:
        ended = _ended(overview, result.optimizer)
        planned = {
            "tuning": study.num_trials,
            "sweep": num_sweep_trials(study.optimizers[result.optimizer].space, has_sweep=study.has_sweep),
            "confirmation": num_confirmed_settings(
                has_published=bool(result.published) and not study.identity.get("own_seeds"),
                published_won=result.published_won,
            )
            if study.num_confirm_seeds
            else 0,
        }
        done = {name: min(ended[name], number) for name, number in planned.items()}
        lacking = [count(planned[name] - done[name], f"{name} trial") for name in planned if done[name] < planned[name]]
        if lacking:
            missing.append(f"{result.optimizer}: {listing(lacking)}")
        total_done += sum(done.values())
        total_planned += sum(planned.values())
    return Completeness(total_done, total_planned, tuple(missing))


def _ended(overview: Overview, optimizer: str) -> dict[str, int]:
    study, points = overview.ledger.study, overview.points.filter(optimizer=optimizer)
    needed = {"sweep": study.num_seeds, "confirm": study.num_confirm_seeds}
    full = points.filter(
        pl.col("replicates") >= pl.col("phase").replace_strict(needed, default=study.num_seeds, return_dtype=pl.Int64)
    )
    shown = overview.shown.filter(optimizer=optimizer, phase="confirm")["number"].unique()
    best = overview.best.get(optimizer)
    swept = (
        sweep_through(best, full).filter(is_planned_rate(best.hyperparameters[RATE])).height
        if best and RATE in best.hyperparameters
        else 0
    )
    # Sweep and confirmation of a setting that a later trial has overtaken are no longer part of the plan.
    return {
        "tuning": full.filter(pl.col("phase").is_in(TUNING_PHASES)).height,
        "sweep": swept,
        "confirmation": full.filter(pl.col("phase") == "confirm", pl.col("number").is_in(shown.to_list())).height,
    }
