"""Two studies side by side: what differs, what each found, what is refused."""

import dataclasses
import html.parser
import json
import pathlib
import re

import polars as pl
import pytest

from analysis.ledger.load import load
from analysis.report.__main__ import main
from analysis.report.comparison import Comparison, compare, difference_rows, side_names, verdict_rows
from analysis.report.write import write_comparison, write_report
from analysis.tables.overview import overview_of

HOSTILE = "<script>alert('x')<|script> {{ 7*7 }} \"quoted\" 🙂"


CLAIMS = """
[datasets.cifar10-mini]
chance_accuracy = 0.1
learned_accuracy = 0.175

[[questions]]
name = "classifies better"
metric = "test_error"
improvement = "difference"
smallest_effect = 0.001
a = ["sgd"]
b = ["momentum"]
refuted_by = "{b} is better than {a}"
"""


@pytest.fixture(scope="module")
def folders(ledger_dir, repeated_dir):
    """Two studies, the second one tuned three times."""
    return ledger_dir, repeated_dir


@pytest.fixture(scope="module")
def page(folders, tmp_path_factory):
    return write_comparison(folders, tmp_path_factory.mktemp("comparison"))


def test_studies_are_named_by_the_fewest_folders_that_tell_them_apart():
    assert side_names(pathlib.Path("/x/one"), pathlib.Path("/x/other")) == ("one", "other")
    assert side_names(pathlib.Path("/x/same"), pathlib.Path("/y/same")) == ("x/same", "y/same")
    assert side_names(pathlib.Path("/same"), pathlib.Path("/y/same")) == ("/same", "y/same")


def test_differences_are_listed_from_identity_to_definitions(ledger_dir):
    one = load(ledger_dir).study
    sgd = one.optimizers["sgd"]
    moved = dataclasses.replace(sgd.space["learning_rate"], high=2.0)
    changed = dataclasses.replace(sgd, space={"learning_rate": moved}, source="SPEC = 1", reference="corrected")
    other = dataclasses.replace(
        one,
        identity={**one.identity, "shared_order": True, "batch_size": 16},
        optimizers={"sgd": changed},
        num_trials=9,
    )
    assert difference_rows(one, other) == [
        ("batch_size", "8", "16"),
        ("shared_order", "False", "True"),
        ("optimizers", "sgd, momentum", "sgd"),
        ("num_trials", "5", "9"),
        ("sgd.learning_rate", "0.0001 to 1, log", "0.0001 to 2, log"),
        ("sgd.source", "not stored", "SPEC = 1"),
    ]
    assert difference_rows(one, one) == []


@dataclasses.dataclass(frozen=True)
class Told:
    """As much of a verdict as decides where it stands."""

    claim: str
    word: str
    unit: str = "fraction of b"


def test_verdicts_on_one_claim_stand_in_one_row():
    mine = [Told("a beats b", "SUPPORTED"), Told("a beats d", "EQUIVALENT")]
    theirs = [Told("a beats d", "REFUTED", "nats"), Told("a beats b", "INCONCLUSIVE")]
    rows = verdict_rows(mine, theirs)
    assert [(row.claim, row.unit, row.a, row.b) for row in rows] == [
        ("a beats b", "fraction of b", mine[0], theirs[1]),
        ("a beats d", "fraction of b", mine[1], None),
        ("a beats d", "nats", None, theirs[0]),
    ]
    assert verdict_rows([], []) == []


def test_both_studies_are_judged_as_in_their_own_reports(synthetic, tmp_path):
    """Twelve seeds each; the second study lacks one side of the claim, the third one has a side without noise."""
    claims = tmp_path / "claims.toml"
    claims.write_text(CLAIMS)
    sizes = {"num_trials": 3, "num_confirm_seeds": 12, "group_size": 12, "phases": ("tuning", "confirm")}
    only = {"sgd": synthetic().optimizers["sgd"]}
    folders = [
        synthetic(**sizes).write(tmp_path / "both"),
        synthetic(**sizes, optimizers=only).write(tmp_path / "one"),
    ]
    write_report(folders[0], tmp_path / "report", claims)
    (own,) = json.loads((tmp_path / "report" / "verdicts.json").read_text(encoding="utf-8"))
    assert own["verdict"] in ("SUPPORTED", "REFUTED")
    page = write_comparison((folders[0], folders[1]), tmp_path / "comparison", claims)
    (row,) = pl.read_csv(page.parent / "tables" / "compare_verdicts.csv").to_dicts()
    assert row["claim"] == "sgd classifies better than momentum"
    for name in ("verdict", "estimate", "low", "high", "seeds"):
        assert row[f"{name}_a"] == own[name]
        assert row[f"{name}_b"] is None
    text = page.read_text(encoding="utf-8")
    assert f"</b> {own['verdict']}</span>" in text
    assert text.count("These claims were not fixed before the study") == 2
    assert "12 seeds" in text
    tables = re.findall(r"(?:^\|.*\|\n)+", page.with_name("compare.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [len(table.splitlines()) for table in tables] == [2 + 2, 2 + 1, 2 + 1]
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_the_tables_hold_both_studies(folders):
    tables = compare(*folders).tables()
    results = tables["compare_results"]
    names = side_names(*folders)
    assert results.select("study", "repeat", "optimizer").rows() == [
        (names[0], 0, "sgd"), (names[0], 0, "momentum"), (names[1], 0, "sgd"), (names[1], 0, "momentum"),
        (names[1], 1, "sgd"), (names[1], 1, "momentum"), (names[1], 4, "sgd"),
    ]  # fmt: skip
    own = overview_of(load(folders[0])).results[0]
    row = results.row(0, named=True)
    assert (row["tuned_accuracy"], row["tuned_accuracy_low"]) == (own.tuned_accuracy.mean, own.tuned_accuracy.low)
    seeds = tables["compare_seeds"]
    assert seeds.group_by("study", "optimizer").len().sort("study", "optimizer")["len"].to_list() == [3, 3, 3, 3]
    assert tables["compare_verdicts"].is_empty()


def test_the_page_holds_settings_accuracies_and_the_chart_of_both(page, folders):
    text = page.read_text(encoding="utf-8")
    report = (folders[0], overview_of(load(folders[0])))
    accuracy = report[1].results[0].tuned_accuracy
    assert text.count(f"{100 * accuracy.low:.1f} to {100 * accuracy.high:.1f}%") >= 2
    for name in side_names(*folders):
        assert f"Test accuracy, {name}" in text
    assert "Content-Security-Policy" in text
    (chart,) = json.loads(re.search(r'id="charts">(.*?)</script>', text, re.DOTALL)[1])["charts"].values()
    import altair

    altair.Chart.from_dict(chart["specification"], validate=True)
    drawing = (page.parent / "figures" / "compare.svg").read_text(encoding="utf-8")
    assert all(f">{name}</text>" in drawing for name in ("sgd", "momentum", *side_names(*folders)))
    assert "The study was tuned 3 times" in text
    assert "Neither study holds both sides of a claim." in text


def test_the_page_loads_nothing_and_its_links_lead_to_files(page):
    class Page(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.loads, self.links = [], []

        def handle_starttag(self, tag, attrs):
            values = dict(attrs)
            self.loads += [values[name] for name in ("src", "srcset", "data", "poster") if name in values]
            self.loads += [values["href"]] if tag == "link" else []
            self.links += [values["href"]] if tag == "a" else []

    seen = Page()
    seen.feed(page.read_text(encoding="utf-8"))
    assert seen.loads == []
    assert seen.links
    assert all((page.parent / link).is_file() for link in seen.links)
    linked = re.findall(r"\]\(([^)]+)\)", page.with_name("compare.md").read_text(encoding="utf-8"))
    assert linked
    assert all((page.parent / link).is_file() for link in linked)


def test_the_same_rows_give_the_same_bytes(page, folders, tmp_path):
    again = write_comparison(folders, tmp_path / "again").parent
    for path in sorted(path for path in page.parent.rglob("*") if path.is_file()):
        assert (again / path.relative_to(page.parent)).read_bytes() == path.read_bytes(), path.name


def test_studies_of_different_optimizers_with_hostile_names(synthetic, tmp_path):
    plain = {"space": {"x": {"low": 0.0, "high": 1.0, "scale": "linear", "unit": "1"}}, "published": {"x": 0.5}}
    one = synthetic(optimizers={HOSTILE: plain}, num_trials=2, identity={"dataset": HOSTILE}).write(tmp_path / HOSTILE)
    other = synthetic(optimizers={"plain": plain}, num_trials=2, phases=("tuning",)).write(tmp_path / "other")
    page = write_comparison((one, other), tmp_path / "comparison")
    text = page.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "{{ 7*7 }}" in text
    assert text.count("not in this study") == 4
    assert "Two studies that differ in dataset." in text


def test_a_comparison_without_any_confirmation_has_no_chart(synthetic, tmp_path):
    folders = tuple(synthetic(num_trials=2, phases=("tuning",)).write(tmp_path / name) for name in ("a", "b"))
    page = write_comparison(folders, tmp_path / "comparison")
    assert "Neither study has confirmed a setting" in page.read_text(encoding="utf-8")
    assert "Two studies of one identity" in page.read_text(encoding="utf-8")
    assert not (page.parent / "figures").exists()


@pytest.fixture
def given(synthetic, tmp_path, monkeypatch):
    """A folder with what the cases name, the command runs in it."""
    small = {"num_trials": 1, "phases": ("tuning",)}
    synthetic(**small).write(tmp_path / "a")
    synthetic(**small, num_epochs=2).write(tmp_path / "b")
    synthetic(phases=()).write(tmp_path / "empty")
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "claims.toml").write_text(CLAIMS.replace("momentum", "mometnum"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


REFUSED = {
    "three studies": (
        ["--compare", "a", "b", "empty", "--output", "out"],
        r"takes the folders of two studies, got 3\.",
    ),
    "one study": (["--compare", "a", "--output", "out"], r"--compare takes the folders of two studies, got 1\."),
    "no output": (["--compare", "a", "b"], r"--compare needs a folder for its page, got none; add --output DIR\."),
    "no folder": (["--compare", "a", "file", "--output", "out"], r"a study folder is expected, 'file' is not a folder"),
    "missing folder": (["--compare", "nowhere", "b", "--output", "out"], r"'nowhere' is not a folder"),
    "empty ledger": (["--compare", "a", "empty", "--output", "out"], r"a report needs at least one finished trial"),
    "the same twice": (
        ["--compare", "a", "./a", "--output", "out"],
        r"each folder may be given once, 'a' is given twice",
    ),
    "output that is a file": (["--compare", "a", "b", "--output", "file"], r"the report must go to a folder that can"),
    "claims about nobody": (
        ["--compare", "a", "b", "--output", "out", "--claims", "claims.toml"],
        r"claims must name known optimizers .*, got mometnum;",
    ),
    "no claims": (
        ["--compare", "a", "b", "--output", "out", "--claims", "file"],
        r"a file of claims is needed, 'file'",
    ),
    "parts of two studies": (["a", "b"], r"'b' is not of that of 'a': num_epochs is 2, not 3; put two studies side"),
    "a part twice": (["a", "a"], r"each folder may be given once, 'a' is given twice; leave one out\."),
    "an empty part": (["a", "empty"], r"a report needs at least one finished trial"),
    "a part that is no folder": (["a", "file"], r"'file' is not a folder"),
    "no study": ([], r"the following arguments are required: STUDY_DIR"),
    "unknown option": (["a", "--comparison"], r"unrecognized arguments: --comparison"),
    "abbreviated option": (["a", "b", "--comp"], r"unrecognized arguments: --comp"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_gets_one_line_status_2_and_nothing_is_written(case, given, capsys):
    words, pattern = REFUSED[case]
    before = sorted(given.rglob("*"))
    try:
        status = main(words)
    except SystemExit as left:
        status = left.code
    assert status == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert re.fullmatch(rf"python -m analysis\.report: error: .*{pattern}.*", line), line
    assert sorted(given.rglob("*")) == before


def test_the_command_prints_the_page(given, capsys):
    assert main(["--compare", "a", "b", "--output", "out"]) == 0
    assert capsys.readouterr().out == "out/compare.html\n"
    assert (given / "out" / "compare.html").exists()
    assert not (given / "a" / "report").exists()


def test_an_optimizer_of_the_second_study_comes_after_those_of_the_first(folders):
    sides = compare(*folders)
    turned = dataclasses.replace(sides.b.overview.ledger.study, optimizers={"adam": None, "sgd": None})
    ledger = dataclasses.replace(sides.b.overview.ledger, study=turned)
    other = dataclasses.replace(sides.b, tunings=(dataclasses.replace(sides.b.overview, ledger=ledger),))
    assert Comparison(sides.a, other).optimizers == ["sgd", "momentum", "adam"]
