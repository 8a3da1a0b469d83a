"""The audits pass, and would not if the verdicts were careless."""

import numpy as np
import pytest

from analysis.statistics.median import median_interval
from analysis.verdicts import evidence
from analysis.verdicts.evidence_of_tunings import PairedTunings
from study.audit import __main__ as command
from study.audit import seeds as audit
from study.audit import tuning


@pytest.mark.slow
def test_every_audit_passes_and_the_command_prints_them(capsys):
    assert command.main(["--short"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("passed") == 12 + 2 * (3 * 5 + 1)
    assert "FAILED" not in printed


def test_every_audit_of_given_settings_passes():
    found = list(audit.audits(100))
    assert len(found) == 12
    assert [entry for entry in found if not entry.is_passed] == []


def identical(num_studies, *, deviation):
    """Values of five optimizers in three tunings of 12 seeds, which differ by the luck of tuning and of the seeds."""
    random = np.random.default_rng(3)
    return [
        deviation * random.normal(size=(5, 3, 1)) + 0.01 * random.normal(size=(5, 3, 12)) for _ in range(num_studies)
    ]


def test_a_verdict_on_optimizers_that_forgets_the_luck_of_tuning_is_found_out(monkeypatch):
    values = identical(100, deviation=0.03)
    assert tuning.false_verdicts(values, "error", 2).is_passed
    assert tuning.coverage(values, "error", 2).is_passed
    assert tuning.of_settings(values, "error", 2).is_passed
    forgetful = PairedTunings.interval
    monkeypatch.setattr(PairedTunings, "interval", lambda self, level: self.at_settings.interval(level))
    assert not tuning.false_verdicts(values, "error", 2).is_passed
    assert not tuning.coverage(values, "error", 2).is_passed
    monkeypatch.setattr(PairedTunings, "interval", forgetful)
    assert not tuning.power(identical(20, deviation=0.3), 2).is_passed


def test_the_simulated_studies_are_tuned_by_the_search_of_a_study():
    """The winner lies near the middle of the cube, where the errors are lowest, though no network was trained."""
    landscape = tuning.Landscape(num_hyperparameters=2)
    (study,) = tuning.simulate(np.random.default_rng(1), landscape, 1)
    assert {metric: values.shape for metric, values in study.items()} == dict.fromkeys(tuning.METRICS, (5, 3, 12))
    assert study[tuning.METRICS[0]].mean() < 0.55 + 0.1
    assert not np.array_equal(study[tuning.METRICS[0]][0], study[tuning.METRICS[0]][1])


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
    monkeypatch.setattr(tuning, "audits", lambda _: iter([]))
    assert command.main(["--short"]) == 1
    assert "FAILED" in capsys.readouterr().out


@pytest.mark.slow
def test_every_audit_passes_on_1000_studies():
    assert [entry for entry in audit.audits(1000) if not entry.is_passed] == []
