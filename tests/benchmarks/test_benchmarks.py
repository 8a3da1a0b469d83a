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
        (["ledger", "--repetitions", "0"], "--repetitions must be at least 1, got 0"),
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
