"""The schema and its documentation."""

import pathlib
import re

import pyarrow as pa
import pytest

from analysis.ledger import schema
from analysis.ledger.load import load
from analysis.ledger.study_file import Look
from analysis.tables.overview import overview_of

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "ledger.md"


def test_the_documentation_holds_the_tables_of_the_schema():
    assert PAGE.read_text(encoding="utf-8").endswith("\n" + schema.markdown())


def test_a_look_counts_the_runs_of_every_tested_phase():
    assert {*schema.TESTED_PHASES} <= {*schema.LOOKED_AT} <= {*schema.PHASES}
    assert {*schema.LOOKED_AT.values()} <= {*Look.model_fields}


def test_the_snippets_of_the_documentation_run(ledger_dir):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    found = {"print": lambda *_: None}
    for block in (block for block in blocks if "pandas" not in block):
        exec(block.replace("STUDY_DIR", str(ledger_dir)), found)
    assert found["means"].height == 10
    assert found["correct"].size == 8


def test_the_snippet_for_pandas_runs(ledger_dir):
    pytest.importorskip("pandas")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = (block for block in blocks if "pandas" in block)
    found = {"print": lambda *_: None}
    exec(block.replace("STUDY_DIR", str(ledger_dir)), found)
    assert set(found["curves"]["count"]) == {3}


def test_hyperparameters_are_columns_in_alphabetical_order():
    names = schema.trials_schema(["momentum", "beta1", "momentum"]).names
    assert [name for name in names if name in ("beta1", "momentum")] == ["beta1", "momentum"]
    assert schema.trials_schema(["beta1"]).field("beta1") == pa.field("beta1", pa.float64(), nullable=True)


def test_a_hyperparameter_may_not_have_the_name_of_a_column():
    with pytest.raises(ValueError, match=r"Hyperparameters may not have a column's name, got seed; rename them"):
        schema.trials_schema(["seed", "momentum"])


@pytest.mark.parametrize("name", ["block", "batch_size", "replicates"])
def test_a_hyperparameter_may_have_the_name_of_a_column_of_timings(synthetic, tmp_path, name):
    axis = {"low": 0.1, "high": 1.0, "scale": "linear", "unit": "1"}
    entry = {"space": {"learning_rate": axis, name: axis}, "published": {"learning_rate": 0.1, name: 0.5}}
    found = overview_of(load(synthetic(optimizers={"own": entry}, num_trials=2).write(tmp_path / "study")))
    assert name in found.best["own"].hyperparameters
    assert found.points["replicates"].unique().to_list() == [2, 3]


def test_the_recipes_of_the_documentation_choose_winners_as_the_report_does(ledger_dir):
    page = PAGE.read_text(encoding="utf-8")
    assert "round(avg(validation_error), 12) AS error" in page
    assert "ORDER BY error, number" in page
    assert 'error=pl.col("validation_error").mean().round(12)' in page
    block = next(block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "import polars" in block)
    printed = []
    exec(block.replace("STUDY_DIR", str(ledger_dir)), {"print": printed.append})
    chosen = dict(printed[0].select("optimizer", "number").rows())
    best = overview_of(load(ledger_dir)).best
    assert chosen == {name: setting.number for name, setting in best.items()}
    errors = dict(printed[0].select("optimizer", "error").rows())
    assert errors == {name: setting.validation_error for name, setting in best.items()}
