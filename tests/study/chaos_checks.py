"""What must hold of a study that was killed again and again, read from its files alone."""

import json
import pathlib
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl
import pyarrow as pa

KEY = ("optimizer", "phase", "number", "replicate")
TRIAL = KEY[:3]
MEASURED = ("seconds", "attempt", "node", "run")
"""All that may differ between two runs of one study."""

RETRIES = 20

SETTLE_SECONDS = 0.1

Key = tuple[object, ...]
Victim = Literal["driver", "worker"]


@dataclass(frozen=True, kw_only=True)
class Kill:
    """What the study's directory held right after a kill.

    Args:
        victim: Who was killed.
        trials: The stored rows of `trials` by key.
        epochs: The stored rows of `epochs` by key, of trials that are stored.
        in_training: Key and attempt of every network whose training had ended an epoch but was not stored.
    """

    victim: Victim
    trials: Mapping[Key, str]
    epochs: Mapping[Key, str]
    in_training: frozenset[Key]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the summary.

    Args:
        holds: Whether it is as it must be.
        text: What was counted.
        examples: What is wrong, by key.
    """

    holds: bool
    text: str
    examples: Sequence[Key] = ()

    def __str__(self) -> str:
        shown = "; ".join(" ".join(map(str, key)) for key in self.examples[:5])
        return f"{'ok' if self.holds else 'FAILED':<8}{self.text}{f' -- such as {shown}' if shown else ''}"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Whether a killed study ended as an undisturbed one."""

    overview: Sequence[Finding]

    @property
    def holds(self) -> bool:
        """Whether every line holds."""
        return all(finding.holds for finding in self.overview)

    def __str__(self) -> str:
        return "\n".join(map(str, self.overview))


def summarize(undisturbed: pathlib.Path, killed: pathlib.Path, kills: Sequence[Kill], num_wanted: int) -> Summary:
    """Compare the directory of a killed study that has ended with that of an undisturbed one."""
    trials, epochs = ((read(undisturbed / name), read(killed / name)) for name in ("trials", "epochs"))
    return Summary(
        overview=[
            _kills(kills, num_wanted),
            _lost(trials, epochs),
            _retrained(trials[1], read(killed / "attempts"), kills),
            _changed(trials[1], epochs[1], kills),
            _duplicated(trials[1], epochs[1]),
            _equal_points(undisturbed, *trials),
            _equal("results", *(by_key(frame, KEY, without=MEASURED) for frame in trials)),
            _equal("curves", *map(_curves, epochs)),
        ]
    )


def observe(directory: pathlib.Path, victim: Victim) -> Kill:
    """What a study's directory holds now; the study may be at work."""
    in_training = _logged(directory)
    trials, epochs = read(directory / "trials"), read(directory / "epochs")
    stored = by_key(trials, KEY)
    # A worker's last result may have been on its way to the driver when it was killed: look again.
    time.sleep(SETTLE_SECONDS)
    in_training |= _logged(directory) | {key for key in _attempts(epochs) if key[:-1] not in stored}
    of_stored = {key: row for key, row in by_key(epochs, (*KEY, "epoch")).items() if key[:-1] in stored}
    return Kill(victim=victim, trials=stored, epochs=of_stored, in_training=frozenset(in_training))


def read(folder: pathlib.Path) -> pl.DataFrame:
    """The rows of all Parquet files anywhere below a folder.

    A study at work may merge files between the look into the folder and the reading.
    """
    for _ in range(RETRIES):
        try:
            frames = [pl.read_parquet(path) for path in sorted(folder.rglob("*.parquet")) if path.name[0] != "."]
            return pl.concat(frames, how="diagonal") if frames else pl.DataFrame()
        except FileNotFoundError:
            continue
    raise FileNotFoundError(f"The files of {folder} change all the time.")


def by_key(frame: pl.DataFrame, key: Sequence[str], *, without: Collection[str] = ()) -> dict[Key, str]:
    """Each row as text that is equal for equal bits, whatever the order of rows and columns."""
    if frame.is_empty():
        return {}
    columns = sorted(name for name in frame.columns if name not in {*key, *without})
    contents = zip(frame.select(key).iter_rows(), frame.select(columns).iter_rows(), strict=True)
    return {name: repr(row) for name, row in contents}  # the shortest text that reads back as the same double


def _curves(epochs: pl.DataFrame) -> dict[Key, str]:
    """All epochs of each network as text."""
    rows = by_key(epochs, (*KEY, "epoch"), without=MEASURED)
    curves: dict[Key, list[str]] = {}
    for key in sorted(rows, key=repr):
        curves.setdefault(key[:-1], []).append(f"{key[-1]}: {rows[key]}")
    return {key: repr(curve) for key, curve in curves.items()}


def _logged(directory: pathlib.Path) -> set[Key]:
    """Key and attempt of what the write-ahead logs, Arrow streams of epochs, hold."""
    found: set[Key] = set()
    for path in directory.glob("*/*.arrows"):
        try:
            for batch in pa.ipc.open_stream(path.read_bytes()):
                found |= {tuple(row.values()) for row in batch.select([*KEY, "attempt"]).to_pylist()}
        except (OSError, pa.ArrowException):  # a log that has gone, or its first or last batch is half written
            continue
    return found


def _attempts(rows: pl.DataFrame) -> set[Key]:
    return set() if rows.is_empty() else set(rows.select(*KEY, "attempt").iter_rows())


def _kills(kills: Sequence[Kill], num_wanted: int) -> Finding:
    num_drivers = sum(kill.victim == "driver" for kill in kills)
    text = f"kills: {len(kills)} of {num_wanted} ({num_drivers} driver, {len(kills) - num_drivers} worker)"
    return Finding(holds=len(kills) == num_wanted, text=text)


def _lost(trials: tuple[pl.DataFrame, pl.DataFrame], epochs: tuple[pl.DataFrame, pl.DataFrame]) -> Finding:
    expected, found = (set(by_key(frame, KEY)) for frame in trials)
    wanted, reached = map(_epochs, epochs)
    incomplete = {key for key in expected if reached.get(key, []) != list(range(1, len(wanted.get(key, [])) + 1))}
    stray = (found | set(reached)) - expected
    wrong = (expected - found) | incomplete
    text = (
        f"trials lost: {len(_trials(wrong))} of {len(_trials(expected))} "
        f"({len(expected)} networks, {len(incomplete)} without all epochs, {len(stray)} not expected)"
    )
    return Finding(holds=not wrong and not stray, text=text, examples=_sorted(wrong | stray))


def _epochs(frame: pl.DataFrame) -> dict[Key, list[int]]:
    grouped = frame.group_by(KEY).agg(pl.col("epoch").sort())
    return {row[:-1]: row[-1] for row in grouped.iter_rows()}


def _retrained(trials: pl.DataFrame, superseded: pl.DataFrame, kills: Sequence[Kill]) -> Finding:
    """Every attempt that was cut off must have been in flight when a kill struck.

    One that had ended an epoch was seen then, in its log. One that was cut off earlier leaves nothing but a gap in the
    attempts' numbers: its trial must not have been stored at some kill, and there are no more of them than kills.
    """
    with_epochs = _attempts(superseded)
    numbers = {key[:-1]: key[-1] for key in trials.select(*KEY, "attempt").iter_rows()}
    cut_off = with_epochs | {(*key, earlier) for key, number in numbers.items() for earlier in range(number)}
    seen = frozenset[Key]().union(*(kill.in_training for kill in kills))
    silent = {key for key in cut_off - seen - with_epochs if any(key[:-1] not in kill.trials for kill in kills)}
    stray = cut_off - seen - silent
    retrained, num_silent = _trials(cut_off), _num_attempts(silent)
    text = (
        f"trials trained more than once: {len(retrained)}, of which in flight when a kill struck: "
        f"{len(retrained - _trials(stray))} ({_num_attempts(cut_off)} attempts cut off, {num_silent} of them before "
        "the end of an epoch)"
    )
    return Finding(holds=not stray and num_silent <= len(kills), text=text, examples=_sorted(stray))


def _num_attempts(keys: Iterable[Key]) -> int:
    return len({(*key[:3], key[-1]) for key in keys})


def _changed(trials: pl.DataFrame, epochs: pl.DataFrame, kills: Iterable[Kill]) -> Finding:
    now = by_key(trials, KEY), by_key(epochs, (*KEY, "epoch"))
    then = [
        (table, key, row)
        for kill in kills
        for table, rows in enumerate((kill.trials, kill.epochs))
        for key, row in rows.items()
    ]
    stored = {(table, *key) for table, key, _ in then}
    changed = {key for table, key, row in then if now[table].get(key) != row}
    text = f"rows changed after they were stored: {len(changed)} of {len(stored)} that were there when a kill struck"
    return Finding(holds=not changed, text=text, examples=_sorted(changed))


def _duplicated(trials: pl.DataFrame, epochs: pl.DataFrame) -> Finding:
    keys = [(trials, KEY), (epochs, (*KEY, "epoch"))]
    twice = [
        row for frame, key in keys for row in frame.filter(frame.select(key).is_duplicated()).select(key).iter_rows()
    ]
    return Finding(
        holds=not twice, text=f"rows duplicated: {len(twice) - len(set(twice))}", examples=_sorted(set(twice))
    )


def _equal_points(directory: pathlib.Path, undisturbed: pl.DataFrame, killed: pl.DataFrame) -> Finding:
    study = json.loads((directory / "study.json").read_text(encoding="utf-8"))
    names = {name for optimizer in study["optimizers"].values() for name in optimizer["space"]}
    others = set(undisturbed.columns) - names
    return _equal("points", *(by_key(frame, TRIAL, without=others) for frame in (undisturbed, killed)))


def _equal(what: str, undisturbed: Mapping[Key, str], killed: Mapping[Key, str]) -> Finding:
    different = {key for key, row in undisturbed.items() if killed.get(key) != row}
    text = f"{what} equal to those of the undisturbed run: {len(undisturbed) - len(different)} of {len(undisturbed)}"
    return Finding(holds=not different and len(killed) == len(undisturbed), text=text, examples=_sorted(different))


def _trials(keys: Iterable[Key]) -> set[Key]:
    return {key[:3] for key in keys}


def _sorted(keys: Iterable[Key]) -> list[Key]:
    return sorted(keys, key=_natural)


def _natural(key: Key) -> tuple[str, ...]:
    return tuple(f"{part:09d}" if isinstance(part, int) else str(part) for part in key)
