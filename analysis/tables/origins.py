"""How many rows which code and which libraries made, where these were not the same for all."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.ledger.load import Ledger
from analysis.ledger.origins import differences, named
from analysis.wording import listing

Run = Mapping[str, Any] | None
"""An entry of `runs`; None for one of which nothing is known."""

Made = tuple[list[Run], Counter[str]]
"""Runs that computed alike, and by optimizer the replicates that they stored."""


def mixture(tunings: Sequence[Ledger]) -> str:
    """Which share of the trained networks of a study and its repeats came after a change; empty without one."""
    origins = _origins(tunings)
    if len(origins) < 2:
        return ""
    total = sum((made for _, made in origins), Counter[str]())
    first, first_made = origins[0]
    parts = [f"{first_made.total()} of {total.total()} trained networks as the first"]
    for run, made in origins[1:]:
        shares = [f"{name} {number} of {total[name]}" for name, number in made.items()]
        parts.append(f"{made.total()} ({listing(shares)}) where {named(_changes(first, run))}")
    return (
        f"These rows were not all made alike: {'; '.join(parts)}. What looks like an effect may be one of the change."
    )


def _origins(tunings: Sequence[Ledger]) -> list[Made]:
    """Runs that differ, in the order in which they came, each with what it and those like it have made."""
    found: list[Made] = []
    for ledger in tunings:
        for run, made in _runs(ledger):
            # Two that share no plug-in differ in none: a run must be like all of those that it is counted with.
            alike = next((known for known in found if not any(differences(other, run) for other in known[0])), None)
            if alike is None:
                found.append(([run], made))
            else:
                alike[0].append(run)
                alike[1].update(made)
    return found


def _changes(earlier: Sequence[Run], later: Sequence[Run]) -> list[str]:
    """How the runs of one kind differ from those of another, each difference once."""
    return list(dict.fromkeys(found for one in earlier for other in later for found in differences(one, other)))


def _runs(ledger: Ledger) -> list[tuple[Run, Counter[str]]]:
    """The runs that stored rows, with the replicates of each optimizer that they stored."""
    runs = ledger.study.runs
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for run, optimizer, number in ledger.trials.group_by("run", "optimizer", maintain_order=True).len().iter_rows():
        known = run is not None and 0 <= run < len(runs)
        counts[run if known else -1][optimizer] += number
    return [(runs[place] if place >= 0 else None, counts[place]) for place in sorted(counts)]
