"""`python -m benchmarks` from end to end on the smallest sizes; what the figures are is not tested."""

import pathlib
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from benchmarks.__main__ import main, part_names

ROOT = pathlib.Path(__file__).parents[2]
COLUMNS = [
    *("benchmark", "case", "quantity", "unit", "median", "low", "high", "repetitions"),
    *("date", "machine", "cores", "torch", "ray", "python"),
]


def apart(words):
    """What the command prints in a process of its own, as all parts need it: they start Ray."""
    command = [sys.executable, "-m", "benchmarks", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("parts", "repetitions"),
    [
        pytest.param(["ledger", "training_step"], 2, id="cheap parts"),
        pytest.param([], 1, id="all parts", marks=pytest.mark.slow),
    ],
)
def test_the_command_prints_a_table_and_writes_it(parts, repetitions, tmp_path, capsys):
    path = tmp_path / "benchmarks.parquet"
    words = ["--small", "--repetitions", str(repetitions), "--output", str(path), *parts]
    if parts:
        assert main(words) == 0
    printed = capsys.readouterr().out if parts else apart(words)
    table = pq.read_table(path)
    assert table.column_names == COLUMNS
    rows = table.to_pylist()
    assert {row["benchmark"] for row in rows} >= {"ledger", "training_step"}
    for row in rows:
        assert 0 < row["low"] <= row["median"] <= row["high"]
        assert row["case"] in printed
        assert row["quantity"] in printed
        assert datetime.now(UTC) - row["date"] < timedelta(hours=1)
        assert row["cores"] >= 1
        assert all(row[name] for name in ("machine", "torch", "ray", "python"))
    assert [row["repetitions"] for row in rows if row["quantity"] == "CPU time per step"] == [repetitions]
    assert [path.name for path in tmp_path.iterdir()] == ["benchmarks.parquet"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["speed"], f"PART must be some of {', '.join(part_names())}, got 'speed'"),
        (
            ["ledger", "--repetitions", "0"],
            "argument --repetitions: must be a whole number from 1 to .*, got '0'",
        ),
        (["ledger", "--output", "README.md"], "--output must be a new file, README.md exists; choose another or .*"),
        (["ledger", "--output", "none/b.parquet"], "--output must lie in a folder that exists, got none/b.parquet"),
    ],
)
def test_a_bad_request_is_refused_before_anything_is_measured(words, message, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit, match="2"):
        main(words)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(f"python -m benchmarks: error: {message}\n", printed.err)


GOOD = {"benchmark": "b", "case": "c", "quantity": "q", "unit": "s", "median": 1, "low": 1, "high": 1, "repetitions": 1}
KEYS = (
    r"rows of benchmarks/ledger\.py must return at least one row, a mapping with the keys benchmark, case, quantity, "
    "unit, median, low, high, repetitions"
)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], f"{KEYS}, got none; mend it\\."),
        (None, f"{KEYS}, got NoneType; mend it\\."),
        ([1], f"{KEYS}, got int; mend it\\."),
        ([GOOD, {"case": "c"}], f"{KEYS}, got \\['case'\\]; mend it\\."),
        (
            [GOOD | {"median": "fast"}],
            rf"{KEYS}, words and .*, benchmarks/ledger\.py raises Arrow.*; mend or remove it\.",
        ),
        (
            SystemExit(0),
            r"The benchmark 'ledger' must measure, benchmarks/ledger\.py raises SystemExit\(0\); mend or remove it\.",
        ),
    ],
)
def test_a_part_that_measures_nothing_is_refused_in_one_line(found, message, tmp_path, monkeypatch, capsys):
    def rows():
        if isinstance(found, BaseException):
            raise found
        return found

    monkeypatch.setattr("benchmarks.ledger.rows", rows)
    assert main(["ledger", "--output", str(tmp_path / "b.parquet")]) == 1
    assert re.fullmatch(f"python -m benchmarks: error: {message}\n", capsys.readouterr().err)
    assert not list(tmp_path.iterdir())
