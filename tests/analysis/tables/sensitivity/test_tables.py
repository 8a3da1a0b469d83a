"""All tables of a study as the report gets them."""

import polars as pl
import pytest

from analysis.ledger.load import load
from analysis.tables.sensitivity import sensitivity_tables
from analysis.tables.sensitivity.learning_rate import responses


def test_every_table_of_a_stored_study_starts_with_the_optimizer(ledger_dir):
    """Five tuning trials: the sweep has numbers, all else says what is missing."""
    tables = sensitivity_tables(load(ledger_dir), initial_error=0.9)
    for name, table in tables.items():
        assert table.columns[0] == "optimizer", name
    curves = tables["learning_rate_sensitivity"]
    assert curves["reason"].is_null().all()
    assert curves["best_rate"].is_not_null().all()
    for name in ("good_volume", "importance", "expected_best", "tunability", "learning_rate_drift"):
        assert tables[name].select(pl.col("reason").str.contains("missing").all()).item(), name
    assert tables["best_so_far"].height == 10


def test_tables_are_rounded_alike_on_every_machine(ledger_dir):
    """Twelve digits: 0.0031622776601683795 as 0.00316227766017, zeros without dust."""
    ledger = load(ledger_dir)
    tables = sensitivity_tables(ledger)
    for name, table in tables.items():
        for column in table.select(pl.col(pl.Float64)):
            assert column.round_sig_figs(12).equals(column, null_equal=True), (name, column.name)
    exact = responses(ledger)["best_rate"].to_list()
    assert tables["learning_rate_sensitivity"]["best_rate"].to_list() == pytest.approx(exact, rel=1e-11)


def test_a_larger_study_has_every_number(synthetic, tmp_path):
    ledger = load(synthetic(num_trials=72, num_epochs=1, num_sweep_seeds=3).write(tmp_path / "study"))
    tables = sensitivity_tables(ledger)
    for name, table in tables.items():
        if "reason" in table.columns:
            held = table if name != "good_volume" else table.filter(space="declared")
            assert held["reason"].is_null().all(), name
        assert not table.is_empty(), name
    assert tables["probability_best"]["num_trials"].max() == 72
