"""What the methods section promises about verdicts, and what it does not."""

import pytest

from analysis.claims.file import parse_claims
from analysis.ledger.load import load
from analysis.report.text.methods_of_claims import claims_methods
from analysis.tables.overview import overview_of
from analysis.verdicts.claims_of_study import judge_claims
from analysis.verdicts.default_vocabulary import VOCABULARY

QUESTION = """
[[questions]]
name = "{name}"
metric = "{metric}"
improvement = "{improvement}"
smallest_effect = 0.1
{more}
a = ["langevin"]
b = ["sgd", "momentum"]
refuted_by = "{{b}} is better than {{a}}"
"""
PAIRED = QUESTION.format(name="errs less", metric="test_error", improvement="difference", more="")
TIMED = QUESTION.format(
    name="costs no more", metric="seconds_per_step", improvement="within", more="bound = 1.1\nbatch_size = 100"
)
DRAWN = QUESTION.format(name="is easy to tune", metric="good_volume", improvement="difference", more="")
OPTIMIZERS = "bout optimizers, whose tuning might have found other settings, no bound is known."


@pytest.fixture(scope="module")
def overview(rich_dir):
    return overview_of(load(rich_dir))


@pytest.fixture
def told(overview):
    """The methods of claims in one text."""

    def write(*questions):
        judgement = judge_claims([overview], parse_claims("".join(questions), VOCABULARY))
        return " ".join(claims_methods(overview, judgement, "Rows."))

    return write


def test_a_bound_is_promised_where_intervals_are_exact_and_under_their_conditions(told):
    text = told(PAIRED, TIMED, DRAWN)
    assert (
        "the probability that any verdict of a family is false at any look is at most 0.05 in errs less (at the "
        "settings that were tuned, if paired differences are symmetric) and in costs no more (at the settings that "
        "were tuned, if timing blocks are independent), as long as every look is at the same optimizers. That is for "
        "each family by itself, not for all "
        "of them together. The intervals of is easy to tune are approximate, so that no bound is known there. "
        f"A{OPTIMIZERS}"
    ) in text
    assert text.count("at most 0.05") == 1


def test_no_bound_is_promised_for_what_a_bootstrap_says(told):
    text = told(DRAWN)
    assert "at most 0.05" not in text
    assert (
        "How often verdicts are false: the intervals of is easy to tune are approximate, so that no bound is known "
        f"there. A{OPTIMIZERS}"
    ) in text


def test_every_interval_is_described_where_it_is_used_and_only_there(told):
    assert "binomial law" in told(TIMED)
    assert "bootstrap" not in told(TIMED)
    assert "bootstrap" in told(DRAWN)
    assert "nothing is paired by seed" not in told(PAIRED)


def test_the_rules_name_every_word(told):
    text = told(PAIRED)
    for rule in (
        "SUPPORTED if l > delta",
        "EQUIVALENT if -delta < l' and u' < delta",
        "DIRECTION ONLY if l > 0",
        "REFUTED if u < -delta",
        "WORSE if u < 0",
        "NOT BETTER BY WHAT MATTERS if u' < delta",
        "INCONCLUSIVE",
    ):
        assert rule in text
