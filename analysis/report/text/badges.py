"""The badge of a verdict: a symbol for its word, and the class that `report.css` paints."""

from analysis.verdicts.rules import Word

SYMBOLS: dict[Word, str] = {
    "SUPPORTED": "✔",
    "EQUIVALENT": "=",
    "DIRECTION ONLY": "↗",
    "REFUTED": "✘",
    "WORSE": "↘",
    "NOT BETTER BY WHAT MATTERS": "≤",
    "INCONCLUSIVE": "?",
    "NOT TESTABLE": "∅",
}
"""A symbol beside each word, so that no verdict is told by its colour alone."""


def style(word: Word) -> str:
    """Class of the badge of a verdict."""
    return word.lower().replace(" ", "-")
