"""The words of verdicts, and the rules by which intervals of the improvement get one.

The interval [l, u] has the level of the claim, error e, so that each of its ends is wrong with probability e / 2. The
narrower one [l', u'] has error 2 e: each of its ends is that of a one-sided test at e. With the smallest effect of
interest delta, the first rule that fits decides:

    SUPPORTED                   l > delta
    EQUIVALENT                  -delta < l' and u' < delta, two one-sided tests (Schuirmann, 1987)
    DIRECTION ONLY              l > 0
    REFUTED                     u < -delta
    WORSE                       u < 0
    NOT BETTER BY WHAT MATTERS  u' < delta, the upper one of the two one-sided tests, and delta > 0
    INCONCLUSIVE                otherwise

An improvement matters from delta on. Whatever the true one is, some word is false with probability e at most: from
delta on only words that need u' < delta are, up to -delta only words that need l' > -delta, and between them only words
that need an end of [l, u] beyond the truth.
"""

from typing import Literal

from analysis.statistics.intervals import Interval

Word = Literal[
    "NOT TESTABLE",
    "SUPPORTED",
    "EQUIVALENT",
    "DIRECTION ONLY",
    "REFUTED",
    "WORSE",
    "NOT BETTER BY WHAT MATTERS",
    "INCONCLUSIVE",
]


def decide(interval: Interval, narrower: Interval, smallest_effect: float) -> Word:
    """The verdict of an interval of the improvement.

    Args:
        interval: At the level of the claim.
        narrower: At twice the error, for the one-sided tests.
        smallest_effect: Smallest improvement of interest; 0 where any at all matters.
    """
    if interval.low > smallest_effect:
        return "SUPPORTED"
    if -smallest_effect < narrower.low and narrower.high < smallest_effect:
        return "EQUIVALENT"
    if interval.low > 0:
        return "DIRECTION ONLY"
    if interval.high < -smallest_effect:
        return "REFUTED"
    if interval.high < 0:
        return "WORSE"
    # With delta = 0 it would be a REFUTED at twice the error.
    if smallest_effect > 0 and narrower.high < smallest_effect:
        return "NOT BETTER BY WHAT MATTERS"
    return "INCONCLUSIVE"
