"""Words of intervals: every rule at its edge, and how often a word may be false."""

import itertools
import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from analysis.report.text.badges import SYMBOLS
from analysis.report.text.first_screen import MEANINGS
from analysis.statistics.intervals import Interval
from analysis.statistics.paired import sign_flip_interval
from analysis.verdicts.rules import Word, decide

MIRRORED = {
    "SUPPORTED": "REFUTED",
    "DIRECTION ONLY": "WORSE",
    "EQUIVALENT": "EQUIVALENT",
    "WORSE": "DIRECTION ONLY",
    "REFUTED": "SUPPORTED",
}


def is_false(word, truth, delta):
    """Whether a word is wrong about a true improvement; one of delta matters."""
    return {
        "SUPPORTED": truth < delta,
        "EQUIVALENT": abs(truth) >= delta,
        "DIRECTION ONLY": truth <= 0,
        "REFUTED": truth > -delta,
        "WORSE": truth >= 0,
        "NOT BETTER BY WHAT MATTERS": truth >= delta,
        "INCONCLUSIVE": False,
    }[word]


@pytest.mark.parametrize(
    ("ends", "word"),
    [
        ((0.03, 0.05), "SUPPORTED"),
        ((0.01, 0.05), "DIRECTION ONLY"),
        ((-0.05, -0.03), "REFUTED"),
        ((-0.01, 0.01), "EQUIVALENT"),
        ((0.001, 0.01), "EQUIVALENT"),
        ((-0.01, -0.001), "EQUIVALENT"),
        ((-0.03, -0.001), "WORSE"),
        ((-0.03, 0.01), "NOT BETTER BY WHAT MATTERS"),
        ((-0.03, 0.03), "INCONCLUSIVE"),
        # At an edge the weaker word.
        ((0.02, 0.05), "DIRECTION ONLY"),
        ((0.0, 0.05), "INCONCLUSIVE"),
        ((-0.05, -0.02), "WORSE"),
        ((-0.02, -0.001), "WORSE"),
        ((-0.05, 0.0), "NOT BETTER BY WHAT MATTERS"),
        ((-0.05, 0.02), "INCONCLUSIVE"),
        ((-0.01, 0.02), "INCONCLUSIVE"),
        ((-0.02, 0.01), "NOT BETTER BY WHAT MATTERS"),
        # Without ends.
        ((-math.inf, math.inf), "INCONCLUSIVE"),
        ((-math.inf, 0.01), "NOT BETTER BY WHAT MATTERS"),
        ((-math.inf, -0.01), "WORSE"),
        ((-math.inf, -0.03), "REFUTED"),
        ((0.03, math.inf), "SUPPORTED"),
        ((0.01, math.inf), "DIRECTION ONLY"),
        # Points.
        ((0.0, 0.0), "EQUIVALENT"),
        ((-0.02, -0.02), "WORSE"),
    ],
)
def test_rules_in_their_order(ends, word):
    assert decide(Interval(*ends), Interval(*ends), 0.02) == word


@pytest.mark.parametrize(
    ("narrower", "word"),
    [
        ((-0.01, 0.01), "EQUIVALENT"),
        ((-0.02, 0.01), "NOT BETTER BY WHAT MATTERS"),
        ((-0.01, 0.02), "INCONCLUSIVE"),
        ((0.01, 0.03), "INCONCLUSIVE"),
        ((-0.03, -0.01), "NOT BETTER BY WHAT MATTERS"),
    ],
)
def test_what_matters_is_excluded_by_one_sided_tests_and_a_direction_by_both_ends(narrower, word):
    assert decide(Interval(-0.03, 0.03), Interval(*narrower), 0.02) == word


@pytest.mark.parametrize(
    ("ends", "word"),
    [
        ((0.01, 0.02), "SUPPORTED"),
        ((-0.02, -0.01), "REFUTED"),
        ((-0.01, 0.01), "INCONCLUSIVE"),
        ((0.0, 0.01), "INCONCLUSIVE"),
        ((-0.01, 0.0), "INCONCLUSIVE"),
        ((0.0, 0.0), "INCONCLUSIVE"),
        ((-math.inf, math.inf), "INCONCLUSIVE"),
    ],
)
def test_where_any_improvement_matters_three_words_are_left(ends, word):
    """A bound that is not to be exceeded: nothing lies between better by what matters and better at all."""
    assert decide(Interval(*ends), Interval(*ends), 0.0) == word


def test_a_bound_is_exceeded_at_the_level_of_the_claim_and_not_at_twice_its_error():
    assert decide(Interval(-0.02, 0.001), Interval(-0.01, -0.001), 0.0) == "INCONCLUSIVE"


ENDS = st.lists(st.integers(-30, 30), min_size=4, max_size=4).map(sorted)


@given(ENDS, st.integers(0, 20))
def test_claims_that_are_turned_round_get_the_mirrored_word(ends, delta):
    low, narrow_low, narrow_high, high = ends
    word = decide(Interval(low, high), Interval(narrow_low, narrow_high), delta)
    mirrored = decide(Interval(-high, -low), Interval(-narrow_high, -narrow_low), delta)
    if word in MIRRORED:
        assert mirrored == MIRRORED[word]
    else:
        assert mirrored in ("INCONCLUSIVE", "NOT BETTER BY WHAT MATTERS")


@given(ENDS, st.integers(1, 20), st.integers(-40, 40))
def test_a_false_word_is_a_miss_of_one_end_that_the_level_allows(ends, delta, truth):
    """From delta on, and up to -delta, one end of the narrower interval misses; between them one of two wider ends."""
    low, narrow_low, narrow_high, high = ends
    word = decide(Interval(low, high), Interval(narrow_low, narrow_high), delta)
    if is_false(word, truth, delta):
        if truth >= delta:
            assert narrow_high < truth
        elif truth <= -delta:
            assert narrow_low > truth
        else:
            assert not low <= truth <= high


def test_no_word_is_false_more_often_than_its_error():
    """Sign-flip intervals of 10 pairs: 25 of 1,024 pieces lie beyond each end of the wider one, 51 of the narrower."""
    random = np.random.default_rng(0)
    samples = random.normal(size=(2000, 10))
    wide, narrow = ([sign_flip_interval(sample, level) for sample in samples] for level in (0.95, 0.9))
    for truth, delta in itertools.product((-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0), (0.5, 1.0)):
        words = [
            decide(Interval(one.low + truth, one.high + truth), Interval(two.low + truth, two.high + truth), delta)
            for one, two in zip(wide, narrow, strict=True)
        ]
        found = sum(is_false(word, truth, delta) for word in words)
        assert found <= binom.ppf(0.9999, len(samples), 0.05), (truth, delta)
        if truth == delta:
            # Exactly those intervals whose upper one-sided test errs.
            low, high = binom.interval(0.999, len(samples), 51 / 1024)
            assert low <= found <= high


def test_every_word_has_a_symbol_and_a_meaning_of_its_own():
    words = set(get_args(Word))
    assert set(SYMBOLS) == set(MEANINGS) == words
    assert len(set(SYMBOLS.values())) == len(set(MEANINGS.values())) == len(words)
