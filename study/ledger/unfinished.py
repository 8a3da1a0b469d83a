"""Logs of attempts that were cut off: their epochs are superseded, or wait for a checkpoint to go on from."""

import pathlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.ledger.durable import make_folder
from study.ledger.attempt import keep_superseded
from study.ledger.directory import free_name
from study.ledger.log import LOGS, StoredLog, rewrite_log
from study.ledger.recovery import DAMAGED, move_to_damaged
from study.ledger.rows import EpochRow


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """What became of the logs.

    Args:
        logs: Those of trials that can go on, at most one of each group of replicates.
        notes: One line about every damaged file.
    """

    logs: list[StoredLog]
    notes: list[str]


def retire_logs(directory: pathlib.Path, logs: Sequence[StoredLog], *, keep: bool) -> Unfinished:
    """Supersede what the logs hold, unless its trial can go on.

    Args:
        directory: The study's directory.
        logs: What its logs hold.
        keep: Whether trials go on from checkpoints.
    """
    kept: dict[tuple[object, ...], StoredLog] = {}
    notes: list[str] = []
    stored: set[tuple[object, ...]] = set()
    for log in sorted(logs, key=lambda log: log.attempt, reverse=True):
        if log.damage is not None:
            notes.append(_set_aside(directory, log))
        group = _group(log.rows)
        # An attempt that goes on has taken over rows of the one before, whose log may still be there.
        own = [row for row in log.rows if _identity(row) not in stored]
        stored.update(map(_identity, log.rows))
        if keep and log.checkpoint and log.rows and group not in kept:
            kept[group] = log
        else:
            keep_superseded(directory, log.path.stem, own)
            log.path.unlink(missing_ok=True)
    return Unfinished(logs=list(kept.values()), notes=notes)


def _set_aside(directory: pathlib.Path, log: StoredLog) -> str:
    """Keep a damaged log for inspection; one with its good rows takes its place."""
    if not log.rows:
        moved = move_to_damaged(directory, log.path)
    else:
        make_folder(directory / DAMAGED / LOGS)
        moved = free_name(directory / DAMAGED / LOGS / log.path.name)
        shutil.copyfile(log.path, moved)
        rewrite_log(log)
    return (
        f"{log.path} is damaged or was cut off while it was written ({log.damage}) and now {moved}; "
        f"its {len(log.rows)} rows before are kept."
    )


def _group(rows: Sequence[EpochRow]) -> tuple[object, ...]:
    if not rows:
        return ()
    first = rows[0]
    return first["optimizer"], first["phase"], first["number"], tuple(sorted({row["replicate"] for row in rows}))


def _identity(row: EpochRow) -> tuple[object, ...]:
    return row["optimizer"], row["phase"], row["number"], row["replicate"], row["epoch"], row["attempt"]
