"""What the first screen says of the verdicts: how many of each, the matrix of questions and pairs, what the words mean."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from analysis import verdict_prose
from analysis.judgement import Judgement
from analysis.load import Ledger
from analysis.sensitivity import Missing, probability_best
from analysis.verdict_prose import SYMBOLS, is_held
from analysis.verdicts import Verdict, Word
from analysis.wording import NONE, count, listing

MEANINGS: dict[Word, str] = {
    "SUPPORTED": "better by more than the least that would matter",
    "EQUIVALENT": "any difference is too small to matter",
    "DIRECTION ONLY": "better, but perhaps by too little to matter",
    "REFUTED": "worse",
    "INCONCLUSIVE": "too few seeds to tell",
    "NOT TESTABLE": "the rows cannot answer",
}
"""Each verdict in a few words, in the order in which they are counted."""


def overview(judgement: Judgement, ledger: Ledger) -> dict[str, Any]:
    """What the templates show of the verdicts.

    Args:
        judgement: The verdicts.
        ledger: The rows, for the luck of the tuning.
    """
    pairs = verdict_prose.pairs(judgement.verdicts)
    return {
        "claims_notes": judgement.notes,
        "verdicts": verdict_prose.rows(judgement.verdicts),
        "verdict_pairs": pairs,
        "verdict_sides": [(a, len(list(group))) for a, group in groupby(pairs, key=lambda pair: pair[0])],
        "verdict_count": tally(judgement.verdicts),
        "verdict_words": [
            {"word": word, "symbol": SYMBOLS[word], "style": verdict_prose.style(word), "meaning": meaning}
            for word, meaning in MEANINGS.items()
            if any(verdict.word == word for verdict in judgement.verdicts)
        ],
        "not_tested": verdict_prose.not_tested(judgement.verdicts),
        "luck": luck(ledger, pairs),
    }


def tally(verdicts: Sequence[Verdict]) -> str:
    """How many claims got which verdict, in one sentence; empty if the study holds none."""
    held = [verdict.word for verdict in verdicts if is_held(verdict)]
    if not held:
        return ""
    parts = [f"{held.count(word)} {word.lower()}" for word in MEANINGS if word in held]
    return f"Of {count(len(held), 'claim')}: {listing(parts)}."


def luck(ledger: Ledger, pairs: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Probability that the tuned best of a beats that of b if both were tuned again, for each pair.

    Returns:
        For each pair `text` and `reason`, why there is none.
    """
    cells = []
    for a, b in pairs:
        found = probability_best(ledger, [a, b])
        if isinstance(found, Missing):
            cells.append({"text": NONE, "reason": found.reason})
        else:
            cells.append({"text": f"{100 * found[a]:.0f}%", "reason": ""})
    return cells
