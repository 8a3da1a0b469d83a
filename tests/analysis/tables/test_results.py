"""What the study found out about each optimizer, against its rows."""

import pytest

from analysis.ledger.load import load
from analysis.report.page import result_row
from analysis.tables.overview import overview_of
from analysis.tables.results import results_table


@pytest.fixture
def overview(synthetic, tmp_path):
    def make(**changes):
        return overview_of(load(synthetic(**changes).write(tmp_path / "study")))

    return make


def test_the_validation_error_of_the_winner_is_that_of_fresh_seeds(overview):
    found = overview()
    trials = found.ledger.trials
    for result in found.results:
        best = result.best
        runs = trials.filter(optimizer=best.optimizer, learning_rate=best.hyperparameters["learning_rate"])
        fresh, tuning = (runs.filter(phase=phase)["validation_error"].to_list() for phase in ("confirm", best.phase))
        assert result.tuned_error.mean == pytest.approx(sum(fresh) / len(fresh))
        assert result.tuned_error.num_values == len(fresh) == 3
        assert best.validation_error == pytest.approx(sum(tuning) / len(tuning))
        cell = result_row(found, result)["validation"]
        assert cell.text == f"{result.tuned_error.mean:.1%}"
        assert cell.detail == f"{best.validation_error:.1%} in tuning"
    rows = results_table(found.ledger.study, found.results)
    assert rows["tuned_error"].to_list() == [result.tuned_error.mean for result in found.results]
    assert rows["tuning_error"].to_list() == [result.best.validation_error for result in found.results]


def test_a_diverged_fresh_seed_counts_as_error_1(overview):
    found = overview(outcome=lambda key: "diverged" if key[1] == "confirm" and key[3] == 0 else "complete")
    for result in found.results:
        errors = found.ledger.trials.filter(optimizer=result.optimizer, phase="confirm", replicate=0)
        assert errors["validation_error"].to_list() == [1.0] * errors.height
        assert result.tuned_error.mean > 1 / 3 + 0.2


def test_before_the_confirmation_there_is_only_the_error_of_tuning_and_it_is_named_so(overview):
    found = overview(phases=("tuning",))
    for result in found.results:
        assert result.tuned_error is None
        cell = result_row(found, result)["validation"]
        assert (cell.text, cell.detail) == ("–", f"{result.best.validation_error:.1%} in tuning")


def test_fresh_seeds_that_all_failed_have_no_error(overview):
    found = overview(outcome=lambda key: "failed" if key[1] == "confirm" else "complete")
    assert [result.tuned_error for result in found.results] == [None, None]
