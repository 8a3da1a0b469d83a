"""What a look at the results has seen."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from analysis.ledger.plan import seeds_in_order
from analysis.ledger.schema import LOOKED_AT
from study.queue.tasks import Outcome, TrialKey

IN_EVERY_LOOK = ("confirmed", "explored", "swept")
"""Others are there only where there are any: a look of before they were counted is still one at the same replicates."""


def look_at(own: Sequence[Outcome], repeated: Iterable[Outcome], num_confirm_seeds: int) -> dict[str, Any]:
    """A look as `study.json` has it, but for its time.

    Args:
        own: Replicates of the study.
        repeated: Those of its repeats, which the same look has seen.
        num_confirm_seeds: Fresh seeds of each confirmed setting that are planned.
    """
    outcomes = [*own, *repeated]
    return {
        "num_confirm_seeds": num_confirm_seeds,
        "num_replicates": len(outcomes),
        **_counts(outcomes),
        "confirmed_seeds": _confirmed_seeds(own),
    }


def _counts(outcomes: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    """Replicates of each optimizer by the name of their phase in a look."""
    found = {}
    for phase, name in LOOKED_AT.items():
        counts = Counter(outcome.key.optimizer for outcome in outcomes if outcome.key.phase == phase)
        if counts or name in IN_EVERY_LOOK:
            found[name] = dict(sorted(counts.items()))
    return found


def _confirmed_seeds(outcomes: Iterable[Outcome]) -> dict[str, dict[str, int]]:
    """Seeds of each confirmed setting by optimizer and number of its trial."""
    seeds: dict[TrialKey, list[int]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.key.phase == "confirm":
            seeds[outcome.key].append(outcome.replicate)
    found: dict[str, dict[str, int]] = {}
    for key in sorted(seeds):
        found.setdefault(key.optimizer, {})[str(key.number)] = seeds_in_order(seeds[key])
    return found
