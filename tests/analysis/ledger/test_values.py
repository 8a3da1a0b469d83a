"""Rows that no training could have made are refused by table, column, value and key."""

import pathlib
import shutil

import polars as pl
import pyarrow.parquet as pq
import pytest

from analysis.ledger.load import load
from analysis.ledger.schema import timings_schema
from analysis.ledger.study import LedgerError
from analysis.report.__main__ import main

CONFIRM = (pl.col("phase") == "confirm") & (pl.col("replicate") == 1)
EXPLORE = (pl.col("phase") == "explore") & (pl.col("replicate") == 0)
FIRST = pl.col("epoch") == 1


@pytest.fixture
def study_dir(ledger_dir, tmp_path):
    """A ledger of one file a table, whose rows may be changed."""
    copied = pathlib.Path(shutil.copytree(ledger_dir, tmp_path / "study"))
    for table in ("trials", "epochs"):
        rows = pq.read_table(copied / table)
        shutil.rmtree(copied / table)
        (copied / table).mkdir()
        pq.write_table(rows, copied / table / "all.parquet")
    return copied


def change(study_dir, table, where, **values):
    """Give columns other values in the rows where an expression holds."""
    path = study_dir / table / "all.parquet"
    stored = pq.read_table(path)
    rows = pl.DataFrame(pl.from_arrow(stored))
    changed = rows.with_columns(
        pl.when(where).then(pl.lit(value, rows.schema[name])).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )
    assert not changed.equals(rows)
    pq.write_table(changed.to_arrow().cast(stored.schema), path)


@pytest.mark.parametrize(
    ("table", "where", "values", "said"),
    [
        ("trials", EXPLORE, {"validation_error": -0.25}, "validation_error must be from 0 to 1, it is -0.25"),
        ("trials", EXPLORE, {"validation_error": 1.5}, "validation_error must be from 0 to 1, it is 1.5"),
        ("trials", CONFIRM, {"test_error": 45.0}, "test_error must be from 0 to 1, it is 45.0"),
        (
            "trials",
            EXPLORE,
            {"best_validation_error": float("nan")},
            "best_validation_error must be from 0 to 1, ",
        ),
        ("trials", CONFIRM, {"test_loss": 1e308}, "test_loss must be from -1e+60 to 1e+60, it is 1e+308"),
        ("trials", EXPLORE, {"best_validation_loss": float("-inf")}, "best_validation_loss must be from -1e+60"),
        ("trials", EXPLORE, {"steps": -1}, "steps must be from 0 to 1e+12, it is -1"),
        ("trials", EXPLORE, {"images": 2**62}, "images must be from 0 to 1e+12, it is 4611686018427387904"),
        ("trials", EXPLORE, {"seconds": -0.5}, "seconds must be from 0 to 1e+12, it is -0.5"),
        ("trials", EXPLORE, {"seconds": 1e300}, "seconds must be from 0 to 1e+12, it is 1e+300"),
        ("trials", EXPLORE, {"seed": -7}, "seed must be from 0 to 9.22337e+18, it is -7"),
        ("trials", EXPLORE & (pl.col("number") == 1), {"number": -2}, "number must be from 0 to 2.14748e+09, it is -2"),
        ("trials", EXPLORE, {"group_size": 0}, "group_size must be from 1 to 1e+06, it is 0"),
        ("trials", EXPLORE, {"diverged_step": 0}, "diverged_step must be from 1 to 1e+12, it is 0"),
        (
            "trials",
            EXPLORE,
            {"learning_rate": -0.1},
            "learning_rate must be above 0 on a logarithmic scale, it is -0.1",
        ),
        ("trials", EXPLORE, {"learning_rate": 1e300}, "learning_rate must be within 1e+60, it is 1e+300"),
        ("trials", EXPLORE, {"momentum": 1.0}, "momentum must be below 1 on the scale log_complement, it is 1.0"),
        ("trials", EXPLORE, {"device": "x" * 10**6}, "device must be at most 200 printable characters, it is 'xxx"),
        ("trials", EXPLORE, {"node": "a\nb"}, r"node must be at most 200 printable characters, it is 'a\nb'"),
        ("trials", EXPLORE, {"sampler": "a\0b"}, r"sampler must be at most 200 printable characters, it is 'a\x00b'"),
        ("epochs", EXPLORE & FIRST, {"train_error": -1.0}, "train_error must be from 0 to 1, it is -1.0"),
        ("epochs", EXPLORE & FIRST, {"train_loss": 1e200}, "train_loss must be from -1e+60 to 1e+60, it is 1e+200"),
        ("epochs", EXPLORE & FIRST, {"update_norm": -1.0}, "update_norm must be from 0 to 1e+60, it is -1.0"),
        ("epochs", EXPLORE & FIRST, {"weight_norm": float("inf")}, "weight_norm must be from 0 to 1e+60, it is inf"),
        (
            "epochs",
            EXPLORE & FIRST,
            {"gradient_norm": float("nan")},
            "gradient_norm must be from 0 to 1e+60, it is nan",
        ),
        ("epochs", EXPLORE & FIRST, {"steps": -125}, "steps must be from 0 to 1e+12, it is -125"),
        ("epochs", EXPLORE & FIRST, {"epoch": 4}, "epoch must be from 1 to 3, the num_epochs of study.json, it is 4"),
        ("epochs", EXPLORE & FIRST, {"epoch": 2**31 - 1}, "epoch must be from 1 to 3, the num_epochs of study.json"),
        (
            *("epochs", CONFIRM & FIRST, {"step_losses": [1.0, float("nan")]}),
            "step_losses must be finite but in the last epoch of a run that diverged, it is [1.0, nan]",
        ),
    ],
)
def test_a_value_that_cannot_be_is_named(study_dir, table, where, values, said):
    where = where & (pl.col("optimizer") == "momentum")
    change(study_dir, table, where, **values)
    with pytest.raises(LedgerError) as refused:
        load(study_dir)
    line = str(refused.value)
    assert line.startswith(f"{table}: {said}")
    assert " in the row of optimizer='momentum', phase=" in line
    assert line.endswith("; mend what wrote it, or leave these rows out.")
    assert "\n" not in line
    assert len(line) < 600


def test_the_command_says_so_in_one_line(study_dir, capsys):
    change(study_dir, "trials", EXPLORE & (pl.col("number") == 1), validation_error=-0.25)
    assert main([str(study_dir)]) == 2
    said = capsys.readouterr().err
    assert said == (
        "python -m analysis.report: error: trials: validation_error must be from 0 to 1, it is -0.25 in the row of "
        "optimizer='sgd', phase='explore', number=1, replicate=0 and of 1 more; mend what wrote it, or leave these "
        "rows out.\n"
    )
    assert not (study_dir / "report").exists()


def test_a_complete_run_whose_curve_ends_early_is_refused(study_dir):
    path = study_dir / "epochs" / "all.parquet"
    rows = pl.DataFrame(pl.from_arrow(stored := pq.read_table(path)))
    kept = rows.filter((EXPLORE & (pl.col("number") == 1) & (pl.col("epoch") == 3)).not_())
    pq.write_table(kept.to_arrow().cast(stored.schema), path)
    with pytest.raises(LedgerError, match=r"must have all 3 epochs of study\.json, the last of .* is 2"):
        load(study_dir)


def test_losses_as_large_as_float32_has_them_are_read(study_dir):
    largest = 3.4028234663852886e38
    change(study_dir, "epochs", EXPLORE & FIRST, train_loss=largest, gradient_norm=largest)
    assert load(study_dir).epochs["train_loss"].max() == largest


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"seconds": 1e300}, "seconds must be from 0 to 1e+12"),
        ({"batch_size": 0}, "batch_size must be from 1 to 1e+06"),
        ({"block": -1}, "block must be from 0 to 1e+06"),
    ],
)
def test_timings_are_looked_at_too(study_dir, values, said):
    row = {
        "optimizer": "sgd",
        "block": 0,
        "batch_size": 10,
        "replicates": 1,
        "steps": 5,
        "seconds": 0.1,
        "device": "cpu",
        "node": "127.0.0.1",
    }
    (study_dir / "timings").mkdir(exist_ok=True)
    table = pl.DataFrame([{**row, **values}]).to_arrow().cast(timings_schema())
    pq.write_table(table, study_dir / "timings" / "all.parquet")
    with pytest.raises(LedgerError, match=r"timings: ") as refused:
        load(study_dir)
    assert said in str(refused.value)
