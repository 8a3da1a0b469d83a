"""How often runs have been looked at, and what a look at a growing study costs."""

from collections.abc import Sequence

import polars as pl

from analysis.ledger.load import Ledger
from analysis.ledger.schema import LOOKED_AT

CONFIRM = ("confirm",)
"""Phases whose runs answer a claim on a metric of runs."""


def share_of(look: int) -> float:
    """Share of the error of a claim that may be spent at look k, 2^-k: all looks together spend less than all."""
    return 2.0**-look


def of_all_looks(p_value: float | None, look: int) -> float | None:
    """A p-value of a look alone as that of all looks up to it: below alpha only if the look rejects at its level."""
    return None if p_value is None else min(1.0, p_value / share_of(look))


def look_number(ledgers: Sequence[Ledger], a: str, b: str, phases: Sequence[str] = CONFIRM) -> int:
    """How often these two have been looked at, this time included: each look at other runs is one.

    Look k is judged at `share_of(k)` of the error, so that all looks together stay below it. Runs of all settings and
    tunings count; looks at as many runs as another one, or at none of a side, do not.

    Args:
        ledgers: Those of all repeats, the first one first: it has the looks.
        a: One of two optimizers.
        b: The other one.
        phases: Whose runs answer the question.
    """
    return num_looks(ledgers, [(phase, name) for phase in phases for name in (a, b)])


def num_looks(ledgers: Sequence[Ledger], sources: Sequence[tuple[str, str]]) -> int:
    """How often the runs of some phases of some optimizers have been looked at together, as of `look_number`.

    Args:
        ledgers: Those of all repeats, the first one first: it has the looks.
        sources: Phase and optimizer of the runs.
    """
    rows = pl.concat(ledger.trials.select("optimizer", "phase") for ledger in ledgers)
    now = tuple(rows.filter(optimizer=name, phase=phase).height for phase, name in sources)
    looks = ledgers[0].study.looks
    states = {tuple(int(look.get(LOOKED_AT[phase], {}).get(name, 0)) for phase, name in sources) for look in looks}
    return len({state for state in states if all(state)} | {now})
