"""A section that is not what it should be, or has what another has, is refused in one line that names its file."""

import re

import polars as pl
import pytest

from analysis.claims.file import packaged_text, parse_claims
from analysis.ledger.load import load
from analysis.plugins import PluginError
from analysis.report import contents
from analysis.report.charts import Chart
from analysis.report.figures.figure import Figure, Panel
from analysis.report.page import markdown_text
from analysis.report.section import Section
from analysis.report.sections import ORIGINS, SECTIONS
from analysis.report.sections._checked import checked, refuse_shared
from analysis.report.write import write_report
from analysis.tables.overview import overview_of
from analysis.verdicts.default_vocabulary import VOCABULARY

WHERE = "my_package.section of the package my_package"


@pytest.fixture(scope="module")
def overview(ledger_dir):
    return overview_of(load(ledger_dir))


@pytest.fixture
def add(monkeypatch):
    """Has reports hold one more section."""

    def add(section):
        origins = {**ORIGINS, checked(section, WHERE): WHERE}
        monkeypatch.setattr(contents, "ORIGINS", origins)
        monkeypatch.setattr(contents, "SECTIONS", tuple(origins))

    return add


def section(**fields):
    return Section(**{"title": "Mine", "place": 9, "family": None, **fields})


def figure(**fields):
    return Figure(**{"name": "mine", "title": "Mine", "text": "", "panels": (), "tables": (), **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"title": ""}, "title must be one line of printable characters, got ''; mend it."),
        ({"title": "two\nlines"}, r"title must be one line of printable characters, got 'two\nlines'; mend it."),
        ({"place": "a"}, "place must be a whole number, got 'a'; mend it."),
        ({"place": None}, "place must be a whole number, got None; mend it."),
        ({"family": "My family"}, "tables and family are named by up to 40 .*, got 'My family'; rename it."),
        ({"tables": {"../../ESC": len}}, r"tables and family are named by up to 40 .*, got '../../ESC'; rename it."),
        ({"tables": {"Mine": len}}, "tables and family are named by up to 40 .*, got 'Mine'; rename it."),
        ({"tables": {"": len}}, "tables and family are named by up to 40 .*, got ''; rename it."),
        ({"tables": {"a" * 41: len}}, f"tables and family are named by up to 40 .*, got '{'a' * 41}'; rename it."),
        ({"tables": {"mine": 3}}, "tables, figures and methods are functions, got 3; mend it."),
        ({"figures": (None,)}, "tables, figures and methods are functions, got None; mend it."),
        ({"methods": "rows"}, "tables, figures and methods are functions, got 'rows'; mend it."),
    ],
)
def test_a_section_says_what_it_must_be(fields, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message).replace(re.escape('.*'), '.*')}$"):
        section(**fields)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, f"The table 'mine' must be made, a polars DataFrame, {WHERE} gives NoneType; mend it."),
        (
            pl.DataFrame({"a": [[1.0]]}),
            f"The table 'mine' must be made of columns that CSV can hold, {WHERE} gives 'a' as List(Float64); mend it.",
        ),
    ],
)
def test_a_table_that_is_none_is_refused(made, message):
    with pytest.raises(PluginError, match=f"^{re.escape(message)}$"):
        checked(section(tables={"mine": lambda _: made}), WHERE).tables["mine"](None)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, "a Figure, got NoneType"),
        (figure(name="a b"), "named by up to 40 lower-case letters, digits and underscores, a letter first, got 'a b'"),
        (figure(text=None), "with a title and a text, got str and NoneType"),
        (figure(panels=("chart",)), "of Panels that hold a Chart, got str"),
    ],
)
def test_a_figure_that_is_none_is_refused(made, message):
    def mine(*_):
        return made

    message = f"The figure of mine must be made, {message} ({WHERE}); mend it."
    with pytest.raises(PluginError, match=f"^{re.escape(message)}$"):
        checked(section(figures=(mine,)), WHERE).figures[0](None, None)


def test_methods_that_are_no_text_are_refused():
    message = f"The section 'Mine' must say which rows it rests on, a text, {WHERE} gives list; mend it."
    with pytest.raises(PluginError, match=f"^{re.escape(message)}$"):
        checked(section(methods=lambda _: []), WHERE).methods(None)


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(0)])
def test_a_section_that_raises_is_named(error):
    def fails(*_):
        raise error

    broken = checked(section(tables={"mine": fails}, figures=(fails,), methods=fails), WHERE)
    ending = re.escape(f", {WHERE} raises {error!r}; mend or remove it.")
    for call in (broken.tables["mine"], lambda tables: broken.figures[0](tables, None), broken.methods):
        with pytest.raises(PluginError, match=ending):
            call(None)


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        *((name, "the report itself") for name in ("counts", "results", "learning_curves", *contents.OTHER_TABLES)),
        ("run_metrics", "analysis/report/sections/accuracy.py"),
    ],
)
def test_a_table_of_the_report_cannot_be_replaced(overview, add, name, owner):
    add(section(tables={name: lambda _: pl.DataFrame()}))
    message = f"Each table of the report is that of one section, '{name}' is that of {owner} and of {WHERE};"
    with pytest.raises(PluginError, match=re.escape(message)):
        contents.study_tables(overview, parse_claims(packaged_text(), VOCABULARY))


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("test_accuracy", "the report itself"),
        ("survival", "analysis/report/sections/convergence.py"),
        ("divergence_rates", "analysis/report/sections/stability.py"),
    ],
)
def test_a_figure_of_the_report_cannot_be_replaced(overview, add, name, owner):
    add(section(figures=(lambda *_: figure(name=name),)))
    tables = contents.study_tables(overview, parse_claims(packaged_text(), VOCABULARY))
    message = f"Each figure of the report is that of one section, '{name}' is that of {owner} and of {WHERE};"
    with pytest.raises(PluginError, match=re.escape(message)):
        contents.figures(tables, ())


def test_a_second_section_of_a_family_adds_its_figures(overview, add):
    tables = contents.study_tables(overview, parse_claims(packaged_text(), VOCABULARY))
    before = contents.figures(tables, ()).of_sections
    add(section(family="stability", figures=(lambda *_: figure(name="mine"),)))
    after = contents.figures(tables, ()).of_sections
    assert [drawn.name for drawn in after.pop("Mine")] == ["mine"]
    assert {title: [drawn.name for drawn in own] for title, own in after.items()} == {
        title: [drawn.name for drawn in own] for title, own in before.items()
    }


def test_two_sections_of_one_name_are_both_named():
    named = [("Stability", "one.py"), ("Accuracy", "two.py"), ("Stability", "three.py")]
    with pytest.raises(PluginError, match=r"^Each title .* 'Stability' is that of one\.py and of three\.py; rename"):
        refuse_shared("title", named)


def test_the_report_knows_where_its_sections_come_from():
    assert ORIGINS[SECTIONS[0]] == "analysis/report/sections/accuracy.py"


def test_a_chart_that_cannot_be_drawn_names_its_figure_and_nothing_is_written(ledger_dir, add, tmp_path):
    panel = Panel(chart=Chart(view={"mark": object()}, tables={}), description="none")
    add(section(figures=(lambda *_: figure(panels=(panel,)),)))
    with pytest.raises(PluginError, match=r"^The figure 'mine' must be one that Vega-Lite can draw, its section raise"):
        write_report(ledger_dir, tmp_path / "report")
    assert not list(tmp_path.iterdir())


def test_a_title_is_text_in_markdown(ledger_dir, add, tmp_path):
    title = "<b>Mine</b> & [others](x)"
    add(section(title=title, family="mine", figures=(lambda *_: figure(),)))
    written = write_report(ledger_dir, tmp_path / "report").path.with_name("report.md").read_text(encoding="utf-8")
    assert f"\n## {markdown_text(title)}\n" in written
    assert "<b>" not in written
