"""The tables of the questions hold what the metrics measured."""

import polars as pl
import pytest

from analysis.claims.file import packaged_text, parse_claims
from analysis.ledger.load import load
from analysis.tables.overview import find
from analysis.tables.questions import find_answers
from analysis.verdicts.vocabulary import VOCABULARY


@pytest.fixture
def answers(synthetic, tmp_path):
    return find_answers(find(load(synthetic().write(tmp_path / "study"))), parse_claims(packaged_text(), VOCABULARY))


def test_the_spread_over_seeds_is_that_of_the_runs(answers):
    runs = answers.run_metrics.filter(metric="test_error", setting="tuned", status="complete")
    spreads = answers.seed_spread.filter(metric="test_error", setting="tuned")
    expected = runs.group_by("optimizer").agg(pl.col("value").std()).sort("optimizer")["value"]
    assert spreads["spread"].to_list() == pytest.approx(expected.to_list())
    assert (spreads["normal_low"] < spreads["spread"]).all()
    assert (spreads["spread"] < spreads["normal_high"]).all()


def test_the_score_is_the_area_under_the_profile(answers):
    assert not answers.performance_score.is_empty()
    for row in answers.performance_score.to_dicts():
        profile = answers.performance_profile.filter(optimizer=row["optimizer"], setting=row["setting"])
        tau, share = profile["tau"].to_numpy(), profile["share"].to_numpy()
        assert row["score"] == pytest.approx((share[:-1] * (tau[1:] - tau[:-1])).sum() / (tau[-1] - tau[0]))
