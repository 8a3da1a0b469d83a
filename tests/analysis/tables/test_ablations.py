"""Which trial is the ablation of a winner, and how many a study is to have."""

import polars as pl
import pytest

from analysis.ledger.load import load
from analysis.tables.ablations import Ablation, ablations, trial_of
from analysis.tables.completeness import completeness
from analysis.tables.overview import overview_of

LANGEVIN = Ablation(optimizer="langevin", simpler="sgd", at={"diffusion": 0.0})


@pytest.fixture
def written(planted, tmp_path):
    """The overview of a study of sgd and langevin."""

    def make(**changes):
        return overview_of(load(planted(**changes).write(tmp_path / "study")))

    return make


def test_an_ablation_is_named_by_what_it_lacks():
    assert LANGEVIN.side == "langevin at diffusion 0"
    both = Ablation(optimizer="own", simpler="sgd", at={"momentum": 0.5, "noise": 0.0})
    assert both.side == "own at momentum 0.5 and noise 0"
    assert both.hyperparameters == "momentum and noise"


def test_only_optimizers_that_reduce_to_another_have_ablations(written):
    assert ablations(written().ledger.study) == [LANGEVIN]


def test_the_trial_is_that_of_the_winner_and_no_other(written):
    overview = written()
    assert trial_of(LANGEVIN, overview).rows() == [("langevin", "ablation", 0)]
    trials = overview.ledger.trials.filter(phase="ablation")
    assert set(trials["learning_rate"]) == {overview.best["langevin"].hyperparameters["learning_rate"]}


def test_that_of_a_former_winner_is_passed_over(planted, tmp_path):
    """The former winner's ablation is number 0, that of the present one, at another rate, number 1."""

    class Grown(planted):
        def points(self, name):
            found = list(super().points(name))
            former = ("ablation", 0, "ablation", {"learning_rate": 0.2, "diffusion": 0.0})
            moved = [("ablation", 1, *trial[2:]) if trial[0] == "ablation" else trial for trial in found]
            return [*moved, former] if name == "langevin" else moved

    overview = overview_of(load(Grown().write(tmp_path / "study")))
    assert trial_of(LANGEVIN, overview).rows() == [("langevin", "ablation", 1)]
    found = completeness(overview)
    assert found.missing == ()
    assert found.done == found.planned == 9, "what was overtaken is no longer part of the plan"


def test_one_that_has_not_been_trained_has_no_trial_and_is_missing(written):
    overview = written(phases=("tuning", "confirm"))
    assert trial_of(LANGEVIN, overview).is_empty()
    assert completeness(overview).missing == ("langevin: 1 ablation trial",)


def test_one_that_lacks_seeds_is_missing(planted, tmp_path):
    folder = planted(merged=False).write(tmp_path / "study")
    for path in folder.glob("*/1-ablation-0-8.parquet"):
        path.unlink()
    overview = overview_of(load(folder))
    assert completeness(overview).missing == ("langevin: 1 ablation trial",)
    (row,) = overview.points.filter(phase="ablation").to_dicts()
    assert (row["replicates"], row["is_whole"]) == (8, False)


def test_a_winner_at_the_neutral_value_is_its_own_ablation(written, planted):
    winners = {**planted().winners, "langevin": {"learning_rate": 0.1, "diffusion": 0.0}}
    overview = written(winners=winners)
    assert trial_of(LANGEVIN, overview).rows() == [("langevin", "confirm", 1)]
    assert completeness(overview).missing == ()


def test_a_study_without_confirmation_has_none_to_come(written):
    overview = written(num_confirm_seeds=0, phases=("tuning",))
    assert completeness(overview).missing == ()


def test_ablations_are_counted_as_a_phase(written):
    counts = written().counts.filter(optimizer="langevin")
    assert counts["phase"].to_list() == ["published", "explore", "confirm", "ablation"]
    assert counts.filter(pl.col("phase") == "ablation")["replicates"].to_list() == [12]
