"""Several ledgers as one study: rows of equal identity joined, tunings that differ in their repeat side by side."""

import pathlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from typing import Any

import polars as pl

from analysis.ledger.load import Ledger, load
from analysis.ledger.repeats import begun_repeats, refuse_copies, refuse_misplaced
from analysis.ledger.schema import KEY, KEYS
from analysis.ledger.study import ErrorPlan, LedgerError, Optimizer, Study
from analysis.lines import one_line

YOUNGER: Mapping[str, Any] = {"repeat": 0, "own_seeds": False, "shared_order": False}
"""Fields that an identity of an old release lacks, and what it means by that."""

LONGEST_VALUE = 60


@dataclass(frozen=True)
class Studies:
    """The tunings of one study.

    Args:
        repeats: At least one ledger, by number of its repeat; they differ in the random streams of the samplers and,
            unless they are old, in the seeds of the networks.
    """

    repeats: tuple[Ledger, ...]

    @property
    def first(self) -> Ledger:
        """The tuning that figures are drawn of."""
        return self.repeats[0]


def load_studies(study_dirs: Sequence[pathlib.Path]) -> Studies:
    """Read ledgers that belong together, each with the repeats that lie in its folder.

    Ledgers of equal identity are parts of one study: their rows are joined. A repeat that has no finished trial yet is
    left out, unless it is named itself.

    Raises:
        LedgerError: A folder holds no ledger, stands twice, or its rows do not belong to those of the first one.
    """
    folders = [place for study_dir in study_dirs for place in (study_dir, *begun_repeats(study_dir))]
    refuse_twice(folders)
    ledgers = [load(folder) for folder in folders]
    for folder, ledger in zip(folders[1:], ledgers[1:], strict=True):
        refuse_misplaced(folder, ledger)
        if found := differences(ledgers[0].study, ledger.study, may_differ=("repeat", "own_seeds")):
            raise LedgerError(
                f"ledgers make one report if they are of one study, {str(folder)!r} is not of that of "
                f"{str(folders[0])!r}: {'; '.join(found)}; put two studies side by side with --compare."
            )
    tunings: dict[int, list[Ledger]] = defaultdict(list)
    for ledger in ledgers:
        tunings[ledger.study.repeat].append(ledger)
    joined = {repeat: reduce(_join, tunings[repeat]) for repeat in sorted(tunings)}
    refuse_copies(joined)
    return Studies(tuple(joined.values()))


def refuse_twice(folders: Sequence[pathlib.Path]) -> None:
    """Refuse a folder that is given twice, under whatever name.

    Raises:
        LedgerError: One is.
    """
    whole = [folder.resolve() for folder in folders]
    for place, folder in enumerate(whole):
        if folder in whole[:place]:
            raise LedgerError(f"each folder may be given once, {str(folders[place])!r} is given twice; leave one out.")


def differences(one: Study, other: Study, *, may_differ: Sequence[str] = ()) -> list[str]:
    """Why the rows of two studies cannot stand in one table, one "field is that of other, not that of one" each.

    Args:
        one: A study.
        other: Another one.
        may_differ: Fields of the identity that are not compared.
    """
    mine, theirs = ({**YOUNGER, **study.identity} for study in (one, other))
    names = [name for name in sorted({*mine, *theirs}) if name not in may_differ]
    found = _differing("", mine, theirs, names)
    for name in one.optimizers:
        if name in other.optimizers:
            # A corrected equation or reference makes no other rows.
            here, there = (asdict(study.optimizers[name]) for study in (one, other))
            found += _differing(f"{name}.", here, there, ("space", "published", "source", "values"))
    if not found and one.repeat == other.repeat and one.study_hash != other.study_hash:
        found = [f"study_hash is {shown(other.study_hash)}, not {shown(one.study_hash)}"]
    return found


def _differing(prefix: str, mine: Mapping[str, Any], theirs: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [
        f"{prefix}{name} is {shown(theirs.get(name))}, not {shown(mine.get(name))}"
        for name in names
        if mine.get(name) != theirs.get(name)
    ]


def shown(value: object) -> str:
    """A value of a description in one short line."""
    text = "not stored" if value is None else one_line(str(value))
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def _join(one: Ledger, other: Ledger) -> Ledger:
    """All rows of two ledgers of one study, those that both hold once."""
    study = _join_studies(one.study, other.study)
    places = {place: study.runs.index(run) for place, run in enumerate(other.study.runs)}
    run = pl.col("run").replace_strict(list(places), list(places.values()), default=None, return_dtype=pl.Int32)
    trials = other.trials.with_columns(run=run)
    epochs = other.epochs
    for table, mine, theirs in (("trials", one.trials, trials), ("epochs", one.epochs, epochs)):
        _refuse_contradiction(table, mine.join(trials, on=KEY, how="semi"), theirs.join(one.trials, on=KEY, how="semi"))
    return replace(
        one,
        study=study,
        trials=_together(one.trials, trials.join(one.trials, on=KEY, how="anti"), KEY),
        epochs=_together(one.epochs, epochs.join(one.trials, on=KEY, how="anti"), KEYS["epochs"]),
        num_orphans=one.num_orphans + other.num_orphans,
        timings=_join_timings(one.timings, other.timings),
    )


def _join_timings(mine: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """Blocks of both: those of the second one that the first one lacks are numbered behind its own.

    What is made of timings are ratios within blocks, so blocks of two machines never mix.
    """
    new = theirs.join(mine, on=theirs.columns, how="anti", nulls_equal=True)
    first = 0 if mine.is_empty() else int(mine["block"].max()) + 1  # type: ignore[arg-type]  # an integer column
    return pl.concat([mine, new.with_columns(pl.col("block") + first)]).sort(KEYS["timings"])


def _together(mine: pl.DataFrame, theirs: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    # One of them lacks the columns of hyperparameters that only the other one's optimizers have.
    return pl.concat([mine, theirs], how="diagonal").sort(key)


def _join_studies(one: Study, other: Study) -> Study:
    """As far as both go together."""
    fixed = [study.claims for study in (one, other) if study.claims]
    agree = len(fixed) == 2 and fixed[0].text == fixed[1].text
    known = tuple(sorted({name for claims in fixed for name in claims.known}))
    return replace(
        one,
        optimizers=_join_optimizers(one.optimizers, other.optimizers),
        num_trials=max(one.num_trials, other.num_trials),
        num_confirm_seeds=max(one.num_confirm_seeds, other.num_confirm_seeds),
        has_sweep=one.has_sweep or other.has_sweep,
        num_sweep_seeds=_num_sweep_seeds(one, other),
        runs=(*one.runs, *(run for run in other.runs if run not in one.runs)),
        # Claims that were not the same for all rows were not fixed before all of them.
        claims=replace(fixed[0], known=known) if agree else None,
        looks=(*one.looks, *(look for look in other.looks if look not in one.looks)),
        # What was not planned for all rows was not planned before them.
        error_plan=_stricter(one.error_plan, other.error_plan),
    )


def _stricter(one: ErrorPlan, other: ErrorPlan) -> ErrorPlan:
    most = one.most_confirm_seeds if one.most_confirm_seeds == other.most_confirm_seeds else None
    return ErrorPlan(counts_every_claim=one.counts_every_claim or other.counts_every_claim, most_confirm_seeds=most)


def _num_sweep_seeds(one: Study, other: Study) -> int | None:
    """Of the sweep of both.

    Raises:
        LedgerError: They have sweeps of two designs.
    """
    sweeping = [study.num_sweep_seeds for study in (one, other) if study.has_sweep]
    numbers = [number for number in sweeping if number is not None]
    if 0 < len(numbers) < len(sweeping):
        raise LedgerError(
            "ledgers make one report if their sweeps are of one kind: one sweeps every hyperparameter and the other "
            "one nine learning rates; leave one ledger out, or put them side by side with --compare."
        )
    return max(numbers, default=None)


def _join_optimizers(mine: Mapping[str, Optimizer], theirs: Mapping[str, Optimizer]) -> dict[str, Optimizer]:
    """Those of both; a ledger of an old release does not know what its optimizers reduce to."""
    shared = {
        name: replace(optimizer, reduces_to={**theirs[name].reduces_to, **optimizer.reduces_to})
        for name, optimizer in mine.items()
        if name in theirs
    }
    return {**mine, **theirs, **shared}


def _refuse_contradiction(table: str, mine: pl.DataFrame, theirs: pl.DataFrame) -> None:
    """Refuse keys that stand in two ledgers with different rows: one of them would have to be dropped."""
    key = KEYS[table]
    columns = [name for name in mine.columns if name in theirs.columns]
    one, other = (rows.select(columns).sort(key) for rows in (mine, theirs))
    if one.equals(other):
        return
    pairs = zip(one.iter_rows(named=True), other.iter_rows(named=True), strict=False)
    first = next(((ours, their) for ours, their in pairs if ours != their), None)
    if first is None:
        raise LedgerError(
            f"{table}: a replicate that stands in two ledgers must have the same rows in both, one of them has "
            f"{one.height} and the other {other.height} of those they share; leave one ledger out."
        )
    values = ", ".join(f"{name}={first[0][name]!r}" for name in key)
    unequal = ", ".join(name for name in columns if first[0][name] != first[1][name])
    raise LedgerError(
        f"{table}: a key that stands in two ledgers must have equal rows, {values} differs in {unequal}; "
        "leave one ledger out."
    )
