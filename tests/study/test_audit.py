"""The audits pass, and would not if the verdicts were careless."""

import numpy as np
import pytest

from analysis.statistics.median import median_interval
from analysis.verdicts import evidence
from analysis.verdicts.evidence_of_tunings import PairedTunings
from study.audit import __main__ as command
from study.audit import bank, networks, tuning
from study.audit import seeds as audit
from trainables.optimizers import resolve_optimizer


@pytest.mark.slow
def test_every_audit_passes_and_the_command_prints_them(capsys):
    assert command.main(["--short"]) == 0
    printed = capsys.readouterr().out
    of_tuned = 2 * (3 * 5 + 1) + 2 * (4 * 4 + 1)
    of_ledgers = (4 * 2 + 3 + 2 * 2 + 1) + 3 * 4 + 6 + (4 + 5 + 5 + 3) + 5
    assert printed.count("passed") == 12 + 3 + 4 + 1 + of_tuned + of_ledgers
    assert "FAILED" not in printed


def test_every_audit_of_given_settings_passes():
    found = list(audit.audits(100))
    assert len(found) == 12
    assert [entry for entry in found if not entry.is_passed] == []


def identical(num_studies, *, deviation):
    """Values of five optimizers in four tunings of 12 seeds, which differ by the luck of tuning and of the seeds."""
    random = np.random.default_rng(3)
    return [
        deviation * random.normal(size=(5, 4, 1)) + 0.01 * random.normal(size=(5, 4, 12)) for _ in range(num_studies)
    ]


@pytest.mark.slow
def test_a_verdict_on_optimizers_that_forgets_the_luck_of_tuning_is_found_out(monkeypatch):
    values = identical(100, deviation=0.03)
    assert tuning.false_verdicts(values, "error").is_passed
    assert tuning.coverage(values, "error").is_passed
    assert tuning.of_settings(values, "error").is_passed
    forgetful = PairedTunings.interval
    monkeypatch.setattr(PairedTunings, "interval", lambda self, level: self.at_settings.interval(level))
    assert not tuning.false_verdicts(values, "error").is_passed
    assert not tuning.coverage(values, "error").is_passed
    monkeypatch.setattr(PairedTunings, "interval", forgetful)
    assert not tuning.power(identical(20, deviation=0.3), "error").is_passed


def test_the_simulated_studies_are_tuned_by_the_search_of_a_study():
    """The winner lies near the middle of the cube, where the errors are lowest, though no network was trained."""
    landscape = networks.Landscape(num_hyperparameters=2)
    (study,) = tuning.simulate(np.random.default_rng(1), landscape, 1)
    assert {metric: values.shape for metric, values in study.items()} == dict.fromkeys(networks.METRICS, (5, 4, 12))
    assert study[networks.METRICS[0]].mean() < 0.55 + 0.1
    assert not np.array_equal(study[networks.METRICS[0]][0], study[networks.METRICS[0]][1])


@pytest.mark.parametrize("optimizer", bank.NUM_POINTS)
def test_studies_are_simulated_with_networks_of_the_bank(optimizer):
    """All of one tuning on the same seeds, no seed in two tunings, and the winner one of the better settings."""
    held = bank.Bank.of(optimizer)
    tunings = networks.BankNetworks(optimizer).tunings(np.random.default_rng(0), 4)
    seeds = [{*own.tuned.tolist(), *own.fresh.tolist()} for own in tunings]
    assert sum(len(own) for own in seeds) == len(set.union(*seeds)) == 4 * (2 + networks.FRESH_OF_BANK)
    point = {f"x{place}": float(value) for place, value in enumerate(held.cube[7])}
    assert held.nearest(point) == 7
    assert np.array_equal(tunings[0].confirm(point)["test error"], held.values["test_error"][7, tunings[0].fresh])
    (study,) = tuning.simulate(np.random.default_rng(1), networks.BankNetworks(optimizer), 1)
    shape = (5, 4, networks.FRESH_OF_BANK)
    assert {metric: values.shape for metric, values in study.items()} == dict.fromkeys(
        (*networks.METRICS, networks.GAP), shape
    )
    by_setting = held.values["test_error"].mean(axis=1)
    assert study["test error"].mean() < np.quantile(by_setting, 0.25)


def test_a_bank_holds_every_network_of_every_setting():
    for optimizer, num_points in bank.NUM_POINTS.items():
        held = bank.Bank.of(optimizer)
        assert held.cube.shape == (num_points, len(resolve_optimizer(optimizer, {}).space))
        for values in held.values.values():
            assert values.shape == (num_points, bank.NUM_SEEDS)
        assert np.isfinite(held.values["test_error"]).all()


def test_what_is_kept_of_a_network_by_hand():
    """Two targets are reached after the third of eight epochs of 80 steps; every tenth step lies .5 off the median."""
    losses = np.where(np.arange(640) % 10 == 5, 2.5, 2.0)
    kept = bank.kept(
        validation_errors=[0.9, 0.85, 0.74, 0.74, 0.74, 0.74, 0.74, 0.72],
        test_error=0.7,
        losses=(1.9, 2.1),
        step_losses=losses,
    )
    assert kept == pytest.approx(
        {
            "validation_error": 0.72,
            "test_error": 0.7,
            "gap": 0.2,
            "swing": 0.5 / 10**0.5,
            "steps": (2 * 240 + 3 * 640) / 5,
        }
    )
    lost = bank.kept(validation_errors=[0.5, 1.0], test_error=0.7, losses=(None, None), step_losses=losses)
    assert (lost["validation_error"], lost["test_error"], lost["steps"]) == (1.0, 1.0, 640.0)
    assert np.isnan([lost["gap"], lost["swing"]]).all()


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (bank.FILE, "FILE must be new, got "),
        (bank.FILE / "a", "FILE: must be a path that can be reached, got "),
        ("no/folder/a", "FILE must lie in"),
    ],
)
def test_a_bank_that_cannot_be_written_is_refused_before_it_is_trained(file, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        bank.main([str(file)])
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.slow
def test_training_the_bank_again_gives_what_it_holds():
    """But for what rounding on another processor makes of 640 steps: the means of 14 networks agree."""
    held = bank.Bank.of("momentum")
    best = int(held.values["test_error"].mean(axis=1).argmin())
    found = bank.train_at("momentum", held.cube[best], range(bank.GROUP))
    for name in bank.COLUMNS:
        stored = held.values[name][best, : bank.GROUP]
        error = np.hypot(*2 * [stored.std(ddof=1) / bank.GROUP**0.5])
        assert np.mean([kept[name] for kept in found]) == pytest.approx(stored.mean(), abs=3 * error), name


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
    monkeypatch.setattr(command, "audits", lambda _: iter([failed]))
    assert command.main(["--short"]) == 1
    assert "FAILED" in capsys.readouterr().out


@pytest.mark.slow
def test_every_audit_passes_on_1000_studies():
    assert [entry for entry in audit.audits(1000) if not entry.is_passed] == []
