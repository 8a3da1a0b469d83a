"""Ablations: each winner with hyperparameters at the neutral values that make a simpler optimizer of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from analysis.ledger.study import Study
from analysis.tables.overview import Overview
from analysis.tables.settings import ablation_trial
from analysis.wording import listing, number


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """An optimizer without what it adds to a simpler one.

    Args:
        optimizer: Its name.
        simpler: Name of the optimizer that it then is; the study need not hold it.
        at: The hyperparameters that it adds, with their neutral values.
    """

    optimizer: str
    simpler: str
    at: Mapping[str, float]

    @property
    def hyperparameters(self) -> str:
        """What is taken away, in words."""
        return listing(list(self.at))

    @property
    def neutral(self) -> str:
        """The neutral values in words: "diffusion 0"."""
        return listing([f"{name} {number(value)}" for name, value in self.at.items()])

    @property
    def side(self) -> str:
        """Name of the winner at the neutral values as a side of a comparison; no optimizer has such a name."""
        return f"{self.optimizer} at {self.neutral}"


def ablations(study: Study) -> list[Ablation]:
    """Every ablation that a study has or may have, in the order of its optimizers."""
    return [
        Ablation(optimizer=name, simpler=simpler, at=at)
        for name, optimizer in study.optimizers.items()
        for simpler, at in optimizer.reduces_to.items()
    ]


def trial_of(ablation: Ablation, overview: Overview) -> pl.DataFrame:
    """Key of its trial in one tuning: one row of `optimizer`, `phase`, `number`, or none if there is none yet."""
    best = overview.best.get(ablation.optimizer)
    found = best and ablation_trial(best, ablation.at, overview.points)
    types = {"optimizer": pl.String, "phase": pl.String, "number": pl.Int32}
    return pl.DataFrame([(ablation.optimizer, *found)] if found else [], schema=types, orient="row")
