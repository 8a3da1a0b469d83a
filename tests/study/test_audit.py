"""The audits pass, and would not if the verdicts were careless."""

import numpy as np
import pytest

from analysis.statistics.median import median_interval
from analysis.verdicts import evidence
from study import audit


def test_every_audit_passes_and_the_command_prints_them(capsys):
    assert audit.main(["--short"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("passed") == 12
    assert "FAILED" not in printed


def test_an_interval_that_is_too_narrow_is_found_out(monkeypatch):
    monkeypatch.setattr(audit, "LEVEL", 0.8)
    assert not audit.false_verdicts(np.random.default_rng(0), 100).is_passed
    assert not audit.false_denials(np.random.default_rng(0), 100).is_passed


def test_an_interval_of_costs_that_is_too_narrow_is_found_out(monkeypatch):
    monkeypatch.setattr(evidence, "median_interval", lambda values, level: median_interval(values, 3 * level - 2))
    assert not audit.false_costs(np.random.default_rng(0), 400).is_passed


def test_noise_that_is_not_there_is_found_out(monkeypatch):
    def silent(function):
        def without_diffusion(name, *, diffusion=0.0, **setting):
            del name, diffusion
            return function("sgd", **setting)

        return without_diffusion

    for name in ("double_well_escapes", "quadratic_losses"):
        monkeypatch.setattr(audit, name, silent(getattr(audit, name)))
    assert not audit.double_well().is_passed
    assert not any(entry.is_passed for entry in audit.quadratic())


def test_command_fails_if_an_audit_does(monkeypatch, capsys):
    failed = audit.Audit("coverage", "95%", "50%", False)
    monkeypatch.setattr(audit, "audits", lambda _: iter([failed]))
    assert audit.main(["--short"]) == 1
    assert "FAILED" in capsys.readouterr().out


@pytest.mark.slow
def test_every_audit_passes_on_1000_studies():
    assert [entry for entry in audit.audits(1000) if not entry.is_passed] == []
