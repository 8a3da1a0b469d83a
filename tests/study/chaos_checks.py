"""What must hold of a study that met fault after fault, read from its files alone."""

import json
import pathlib
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

KEY = ("optimizer", "phase", "number", "replicate")
TRIAL = KEY[:3]
MEASURED = ("seconds", "attempt", "node", "run")
"""All that may differ between two runs of one study."""

RETRIES = 20

SETTLE_SECONDS = 0.1

NUM_AT_ONCE = 2
"""Trials that train at once, each of which a fault may cut off."""

Key = tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class Hit:
    """What the study's directory held right after a fault.

    Args:
        kind: The kind of the fault.
        trials: The stored rows of `trials` by key.
        epochs: The stored rows of `epochs` by key, of trials that are stored.
        in_training: Key and attempt of every network whose training had ended an epoch but was not stored.
    """

    kind: str
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
    """Whether a disturbed study ended as an undisturbed one."""

    overview: Sequence[Finding]

    @property
    def holds(self) -> bool:
        """Whether every line holds."""
        return all(finding.holds for finding in self.overview)

    def __str__(self) -> str:
        return "\n".join(map(str, self.overview))


def summarize(undisturbed: pathlib.Path, disturbed: pathlib.Path, hits: Sequence[Hit], num_wanted: int) -> Summary:
    """Compare the directory of a disturbed study that has ended with that of an undisturbed one."""
    trials, epochs = ((read(undisturbed / name), read(disturbed / name)) for name in ("trials", "epochs"))
    return Summary(
        overview=[
            _hits(hits, num_wanted),
            _lost(trials, epochs),
            _retrained(trials[1], read(disturbed / "attempts"), hits),
            _changed(trials[1], epochs[1], hits),
            _duplicated(trials[1], epochs[1]),
            _equal_points(undisturbed, *trials),
            _equal("results", *(by_key(frame, KEY, without=MEASURED) for frame in trials)),
            _equal("curves", *map(_curves, epochs)),
        ]
    )


def observe(directory: pathlib.Path, kind: str) -> Hit:
    """What a study's directory holds now; the study may be at work."""
    in_training = logged(directory)
    trials, epochs = read(directory / "trials"), read(directory / "epochs")
    stored = by_key(trials, KEY)
    # A worker's last result may have been on its way to the driver when it was killed: look again.
    time.sleep(SETTLE_SECONDS)
    in_training |= logged(directory) | {key for key in _attempts(epochs) if key[:-1] not in stored}
    of_stored = {key: row for key, row in by_key(epochs, (*KEY, "epoch")).items() if key[:-1] in stored}
    return Hit(kind=kind, trials=stored, epochs=of_stored, in_training=frozenset(in_training))


def tally(disturbed: pathlib.Path, hits: Sequence[Hit]) -> dict[str, tuple[int, int, int, int, int]]:
    """By kind of fault: how many, rows stored when they struck, and how many of these are lost, doubled and changed."""
    trials, epochs = read(disturbed / "trials"), read(disturbed / "epochs")
    now = by_key(trials, KEY), by_key(epochs, (*KEY, "epoch"))
    twice = _twice(trials, KEY), _twice(epochs, (*KEY, "epoch"))
    found = {}
    for kind in sorted({hit.kind for hit in hits}):
        own = [hit for hit in hits if hit.kind == kind]
        then = [
            {key: row for hit in own for key, row in rows(hit).items()}
            for rows in (lambda hit: hit.trials, lambda hit: hit.epochs)
        ]
        num_rows = sum(map(len, then))
        lost = sum(key not in now[table] for table in (0, 1) for key in then[table])
        doubled = sum(key in twice[table] for table in (0, 1) for key in then[table])
        changed = sum(now[table].get(key, row) != row for table in (0, 1) for key, row in then[table].items())
        found[kind] = len(own), num_rows, lost, doubled, changed
    return found


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


def logged(directory: pathlib.Path) -> set[Key]:
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


def _hits(hits: Sequence[Hit], num_wanted: int) -> Finding:
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(Counter(hit.kind for hit in hits).items()))
    return Finding(holds=len(hits) == num_wanted, text=f"faults: {len(hits)} of {num_wanted} ({kinds})")


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


def _retrained(trials: pl.DataFrame, superseded: pl.DataFrame, hits: Sequence[Hit]) -> Finding:
    """Every attempt that was cut off must have been in flight when a fault struck.

    One that had ended an epoch was seen then, in its log. One that was cut off earlier leaves nothing but a gap in the
    attempts' numbers: its trial must not have been stored at some fault, and there are no more of them than
    trained at once at all of them.
    """
    with_epochs = _attempts(superseded)
    numbers = {key[:-1]: key[-1] for key in trials.select(*KEY, "attempt").iter_rows()}
    cut_off = with_epochs | {(*key, earlier) for key, number in numbers.items() for earlier in range(number)}
    seen = frozenset[Key]().union(*(hit.in_training for hit in hits))
    silent = {key for key in cut_off - seen - with_epochs if any(key[:-1] not in hit.trials for hit in hits)}
    stray = cut_off - seen - silent
    retrained, num_silent = _trials(cut_off), _num_attempts(silent)
    text = (
        f"trials trained more than once: {len(retrained)}, of which in flight when a fault struck: "
        f"{len(retrained - _trials(stray))} ({_num_attempts(cut_off)} attempts cut off, {num_silent} of them before "
        "the end of an epoch)"
    )
    return Finding(holds=not stray and num_silent <= NUM_AT_ONCE * len(hits), text=text, examples=_sorted(stray))


def _num_attempts(keys: Iterable[Key]) -> int:
    return len({(*key[:3], key[-1]) for key in keys})


def _changed(trials: pl.DataFrame, epochs: pl.DataFrame, hits: Iterable[Hit]) -> Finding:
    now = by_key(trials, KEY), by_key(epochs, (*KEY, "epoch"))
    then = [
        (table, key, row)
        for hit in hits
        for table, rows in enumerate((hit.trials, hit.epochs))
        for key, row in rows.items()
    ]
    stored = {(table, *key) for table, key, _ in then}
    changed = {key for table, key, row in then if now[table].get(key) != row}
    text = f"rows changed after they were stored: {len(changed)} of {len(stored)} that were there when a fault struck"
    return Finding(holds=not changed, text=text, examples=_sorted(changed))


def _duplicated(trials: pl.DataFrame, epochs: pl.DataFrame) -> Finding:
    twice = [*_twice(trials, KEY), *_twice(epochs, (*KEY, "epoch"))]
    return Finding(
        holds=not twice, text=f"rows duplicated: {len(twice) - len(set(twice))}", examples=_sorted(set(twice))
    )


def _twice(frame: pl.DataFrame, key: Sequence[str]) -> list[Key]:
    """Keys that stand more than once, as often as they stand."""
    return [*frame.filter(frame.select(key).is_duplicated()).select(key).iter_rows()]


def _equal_points(directory: pathlib.Path, undisturbed: pl.DataFrame, disturbed: pl.DataFrame) -> Finding:
    study = json.loads((directory / "study.json").read_text(encoding="utf-8"))
    names = {name for optimizer in study["optimizers"].values() for name in optimizer["space"]}
    others = set(undisturbed.columns) - names
    return _equal("points", *(by_key(frame, TRIAL, without=others) for frame in (undisturbed, disturbed)))


def _equal(what: str, undisturbed: Mapping[Key, str], disturbed: Mapping[Key, str]) -> Finding:
    different = {key for key, row in undisturbed.items() if disturbed.get(key) != row}
    text = f"{what} equal to those of the undisturbed run: {len(undisturbed) - len(different)} of {len(undisturbed)}"
    return Finding(holds=not different and len(disturbed) == len(undisturbed), text=text, examples=_sorted(different))


def _trials(keys: Iterable[Key]) -> set[Key]:
    return {key[:3] for key in keys}


def _sorted(keys: Iterable[Key]) -> list[Key]:
    return sorted(keys, key=_natural)


def _natural(key: Key) -> tuple[str, ...]:
    return tuple(f"{part:09d}" if isinstance(part, int) else str(part) for part in key)
