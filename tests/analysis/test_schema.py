"""The schema and its documentation."""

import pathlib
import re

import pyarrow as pa
import pytest

from analysis import schema

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "ledger.md"


def test_the_documentation_holds_the_tables_of_the_schema():
    assert PAGE.read_text(encoding="utf-8").endswith("\n" + schema.markdown())


def test_the_snippets_of_the_documentation_run(ledger_dir):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    found = {"print": lambda *_: None}
    for block in (block for block in blocks if "pandas" not in block):
        exec(block.replace("STUDY_DIR", str(ledger_dir)), found)
    assert found["means"].height == 10
    assert found["correct"].size == 8


def test_hyperparameters_are_columns_in_alphabetical_order():
    names = schema.trials_schema(["momentum", "beta1", "momentum"]).names
    assert [name for name in names if name in ("beta1", "momentum")] == ["beta1", "momentum"]
    assert schema.trials_schema(["beta1"]).field("beta1") == pa.field("beta1", pa.float64(), nullable=True)


def test_a_hyperparameter_may_not_have_the_name_of_a_column():
    with pytest.raises(ValueError, match=r"Hyperparameters may not have a column's name, got seed; rename them"):
        schema.trials_schema(["seed", "momentum"])
