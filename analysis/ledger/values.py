"""What the values of a ledger may be: rows that no training could have made are refused by name.

A number that is too large or of the wrong sign would not stop the report. It would be averaged.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from analysis.ledger.schema import KEY, TUNING_PHASES
from analysis.ledger.study import LARGEST_NUMBER, LONGEST_WORD, LedgerError, Study

MOST_COUNTED = 10**12
"""Steps, images and seconds of a row: sums over a million rows are then exact in a column of 64 bits."""

MOST_AT_ONCE = 10**6
"""Replicates of a group, images of a step and blocks of a timing."""

SEARCHED = [phase for phase in TUNING_PHASES if phase != "published"]
"""Phases whose settings a search has chosen; authors may have published one beyond the space."""

ERRORS = ("train_error", "validation_error", "best_validation_error", "test_error")
LOSSES = ("train_loss", "validation_loss", "best_validation_loss", "test_loss")
NORMS = ("gradient_norm", "update_norm", "weight_norm")
WORDS = ("sampler", "device", "node")


@dataclass(frozen=True)
class _Range:
    """What the numbers of a column may be."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"from {self.low:g} to {self.high:g}"


RANGES: Mapping[str, _Range] = {
    **dict.fromkeys(ERRORS, _Range(0, 1)),
    **dict.fromkeys(LOSSES, _Range(-LARGEST_NUMBER, LARGEST_NUMBER)),
    **dict.fromkeys(NORMS, _Range(0, LARGEST_NUMBER)),
    **dict.fromkeys(("steps", "images", "seconds"), _Range(0, MOST_COUNTED)),
    **dict.fromkeys(("number", "replicate", "attempt", "run"), _Range(0, 2**31 - 1)),
    **dict.fromkeys(("group_size", "replicates", "batch_size"), _Range(1, MOST_AT_ONCE)),
    "block": _Range(0, MOST_AT_ONCE),
    "seed": _Range(0, 2**63 - 1),
    "diverged_step": _Range(1, MOST_COUNTED),
}
"""By column. Infinite values and NaN lie in none."""


def check_values(table: str, rows: pl.DataFrame, key: Sequence[str], study: Study) -> None:
    """Refuse rows that no training could have made.

    Args:
        table: Name of the table.
        rows: All its rows, whose optimizers are those of the study.
        key: What names a row.
        study: What they belong to.

    Raises:
        LedgerError: The first such row, its column and value, and what is allowed there.
    """
    for column, allowed, is_wrong in _rules(rows, study):
        wrong = rows.filter(is_wrong)
        if not wrong.is_empty():
            first = wrong.row(0, named=True)
            place = ", ".join(f"{name}={first[name]!r}" for name in key)
            raise LedgerError(
                f"{table}: {column} must be {allowed}, it is {_shown(first[column])} in the row of {place}"
                f"{_others(wrong.height)}; mend what wrote it, or leave these rows out."
            )


def _rules(rows: pl.DataFrame, study: Study) -> Iterator[tuple[str, str, pl.Expr]]:
    """Columns, what is allowed in each, and where it is not."""
    # A hyperparameter may have the name of a column of another table.
    for name, range_ in RANGES.items():
        if name in rows.columns and not ("sampler" in rows.columns and name in study.hyperparameters):
            # A NaN is in no range, and larger than all numbers where columns are compared.
            yield name, str(range_), pl.col(name).is_between(range_.low, range_.high).not_()
    if "epoch" in rows.columns:
        allowed = f"from 1 to {study.num_epochs}, the num_epochs of study.json"
        yield "epoch", allowed, pl.col("epoch").is_between(1, study.num_epochs).not_()
    for name in [name for name in WORDS if name in rows.columns]:
        is_word = pl.col(name).str.contains(rf"^[^\p{{C}}]{{0,{LONGEST_WORD}}}$")
        yield name, f"at most {LONGEST_WORD} printable characters", is_word.not_()
    if "sampler" in rows.columns:
        for name in study.hyperparameters:
            limit = f"within {LARGEST_NUMBER:g}"
            yield name, limit, pl.col(name).is_between(-LARGEST_NUMBER, LARGEST_NUMBER).not_()
        yield from _settings(study)
    if "step_losses" in rows.columns:
        is_finite = pl.col("step_losses").list.eval(pl.element().is_finite()).list.all()
        yield (
            "step_losses",
            "finite but in the last epoch of a run that diverged",
            (pl.col("validation_loss").is_not_null() & is_finite.not_()),
        )


def _settings(study: Study) -> Iterator[tuple[str, str, pl.Expr]]:
    """Settings that a search has chosen lie where their scale is defined, or are neutral values."""
    for optimizer in study.optimizers.values():
        is_own = (pl.col("optimizer") == optimizer.name) & pl.col("phase").is_in(SEARCHED)
        for name, axis in optimizer.space.items():
            neutral = [at[name] for at in optimizer.reduces_to.values() if name in at]
            is_searched = is_own & pl.col(name).is_in(neutral).not_()
            if axis.scale == "log":
                yield name, "above 0 on a logarithmic scale", is_searched & (pl.col(name) <= 0)
            elif axis.scale == "log_complement":
                yield name, "below 1 on the scale log_complement", is_searched & (pl.col(name) >= 1)


def check_lengths(trials: pl.DataFrame, epochs: pl.DataFrame, study: Study) -> None:
    """Refuse complete runs whose curve ends early: their last epoch would pass for their end.

    Runs of other programs may have no curve at all.

    Raises:
        LedgerError: There is one.
    """
    complete = trials.filter(status="complete").select(KEY)
    short = (
        epochs.join(complete, on=KEY, how="semi")
        .group_by(KEY, maintain_order=True)
        .agg(last=pl.col("epoch").max())
        .filter(pl.col("last") < study.num_epochs)
    )
    if not short.is_empty():
        first = short.row(0, named=True)
        place = ", ".join(f"{name}={first[name]!r}" for name in KEY)
        raise LedgerError(
            f"epochs: a complete replicate must have all {study.num_epochs} epochs of study.json, the last of {place} "
            f"is {first['last']}{_others(short.height)}; restore the missing files."
        )


def _others(number: int) -> str:
    return f" and of {number - 1} more" if number > 1 else ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_WORD else f"{text[: LONGEST_WORD - 3]}..."
