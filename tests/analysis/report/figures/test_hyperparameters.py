"""Which sweep is drawn after a study has grown and its winner has changed."""

import pytest

from analysis.claims.file import packaged_text, parse_claims
from analysis.ledger.load import load
from analysis.report.charts.palette import Palette
from analysis.report.contents import study_tables
from analysis.report.figures import hyperparameters
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
