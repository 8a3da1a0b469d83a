"""The looks at one pair of optimizers in a study that has fixed how many confirmation seeds there may be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.ledger.load import Ledger
from analysis.ledger.plan import seeds_in_order
from analysis.statistics.sequential import spent_share

Pair = tuple[int, int]
"""Numbers of the trials that confirm the winners of two optimizers."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Looks at runs of the same two settings.

    Args:
        looks: Seeds that both sides had at each look, increasing up to now.
        most_seeds: Seeds at the last look that there may be.
        left: Share of the error that looks at earlier winners have left for them.
    """

    looks: tuple[int, ...]
    most_seeds: int
    left: float = 1.0

    @property
    def spent(self) -> float:
        """Share of the error of the claim that these looks have spent together."""
        return self.left * spent_share(self.looks[-1], self.most_seeds)


def schedule_of(ledger: Ledger, a: str, b: str, winners: Mapping[str, int]) -> Schedule | None:
    """The looks at two optimizers, this one included; None where a look has no rule of its own or nothing to see.

    A look at the same seeds of the same settings as one before is no other one. Where tuning went on after a look and
    found another winner, the differences are others: its looks have what the former ones have left.

    Args:
        ledger: The only tuning of the study.
        a: One of two optimizers.
        b: The other one.
        winners: Number of the trial that confirms the winner of each.
    """
    most = ledger.study.error_plan.most_confirm_seeds
    if most is None or a not in winners or b not in winners:
        return None
    now = (winners[a], winners[b])
    seeds: dict[Pair, set[int]] = {}
    for look in (*ledger.study.looks, {"confirmed_seeds": confirmed_seeds(ledger)}):
        (number, of_a), (rival, of_b) = _latest(look, a), _latest(look, b)
        if of_a and of_b:
            seeds.setdefault((number, rival), set()).add(min(of_a, of_b))
    left = 1.0
    for pair, counts in seeds.items():
        if pair != now:
            left *= 1 - spent_share(max(counts), most)
    looks = sorted(seeds.get(now, ()))
    return Schedule(looks=tuple(looks), most_seeds=most, left=left) if looks else None


def confirmed_seeds(ledger: Ledger) -> dict[str, dict[str, int]]:
    """Seeds of each confirmed setting by optimizer and number, as `study.json` stores them of a look."""
    rows = ledger.trials.filter(phase="confirm").group_by("optimizer", "number").agg("replicate")
    found: dict[str, dict[str, int]] = {}
    for name, number, replicates in rows.sort("optimizer", "number").iter_rows():
        found.setdefault(name, {})[str(number)] = seeds_in_order(replicates)
    return found


def _latest(look: Mapping[str, Any], name: str) -> tuple[int, int]:
    """Number and seeds of the last setting of an optimizer that was confirmed: winners are numbered as they come."""
    seeds = look.get("confirmed_seeds", {}).get(name, {})
    return max(((int(number), count) for number, count in seeds.items()), default=(0, 0))
