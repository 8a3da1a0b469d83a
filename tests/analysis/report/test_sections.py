"""The tables of the sections hold what the metrics measured, and each is computed once."""

import dataclasses

import polars as pl
import pytest

from analysis.claims.file import packaged_text, parse_claims
from analysis.ledger.load import load
from analysis.report import contents
from analysis.report.contents import figures, study_tables
from analysis.report.section import Section
from analysis.report.sections import SECTIONS
from analysis.tables.overview import overview_of
from analysis.verdicts.default_vocabulary import VOCABULARY


@pytest.fixture
def found(synthetic, tmp_path):
    return overview_of(load(synthetic().write(tmp_path / "study"))), parse_claims(packaged_text(), VOCABULARY)


@pytest.fixture
def tables(found):
    return study_tables(*found)


def test_the_spread_over_seeds_is_that_of_the_runs(tables):
    runs = tables["run_metrics"].filter(metric="test_error", setting="tuned", status="complete")
    spreads = tables["seed_spread"].filter(metric="test_error", setting="tuned")
    expected = runs.group_by("optimizer").agg(pl.col("value").std()).sort("optimizer")["value"]
    assert spreads["spread"].to_list() == pytest.approx(expected.to_list())
    assert (spreads["normal_low"] < spreads["spread"]).all()
    assert (spreads["spread"] < spreads["normal_high"]).all()


def test_the_score_is_the_area_under_the_profile(tables):
    assert not tables["performance_score"].is_empty()
    for row in tables["performance_score"].to_dicts():
        profile = tables["performance_profile"].filter(optimizer=row["optimizer"], setting=row["setting"])
        tau, share = profile["tau"].to_numpy(), profile["share"].to_numpy()
        assert row["score"] == pytest.approx((share[:-1] * (tau[1:] - tau[:-1])).sum() / (tau[-1] - tau[0]))


def test_a_table_is_computed_once_however_many_sections_ask_for_it(tables):
    assert tables["run_metrics"] is tables["run_metrics"]
    assert tables.all()["times_to_target"] is tables["times_to_target"]


def test_every_table_has_one_section():
    names = [name for section in SECTIONS for name in section.tables]
    assert len(names) == len(set(names))


def test_sections_differ_in_place_and_family():
    assert len({section.place for section in SECTIONS}) == len(SECTIONS)
    families = [section.family for section in SECTIONS if section.family]
    assert len(families) == len(set(families))


@pytest.mark.parametrize("name", ["run_metrics", "results", "verdicts", "repeats", "../escaped", "Mine", "", "a" * 41])
def test_a_section_may_not_replace_a_table_or_leave_the_folder(found, monkeypatch, name):
    own = Section(title="Mine", place=99, family=None, tables={name: lambda tables: tables["run_metrics"]})
    monkeypatch.setattr(contents, "SECTIONS", (*SECTIONS, own))
    with pytest.raises(
        ValueError, match=rf"A table of a section needs a name of its own .* 'Mine' has '{name}'; rename"
    ):
        study_tables(*found)


def test_a_second_section_of_a_family_adds_its_figures(tables, monkeypatch):
    def mine(tables, palette):
        return dataclasses.replace(stability.figures[0](tables, palette), name="mine")

    stability = next(section for section in SECTIONS if section.family == "stability")
    before = figures(tables, ()).of_sections
    own = Section(title="Mine", place=99, family="stability", figures=(mine,))
    monkeypatch.setattr(contents, "SECTIONS", (*SECTIONS, own))
    after = figures(tables, ()).of_sections
    assert [figure.name for figure in after.pop("Mine")] == ["mine"]
    assert {title: [figure.name for figure in own] for title, own in after.items()} == {
        title: [figure.name for figure in own] for title, own in before.items()
    }


def test_two_figures_of_one_name_are_refused(tables, monkeypatch):
    stability = next(section for section in SECTIONS if section.family == "stability")
    own = Section(title="Mine", place=99, family=None, figures=stability.figures[:1])
    monkeypatch.setattr(contents, "SECTIONS", (*SECTIONS, own))
    with pytest.raises(
        ValueError, match=r"Each figure of a report needs a name of its own, two are 'divergence_rates'; r"
    ):
        figures(tables, ())
