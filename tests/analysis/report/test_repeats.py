"""The report of a study that was tuned several times."""

import dataclasses
import re

import polars as pl
import pytest

from analysis.ledger.load import load
from analysis.report.repeats import repeats_table, repeats_text
from analysis.report.write import write_report
from analysis.tables.overview import overview_of
from analysis.tables.results import results_table
from analysis.verdicts.looks import look_number


@pytest.fixture(scope="module")
def report(repeated_dir, tmp_path_factory):
    return write_report(repeated_dir, tmp_path_factory.mktemp("report")).path.parent


def found_in(folder):
    return [overview_of(load(place)) for place in (folder, folder / "repeats" / "1", folder / "repeats" / "4")]


def test_the_table_holds_the_results_of_every_tuning(repeated_dir):
    tunings = found_in(repeated_dir)
    table = repeats_table(tunings)
    assert table.select("repeat", "optimizer").rows() == [
        (0, "sgd"), (0, "momentum"), (1, "sgd"), (1, "momentum"), (4, "sgd"),
    ]  # fmt: skip
    for overview in tunings[:2]:
        own = table.filter(repeat=overview.ledger.study.repeat).drop("repeat")
        assert own.to_dicts() == results_table(overview.ledger.study, overview.results).to_dicts()
    last = table.filter(repeat=4).row(0, named=True)
    assert (last["tuned_accuracy"], last["tuned_accuracy_seeds"], last["tuned.momentum"]) == (None, 0, None)
    assert last["tuned.learning_rate"] == found_in(repeated_dir)[2].best["sgd"].hyperparameters["learning_rate"]


def test_the_text_gives_the_range_of_each_optimizer_and_names_what_is_not_whole(repeated_dir):
    tunings = found_in(repeated_dir)
    means = [result.tuned_accuracy.mean for overview in tunings[:2] for result in overview.results[:1]]
    low, high = (f"{100 * end(means):.1f}%" for end in (min, max))
    _, ranges, partial = repeats_text(tunings)
    assert f": sgd {low} to {high} and momentum " in ranges
    assert re.fullmatch(r"Repeat 4 is partial: \d+ of \d+ trials\.", partial)


def test_the_page_shows_every_tuning_and_says_of_which_the_figures_are(report):
    page = (report / "report.html").read_text(encoding="utf-8")
    section = page[page.index('<section id="repeats">') :].partition("</section>")[0]
    assert section.count("<tr") == 1 + 5
    assert "The other tables and all figures are those of repeat 0, the verdicts rest on all." in section
    assert "not confirmed" in section
    status = re.search(r'<p class="status partial">Study partial: (\d+) of (\d+) trials in 3 tunings</p>', page)
    assert int(status[1]) < int(status[2])
    assert "<li>repeat 4, sgd: " in page
    stored = pl.read_csv(report / "tables" / "repeats.csv")
    rate = stored.filter(repeat=1, optimizer="momentum")["tuned.momentum"][0]
    assert f'<span class="name">momentum</span> {rate:.3g}' in section
    text = (report / "report.md").read_text(encoding="utf-8")
    assert "| momentum | 1 | learning\\_rate " in text
    assert "[repeats.csv](tables/repeats.csv)" in text


POOLED = ("expected_best", "importance", "joint_map", "joint_slope", "learning_rate_drift", "tunability")
"""Of the search space, by the trials of all tunings; figures of these names draw them."""


def test_figures_and_tables_are_those_of_the_first_tuning(report, synthetic, tmp_path):
    alone = write_report(synthetic().write(tmp_path / "alone")).path.parent
    paths = sorted(path.relative_to(alone) for path in alone.rglob("*") if path.suffix in (".csv", ".svg"))
    assert len(paths) > 10
    for path in [path for path in paths if path.stem not in (*POOLED, "learning_rate", "valley")]:
        assert (report / path).read_bytes() == (alone / path).read_bytes(), path
    assert not (alone / "tables" / "repeats.csv").exists()
    assert '<section id="repeats">' not in (alone / "report.html").read_text(encoding="utf-8")


def test_repeats_given_by_name_make_the_report_of_their_folder(report, repeated_dir, synthetic, tmp_path):
    first = synthetic().write(tmp_path / "first")
    named = [first, *(repeated_dir / "repeats" / name for name in ("4", "1"))]
    write_report(named)
    for name in ("report.html", "tables/repeats.csv"):
        assert (first / "report" / name).read_bytes() == (report / name).read_bytes()


def test_a_look_at_more_repeats_is_another_look(repeated_dir):
    """What the first tuning alone showed has been seen; all of them together have not."""
    ledgers = [overview.ledger for overview in found_in(repeated_dir)]
    confirmed = ledgers[0].trials.filter(phase="confirm")["optimizer"]
    look = {"confirmed": {name: int((confirmed == name).sum()) for name in ("sgd", "momentum")}}
    first = dataclasses.replace(ledgers[0], study=dataclasses.replace(ledgers[0].study, looks=(look,)))
    assert look_number([ledgers[0]], "sgd", "momentum") == 1
    assert look_number([first], "sgd", "momentum") == 1
    assert look_number([first, *ledgers[1:]], "sgd", "momentum") == 2
