"""The report comes from a process of its own, and so do its refusals; what the terminal shows of it."""

import os
import pathlib

import pytest
from rich.console import Console

from analysis.ledger.study import LedgerError
from analysis.report.write import Report
from analysis.statistics.intervals import Estimate
from analysis.tables.results import Result
from analysis.tables.settings import Setting
from study.display.report import print_report, report_apart


def test_what_is_no_ledger_is_refused_as_without_a_process(tmp_path):
    with pytest.raises(LedgerError, match=r"study\.json"):
        report_apart(tmp_path)


def test_a_process_that_is_killed_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr("study.display.report.write_report", os._exit)
    with pytest.raises(OSError, match=r"^the process that wrote the report was ended .* python -m analysis\.report 9$"):
        report_apart(9)


@pytest.mark.parametrize(
    ("fresh", "shown"), [(Estimate(0.655, 0.645, 0.665, 12), "65.5% ± 1.0%"), (None, "63.1% in tuning")]
)
def test_the_validation_error_shown_is_that_of_fresh_seeds_or_named_tuning_s(fresh, shown):
    best = Setting("sgd", "explore", 3, "sobol", {"learning_rate": 0.1}, 0.631)
    result = Result(
        optimizer="sgd", best=best, published={}, tuned_error=fresh, tuned_accuracy=None, published_accuracy=None,
        difference=None, published_won=False, tuned_diverged=0, published_diverged=0, trials=24, diverged=0, failed=0,
    )  # fmt: skip
    console = Console(record=True, width=120)
    print_report(console, Report(path=pathlib.Path("report.html"), results=(result,), verdicts=""))
    text = console.export_text()
    assert shown in text
    assert ("63.1%" in text) == (fresh is None)
