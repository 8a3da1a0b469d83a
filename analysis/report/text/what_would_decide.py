"""What would decide the claims that are open: so many seeds or tunings, what they cost here, and the command for it."""

import shlex
from collections.abc import Iterable, Sequence

import polars as pl

from analysis.ledger.load import Ledger
from analysis.ledger.plan import MOST_REPEATS
from analysis.ledger.study import Study
from analysis.tables.overview import Overview
from analysis.verdicts.verdict import Verdict
from analysis.wording import count, listing

MOST_LINES = 3
"""The cheapest ways are shown; what costs more is in the sentence of each claim."""


def what_would_decide(tunings: Sequence[Overview], verdicts: Sequence[Verdict]) -> list[dict[str, str]]:
    """One entry for each number of seeds or tunings that would decide some claims, the smallest first.

    Returns:
        `text`, and `command`, which is empty where the study does not say how it was made.
    """
    ledgers = [overview.ledger for overview in tunings]
    study, entries = ledgers[0].study, []
    for number, claims in _by_number((verdict.tunings_needed, verdict) for verdict in verdicts):
        command = _command(study, "--repeats", number) if number <= MOST_REPEATS else ""
        entries.append(_entry(_more_tunings(ledgers, number), claims, command))
    for number, claims in _by_number((verdict.seeds_needed, verdict) for verdict in verdicts):
        entries.append(_entry(_more_seeds(ledgers[0], number, claims), claims, _seeds_command(study, number)))
    return entries[:MOST_LINES]


def _by_number(needed: Iterable[tuple[int | None, Verdict]]) -> list[tuple[int, list[Verdict]]]:
    found: dict[int, list[Verdict]] = {}
    for number, verdict in needed:
        if number is not None:
            found.setdefault(number, []).append(verdict)
    return sorted(found.items(), key=lambda item: item[0])


def _entry(more: str, claims: Sequence[Verdict], command: str) -> dict[str, str]:
    return {"text": f"{more} may decide {_named(claims)}{':' if command else '.'}", "command": command}


def _more_tunings(ledgers: Sequence[Ledger], number: int) -> str:
    more = number - len(ledgers)
    # The first tuning also holds the published settings on fresh seeds and the sweep.
    seconds = _worker_seconds(ledgers[-1].trials.filter(pl.col("phase") != "sweep"))
    return f"{count(more, 'more tuning')}{_time(ledgers[0].study, more * seconds)}"


def _more_seeds(ledger: Ledger, number: int, claims: Sequence[Verdict]) -> str:
    sides = {name for verdict in claims for name in (verdict.a, verdict.b)}
    fresh = ledger.trials.filter(pl.col("phase") == "confirm", pl.col("optimizer").is_in(sides))
    have = min(verdict.evidence.num_values if verdict.evidence else 0 for verdict in claims)
    of_each = fresh.group_by("optimizer").agg((pl.col("seconds") / pl.col("group_size")).mean())
    seconds = float(of_each["seconds"].sum() or 0.0) * (number - have)
    more = count(number - have, "more seed") if have else count(number, "seed")
    return f"{more}{_time(ledger.study, seconds)}"


def _worker_seconds(trials: pl.DataFrame) -> float:
    """Time of all replicates, one group after the other."""
    return float((trials["seconds"] / trials["group_size"]).sum() or 0.0)


def _time(study: Study, worker_seconds: float) -> str:
    """How long that takes with a worker on each core, or on each GPU, of the machine of the last run."""
    hardware = study.runs[-1].get("hardware") if study.runs else None
    if not hardware or worker_seconds <= 0:
        return ""
    workers = len(hardware.get("gpus") or []) or int(hardware.get("cores") or 1)
    minutes = worker_seconds / workers / 60
    took = f"{count(round(minutes), 'minute')}" if minutes >= 1.5 else f"{count(round(60 * minutes) or 1, 'second')}"
    return f" (about {took} of training here)"


def _named(claims: Sequence[Verdict]) -> str:
    names = [verdict.claim for verdict in claims]
    return listing(names) if len(names) <= MOST_LINES else count(len(names), "claim")


def _seeds_command(study: Study, number: int) -> str:
    words = _last_words(study)
    if words and study.error_plan.most_confirm_seeds:
        return shlex.join(words if "--until-decided" in words else [*words, "--until-decided"])
    # Seeds are what the claims of a single tuning want: by default the command would tune more often.
    words = shlex.split(_command(study, "--confirm-seeds", number))
    has_repeats = any(word.split("=")[0] == "--repeats" for word in words)
    return shlex.join(words if has_repeats or not words else [*words, "--repeats", "1"])


def _command(study: Study, option: str, number: int) -> str:
    """The last command with the option changed."""
    words = _last_words(study)
    kept = [word for before, word in zip(["", *words], words, strict=False) if option not in (before, word)]
    kept = [word for word in kept if not word.startswith(f"{option}=")]
    return shlex.join([*kept, option, str(number)]) if words else ""


def _last_words(study: Study) -> list[str]:
    """None where they are not stored, or would start another study."""
    words = shlex.split(str(study.runs[-1].get("command") or "")) if study.runs else []
    return [] if "--fresh" in words else words
