"""The first screen: how many verdicts of each kind, the matrix of questions and pairs, what the words mean."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from analysis.report.text import badges, nested_sentences
from analysis.report.text import verdict_sentences as verdict_text
from analysis.verdicts.claims_of_study import Judgement
from analysis.verdicts.rules import Word
from analysis.verdicts.verdict import Verdict
from analysis.wording import count, listing

MEANINGS: dict[Word, str] = {
    "SUPPORTED": "better by what matters",
    "EQUIVALENT": "any difference is too small to matter",
    "DIRECTION ONLY": "better, but perhaps by too little to matter",
    "REFUTED": "worse by what matters",
    "WORSE": "worse, but perhaps by too little to matter",
    "NOT BETTER BY WHAT MATTERS": "if better at all, then by too little to matter; perhaps worse",
    "INCONCLUSIVE": "the data cannot tell",
    "NOT TESTABLE": "the rows cannot answer",
}
"""Each verdict in a few words, in the order in which they are counted."""


def context(judgement: Judgement) -> dict[str, Any]:
    """What the templates show of the verdicts."""
    # The columns of the matrix: the sides of all verdicts.
    pairs = list(dict.fromkeys((verdict.a, verdict.b) for verdict in judgement.verdicts))
    return {
        "claims_notes": judgement.notes,
        "verdicts": verdict_text.rows(judgement.claims.questions, judgement.verdicts),
        "verdict_pairs": pairs,
        "verdict_sides": [(a, len(list(group))) for a, group in groupby(pairs, key=lambda pair: pair[0])],
        "verdict_count": tally(judgement.verdicts),
        "verdict_words": [
            {"word": word, "symbol": badges.SYMBOLS[word], "style": badges.style(word), "meaning": meaning}
            for word, meaning in MEANINGS.items()
            if any(verdict.word == word for verdict in judgement.verdicts)
        ],
        "verdict_about": verdict_text.about(judgement.verdicts),
        "not_tested": verdict_text.not_tested(judgement.untested),
        **nested_sentences.context(judgement),
    }


def tally(verdicts: Sequence[Verdict]) -> str:
    """How many claims got which verdict, in one sentence; empty if the study holds none."""
    held = [verdict.word for verdict in verdicts]
    if not held:
        return ""
    parts = [f"{held.count(word)} {word.lower()}" for word in MEANINGS if word in held]
    return f"Of {count(len(held), 'claim')}: {listing(parts)}."
