"""The report comes from a process of its own, and so do its refusals."""

import os

import pytest

from analysis.ledger.study import LedgerError
from study.display.report import report_apart


def test_what_is_no_ledger_is_refused_as_without_a_process(tmp_path):
    with pytest.raises(LedgerError, match=r"study\.json"):
        report_apart(tmp_path)


def test_a_process_that_is_killed_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr("study.display.report.write_report", os._exit)
    with pytest.raises(OSError, match=r"^the process that wrote the report was ended .* python -m analysis\.report 9$"):
        report_apart(9)
