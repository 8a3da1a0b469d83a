"""Which sweep is drawn after a study has grown and its winner has changed."""

import pytest

from analysis.claims.file import packaged_text, parse_claims
from analysis.ledger.load import load
from analysis.report.charts.palette import Palette
from analysis.report.contents import study_tables
from analysis.report.figures import hyperparameters, sweeps
from analysis.tables.overview import overview_of
from analysis.verdicts.default_vocabulary import VOCABULARY

FORMER = {"momentum": {"learning_rate": 0.01, "momentum": 0.25}}
NOTE = "The sweep of momentum runs through an earlier winner"


@pytest.fixture
def grown(synthetic, tmp_path):
    """A study whose sweep numbers 0-8 of momentum run through a former winner, 9-17 through the winner."""
    return synthetic(former_winners=FORMER, merged=False).write(tmp_path / "study")


def drawn(figure, optimizer="momentum"):
    """Numbers of the sweep trials in the charts of a figure."""
    tables = [table for panel in figure.panels for table in panel.chart.tables.values()]
    rows = [row for table in tables for row in table if row["optimizer"] == optimizer]
    return {int(row["trial"].split()[1]) for row in rows if row["trial"].startswith("sweep ")}


def figures_of(folder):
    overview = overview_of(load(folder))
    tables, palette = (
        study_tables(overview, parse_claims(packaged_text(), VOCABULARY)),
        Palette.of(overview.ledger.study.optimizers),
    )
    return [hyperparameters.learning_rate(tables, palette), hyperparameters.sensitivity(tables, palette)]


def test_only_the_sweep_through_the_winner_is_drawn(grown):
    for figure in figures_of(grown):
        assert drawn(figure) == set(range(9, 18))
        assert drawn(figure, "sgd") == set(range(9))
        assert NOTE not in figure.text


def test_a_partial_sweep_through_the_winner_goes_before_a_former_one(grown):
    for path in grown.glob("*/1-sweep-1[0-7]-*"):
        path.unlink()
    for figure in figures_of(grown):
        assert drawn(figure) == {9}
        assert NOTE not in figure.text


def test_the_sweep_of_a_former_winner_is_drawn_with_a_note_if_there_is_no_other(grown):
    for path in [*grown.glob("*/1-sweep-9-*"), *grown.glob("*/1-sweep-1[0-7]-*")]:
        path.unlink()
    for figure in figures_of(grown):
        assert drawn(figure) == set(range(9))
        assert NOTE in figure.text


def test_former_sweeps_with_the_same_other_hyperparameters_lie_on_the_same_line(synthetic, tmp_path):
    folder = synthetic(former_winners={"sgd": {"learning_rate": 0.002}}).write(tmp_path / "study")
    for figure in figures_of(folder):
        assert drawn(figure, "sgd") == set(range(18))
        assert "earlier winner" not in figure.text


@pytest.fixture
def swept(synthetic, tmp_path):
    """Tables and palette of a study whose sweep goes through every hyperparameter."""
    study = synthetic(num_sweep_seeds=6, num_confirm_seeds=6, num_trials=9, rate_limit=0.2)
    overview = overview_of(load(study.write(tmp_path / "study")))
    claims = parse_claims(packaged_text(), VOCABULARY)
    return study_tables(overview, claims), Palette.of(overview.ledger.study.optimizers)


def test_every_hyperparameter_has_a_panel_with_every_run_and_its_winner(swept):
    figure = sweeps.one_at_a_time(*swept)
    tables, _ = swept
    assert [panel.description for panel in figure.panels] == [
        f"Validation error of {name} with its {hyperparameter} moved, all else at the winner"
        for name, hyperparameter in [("sgd", "learning_rate"), ("momentum", "learning_rate"), ("momentum", "momentum")]
    ]
    for panel, hyperparameter in zip(figure.panels, ("learning_rate", "learning_rate", "momentum"), strict=True):
        rows = [row for table in panel.chart.tables.values() for row in table if "validation_error" in row]
        runs = tables["one_at_a_time_runs"].filter(optimizer=panel.optimizer, hyperparameter=hyperparameter)
        assert sum("(seed" in row["error"] for row in rows) == runs.height
        assert {row["trial"] for row in rows if row["mark"] == "winner"} == {"winner"}
    drawn_sgd = [row for table in figure.panels[0].chart.tables.values() for row in table if "error" in row]
    assert "all diverged" in {row["divergence"] for row in drawn_sgd}


def test_the_learning_rates_of_all_winners_stand_on_one_axis(swept):
    tables, palette = swept
    figure = hyperparameters.learning_rate(tables, palette)
    rows = [row for table in figure.panels[0].chart.tables.values() for row in table]
    assert len(rows) == tables["one_at_a_time"].filter(hyperparameter="learning_rate").height
    assert "factor of 10" in figure.text
    assert figure.tables == ("one_at_a_time",)


def test_the_tuning_trials_stand_alone_where_the_sweep_has_a_figure_of_its_own(swept):
    figure = hyperparameters.sensitivity(*swept)
    rows = [row for panel in figure.panels for table in panel.chart.tables.values() for row in table]
    assert not [row for row in rows if row["trial"].startswith("sweep")]
    assert "The line is" not in figure.text


def test_the_cost_of_imprecision_has_a_panel_per_hyperparameter_and_one_for_all(swept):
    figure = sweeps.imprecision(*swept)
    assert [panel.description for panel in figure.panels] == [
        "Cost of imprecision, learning_rate",
        "Cost of imprecision, momentum",
        "Cost of imprecision, all together",
    ]


def test_without_such_a_sweep_the_figures_say_why(grown):
    overview = overview_of(load(grown))
    tables = study_tables(overview, parse_claims(packaged_text(), VOCABULARY))
    for figure in (sweeps.one_at_a_time, sweeps.imprecision):
        found = figure(tables, Palette.of(overview.ledger.study.optimizers))
        assert found.panels == ()
        assert "The study has a sweep of nine learning rates on the tuning seeds alone." in found.text
