"""Whether a run that goes on with a study computes as the runs did that made its rows."""

import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from analysis.ledger.origins import differences, differing_plugins, named
from study.ledger import read_study
from study.ledger.tables import runs_of_rows

ACCEPT = "--accept-changes"


def has_changed(run: Mapping[str, Any], directory: pathlib.Path) -> bool:
    """Whether a run computes otherwise than the last one that has begun with a study."""
    stored = read_study(directory)
    return stored is not None and any(differences(other, run) for other in stored["runs"][-1:])


def runs_with_rows(directories: Sequence[pathlib.Path]) -> list[Mapping[str, Any] | None]:
    """The runs that made the stored trials of a study and its repeats, those of each in their order.

    Returns:
        Their entries in `study.json`; None for rows of which it does not say where they come from.
    """
    found: list[Mapping[str, Any] | None] = []
    for directory in directories:
        stored = read_study(directory)
        runs = stored["runs"] if stored else []
        numbers = runs_of_rows(directory)
        found += [None] if any(number is None or number >= len(runs) for number in numbers) else []
        found += [run for number, run in enumerate(runs) if number in numbers]
    return found


def refuse_changes(run: Mapping[str, Any], earlier: Collection[Mapping[str, Any] | None], place: str) -> None:
    """Refuse to add rows to those that other code or other libraries have made.

    A run that computes as any of the earlier ones adds no mixture that is not there already.

    Args:
        run: Where the new rows would come from.
        earlier: The runs that made the stored ones, in their order; None for one of which nothing is known.
        place: What to call the study.

    Raises:
        ValueError: It computes as none of them; the message says what has changed since the last.
    """
    changed = [differences(other, run) for other in earlier]
    # Runs that differ in no plug-in that both have used may yet differ by one that a third has used.
    if of_plugins := differing_plugins(earlier, run):
        changed.append(of_plugins)
    if changed and (all(changed) or of_plugins):
        raise ValueError(
            f"{place} holds rows that were made otherwise than new ones would be: {named(changed[-1])}. Go back to "
            f"what made them, choose another --output, or add {ACCEPT}: then the report says at its top which rows "
            "are of which."
        )
