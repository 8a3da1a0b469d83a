"""Tunings pooled: every trial of each once, and what their points show together that none shows alone."""

import numpy as np
import polars as pl

from analysis.tables.sensitivity import pooled, sensitivity_tables
from analysis.tables.sensitivity.points import clouds


def valley(point, replicate):
    return 0.4 + 0.5 * (point[0] - 0.5) ** 2 + 0.01 * replicate


def tunings(side, ledger_of):
    """Two of 16 points each, which share none."""
    points = np.random.default_rng(0).random((32, 1)).tolist()
    return [ledger_of({"a": side(error=valley, explore=own)}) for own in (points[:16], points[16:])]


def test_every_tuning_trial_of_each_tuning_is_there_once(side, ledger_of):
    ledgers = tunings(side, ledger_of)
    found = pooled(ledgers)
    assert found.study == ledgers[0].study
    points = [clouds(ledger)["a"].points for ledger in ledgers]
    np.testing.assert_array_equal(clouds(found)["a"].points, np.concatenate(points))
    key = ["optimizer", "phase", "number", "replicate"]
    assert found.trials.select(key).is_duplicated().sum() == 0
    rest = pl.col("phase") != "explore"
    assert found.trials.filter(rest).height >= ledgers[0].trials.filter(rest).height


def test_one_tuning_is_itself(side, ledger_of):
    ledger = tunings(side, ledger_of)[0]
    key = ["optimizer", "phase", "number", "replicate"]
    assert pooled([ledger]).trials.sort(key).equals(ledger.trials.sort(key))


def test_two_tunings_have_the_points_that_a_forest_needs(side, ledger_of):
    ledgers = tunings(side, ledger_of)
    alone = sensitivity_tables(ledgers[0])
    together = sensitivity_tables(ledgers[0], explored=pooled(ledgers))
    lacking, shown = (tables["importance"].filter(method="fanova") for tables in (alone, together))
    assert lacking["reason"].null_count() == 0
    assert shown["reason"].null_count() == shown.height
    assert shown["importance"].to_list() == [1.0]
    for name in ("best_so_far", "good_volume"):
        assert alone[name].equals(together[name])
