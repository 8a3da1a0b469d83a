"""The repeats that lie in a study's folder: which have begun, and that each is a tuning of its own."""

import pathlib
from collections.abc import Mapping

from analysis.ledger.load import Ledger
from analysis.ledger.schema import NUMBER, REPEATS, repeat_directory, stored_repeats
from analysis.ledger.study import LedgerError


def begun_repeats(study_dir: pathlib.Path) -> list[pathlib.Path]:
    """Folders of the repeats that have finished a trial, in order.

    Raises:
        LedgerError: One has rows and no `study.json`: nobody can say what they are of.
    """
    for folder in sorted((study_dir / REPEATS).glob("*/trials")):
        place = folder.parent
        if NUMBER.fullmatch(place.name) and any(folder.glob("*.parquet")) and not (place / "study.json").is_file():
            raise LedgerError(
                f"every repeat holds a study.json, {str(place)!r} holds rows without one; put it back, or move the "
                "folder away to leave that tuning out."
            )
    places = [repeat_directory(study_dir, repeat) for repeat in stored_repeats(study_dir)]
    return [place for place in places if any((place / "trials").glob("*.parquet"))]


def refuse_misplaced(place: pathlib.Path, ledger: Ledger) -> None:
    """Refuse a repeat that lies in the folder of another one.

    Raises:
        LedgerError: It does.
    """
    if place.parent.name == REPEATS and place.name != str(ledger.study.repeat):
        raise LedgerError(
            f"the folder of a repeat bears its number, {str(place)!r} holds repeat {ledger.study.repeat}; move it to "
            "where it belongs."
        )


def refuse_copies(tunings: Mapping[int, Ledger]) -> None:
    """Refuse tunings with networks in common, where each draws seeds of its own.

    A tuning that is counted twice makes the luck of tuning look smaller than it is.

    Args:
        tunings: By number of the repeat.

    Raises:
        LedgerError: Two have a seed in common.
    """
    owners: dict[int, int] = {}
    for repeat, ledger in tunings.items():
        if repeat and not ledger.study.identity.get("own_seeds"):
            continue  # of an old release, whose repeats share the seeds of the study
        for seed in ledger.trials["seed"].drop_nulls().unique():
            if owners.setdefault(seed, repeat) != repeat:
                raise LedgerError(
                    f"every tuning has seeds of its own, repeats {owners[seed]} and {repeat} both hold seed {seed}: "
                    "rows of one were copied to the other; remove them, the same command trains what is missing."
                )
