"""Claims of a study whose user writes none: the article's, or its questions about optimizers of the user's own."""

import json
import re
from collections.abc import Sequence

from analysis.claims.file import packaged_text

HEAD = """\
# Default claims on {own}, by the article's questions, against {rivals}.
# A study that has no other claims stores them with its first run, before anything is trained. To claim something else,
# edit this file before that run and give it with --claims FILE.toml; docs/claims.md says what each line means.
#
"""

SIDE = re.compile(r"^([ab]) = \[.*\]$", re.MULTILINE)
"""Who is on a side of a question in the article's file."""


def default_claims(own: Sequence[str], others: Sequence[str]) -> str:
    """Text of the claims file of a study.

    Args:
        own: Optimizers of the user's own: each is claimed to be better than every other one of the study.
        others: All other optimizers of the study.

    Returns:
        The article's claims if there is nobody of the user's own, or nobody to compare with.
    """
    if not own or len(own) + len(others) < 2:
        return packaged_text()
    sides = {"a": list(own), "b": list(others) if len(own) == 1 else [*others, *own]}
    head = HEAD.format(own=", ".join(own), rivals="each other" if not others else f"{', '.join(others)}{_too(own)}")
    return head + SIDE.sub(lambda side: f"{side[1]} = {json.dumps(sides[side[1]])}", packaged_text())


def is_default(text: str, own: Sequence[str], rivals: Sequence[str]) -> bool:
    """Whether a claims file is that of a study whose user wrote none.

    Args:
        text: The file.
        own: Side a of its questions.
        rivals: Their side b.
    """
    return text == default_claims(own, [name for name in rivals if name not in own])


def _too(own: Sequence[str]) -> str:
    return " and each other" if len(own) > 1 else ""
