"""The report as files, for every kind of ledger."""

import errno
import html.parser
import json
import os
import pathlib
import re
import subprocess
import sys

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analysis.ledger.load import load
from analysis.report.__main__ import main
from analysis.report.write import write_report
from analysis.tables.overview import overview_of

ROOT = pathlib.Path(__file__).parents[3]
HOSTILE = "<script>alert('x')</script>\n\"quoted\" 🙂 a|b {{ 7*7 }}"


class Page(html.parser.HTMLParser):
    """Collects what a browser would load, and which elements there are."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.links, self.tags, self.ids = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = dict(attrs)
        self.loads += [values[name] for name in ("src", "srcset", "data", "poster") if name in values]
        self.loads += [values["href"]] if tag == "link" else []
        self.links += [values["href"]] if tag == "a" else []
        self.ids += [values["id"]] if "id" in values else []


def charts_of(report_dir):
    text = (report_dir / "report.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="charts">(.*?)</script>', text, re.DOTALL)[1])


def test_a_report_is_page_markdown_tables_and_figures(full):
    folder = full.path.parent
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    figures = ("test_accuracy", "learning_curves", "learning_rate", "sensitivity", "divergence", "generalization_gap")
    assert {f"figures/{name}.svg" for name in (*figures, "step_seconds")} <= names
    assert {"report.html", "report.md", "tables/results.csv", "tables/counts.csv"} <= names
    assert not [name for name in names if name.endswith(".draft")]


@pytest.mark.parametrize("name", ["test_accuracy", "learning_curves", "learning_rate", "generalization_gap"])
def test_a_figure_names_its_optimizers(full, name):
    drawing = (full.path.parent / "figures" / f"{name}.svg").read_text(encoding="utf-8")
    assert all(f">{optimizer}</text>" in drawing for optimizer in ("sgd", "momentum"))


def test_the_report_lies_in_the_study_unless_told_otherwise(synthetic, tmp_path):
    folder = synthetic(num_trials=1, phases=("tuning",)).write(tmp_path / "study")
    assert write_report(folder).path == folder / "report" / "report.html"


def test_the_page_loads_nothing(full):
    page = Page(full.path.read_text(encoding="utf-8"))
    assert page.loads == []
    local = [link for link in page.links if not link.startswith("https://")]
    assert local
    assert all((full.path.parent / link).is_file() for link in local)


def test_every_panel_has_its_chart(full):
    page, charts = Page(full.path.read_text(encoding="utf-8")), charts_of(full.path.parent)
    assert set(charts["charts"]) <= set(page.ids)
    named = {name for chart in charts["charts"].values() for name in chart["tables"]}
    assert named == set(charts["datasets"])


def test_every_chart_follows_the_schema_of_vega_lite(full):
    import altair

    charts = charts_of(full.path.parent)["charts"]
    for name in [name for name in charts if name.endswith("-0")]:
        altair.Chart.from_dict(charts[name]["specification"], validate=True)


def test_tables_read_back_equal_what_was_computed(full, ledger_dir):
    for name, table in overview_of(load(ledger_dir)).tables().items():
        stored = pl.read_csv(full.path.parent / "tables" / f"{name}.csv", schema=table.schema)
        assert_frame_equal(stored, table, check_exact=True)


def test_the_same_rows_give_the_same_bytes(full, ledger_dir, tmp_path):
    again = write_report(ledger_dir, tmp_path / "again").path.parent
    first = full.path.parent
    for path in sorted(path for path in first.rglob("*") if path.is_file()):
        assert (again / path.relative_to(first)).read_bytes() == path.read_bytes(), path.name


def test_the_report_says_what_was_done(full):
    text = full.path.with_name("report.md").read_text(encoding="utf-8")
    for fact in ("1,000 training images", "batch size 8", "3 epochs", "5 tuning trials", "3 fresh seeds", "Krizhevsky"):
        assert fact in text


def test_the_report_carries_the_results(full):
    assert [result.optimizer for result in full.results] == ["sgd", "momentum"]
    best = full.results[0]
    assert best.tuned_accuracy.low <= best.tuned_accuracy.mean <= best.tuned_accuracy.high
    assert best.trials == 5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"phases": ("tuning",)}, "No setting has been confirmed on fresh seeds"),
        ({"phases": ("confirm",)}, "Missing so far"),
        ({"phases": ("tuning", "sweep")}, "these are the tuning runs themselves"),
        ({"num_confirm_seeds": 1, "num_seeds": 1}, "one seed, no interval"),
        ({"outcome": lambda _: "diverged"}, "No trial has run to its end"),
        ({"outcome": lambda _: "failed"}, "no best one"),
        ({"outcome": lambda key: "failed" if key[2] == 1 else "complete"}, "RuntimeError: out of memory"),
        ({"num_epochs": 1}, "1 epoch"),
        ({"model": "none"}, "Nothing was trained: a formula drew these curves."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_report_comes_out_of_whatever_is_there(synthetic, tmp_path, change, said):
    optimizers = {"momentum": synthetic().optimizers["momentum"]}
    folder = synthetic(**{"num_trials": 3, "optimizers": optimizers, **change}).write(tmp_path / "study")
    report = write_report(folder)
    page = report.path.read_text(encoding="utf-8")
    assert said in page
    assert "nan" not in report.path.with_name("report.md").read_text(encoding="utf-8").lower().replace("unanimous", "")
    assert charts_of(report.path.parent)["charts"].keys() <= set(Page(page).ids)


def test_an_optimizer_may_have_any_name_and_any_hyperparameters(synthetic, tmp_path):
    space = {
        "a.b[0]": {"low": -1.0, "high": 1.0, "scale": "linear", "unit": "1"},
        HOSTILE: {"low": 0.5, "high": 2.0, "scale": "log", "unit": "1"},
        "learning_rate": {"low": 1e-3, "high": 0.1, "scale": "log", "unit": "1"},
    }
    published = {"a.b[0]": 0.0, HOSTILE: 0.0, "learning_rate": 0.01}
    entry = {
        "space": space,
        "published": published,
        "equation": HOSTILE,
        "reference": f"{HOSTILE} https://example.org/a",
    }
    plain = {"space": {"x": {"low": 0.0, "high": 1.0, "scale": "linear", "unit": "1"}}, "published": {"x": 0.5}}
    study = synthetic(
        optimizers={HOSTILE: entry, "plain": plain}, num_trials=3, message=HOSTILE,
        outcome=lambda key: "failed" if key[1:3] == ("explore", 2) else "complete",
    )  # fmt: skip
    report = write_report(study.write(tmp_path / "study"))
    page = report.path.read_text(encoding="utf-8")
    assert "alert('x')</script>" not in page
    assert "{{ 7*7 }}" in page
    assert Page(page).tags.count("script") == 3
    assert "<script" not in report.path.with_name("report.md").read_text(encoding="utf-8")
    assert "1 value of 0 or beyond the logarithmic axis cannot be drawn" in page


@pytest.mark.parametrize("make", ["missing", "file", "empty", "no rows"])
def test_what_is_no_study_is_refused_in_one_line_and_nothing_is_written(synthetic, tmp_path, capsys, make):
    folder = tmp_path / "study"
    match make:
        case "file":
            folder.write_text("no folder")
        case "empty":
            folder.mkdir()
        case "no rows":
            synthetic(phases=()).write(folder)
    before = sorted(tmp_path.rglob("*"))
    assert main([str(folder)]) == 2
    message = capsys.readouterr().err
    assert message.startswith("python -m analysis.report: error: ")
    assert message.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_an_output_that_is_a_file_is_refused(synthetic, tmp_path, capsys):
    folder = synthetic(num_trials=1, phases=("tuning",)).write(tmp_path / "study")
    (tmp_path / "output").write_text("a file")
    assert main([str(folder), "--output", str(tmp_path / "output")]) == 2
    assert "the report must go to a folder that can be written, got" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_is_full_or_read_only_keeps_the_report_of_before(synthetic, tmp_path, capsys, monkeypatch, number):
    folder = synthetic(num_trials=2, phases=("tuning",)).write(tmp_path / "study")
    assert main([str(folder)]) == 0
    before = {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}
    write_text = pathlib.Path.write_text

    def write(path, content, **options):
        if "report.html" in path.name:
            raise OSError(number, os.strerror(number), str(path))
        return write_text(path, content, **options)

    monkeypatch.setattr(pathlib.Path, "write_text", write)
    capsys.readouterr()
    assert main([str(folder)]) == 1
    message = capsys.readouterr().err
    assert os.strerror(number) in message
    assert message.count("\n") == 1
    files = {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}
    assert [path for path in files if path.is_file() and files[path] != before.get(path)] == []
    assert files.keys() == before.keys()


BLOCKED = """
import sys
class Without:  # importing one of these raises, asking whether it is installed says no
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, *rest):
        absent = name.partition(".")[0] in ("torch", "ray", "study", "trainables")
        return None if absent else self.finder.find_spec(name, *rest)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
from analysis.report.__main__ import main
assert not {"altair", "vl_convert"} & set(sys.modules)
sys.exit(main(sys.argv[1:]))
"""


def test_a_report_needs_neither_torch_nor_ray_nor_the_other_packages(synthetic, tmp_path):
    folder = synthetic(num_trials=2, phases=("tuning", "confirm")).write(tmp_path / "study")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BLOCKED, str(folder)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(folder / "report" / "report.html")


def test_questions_may_be_about_different_pairs(ledger_dir, tmp_path):
    question = (
        '[[questions]]\nname = "{0}"\nmetric = "test_error"\nimprovement = "difference"\nsmallest_effect = 0.01\n'
        'a = ["{1}"]\nb = ["{2}"]\nrefuted_by = "{{b}} is better"\n'
    )
    claims = tmp_path / "claims.toml"
    claims.write_text(question.format("is better", "sgd", "momentum") + question.format("is worse", "momentum", "sgd"))
    report = write_report(ledger_dir, tmp_path / "report", claims)
    page = report.path.read_text(encoding="utf-8")
    for pair in ("sgd vs momentum", "momentum vs sgd"):
        assert f'data-label="{pair}" class="none"></td>' in page
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    cells = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("| **is ")}
    assert [cells["| **is better**"].count("|"), cells["| **is worse**"].count("|")] == [4, 4]


def test_a_report_is_not_written_through_a_link_that_a_study_brings_along(synthetic, tmp_path, capsys):
    folder = synthetic(num_trials=2, phases=("tuning",)).write(tmp_path / "study")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "report").symlink_to(elsewhere)
    assert main([str(folder)]) == 2
    assert capsys.readouterr().err == (
        f"python -m analysis.report: error: files are written into folders, '{folder / 'report'}' is a link to "
        f"'{elsewhere}'; remove it, or name the folder that is meant with --output.\n"
    )
    assert list(elsewhere.iterdir()) == []
    (folder / "report").unlink()
    (folder / "report").mkdir()
    (folder / "report" / "tables").symlink_to(elsewhere)
    assert main([str(folder)]) == 2
    assert "report/tables' is a link to" in capsys.readouterr().err
    assert list(elsewhere.iterdir()) == []


def test_a_link_that_is_named_is_the_folder_that_it_stands_for(synthetic, tmp_path):
    folder = synthetic(num_trials=2, phases=("tuning",)).write(tmp_path / "study")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert main([str(folder), "--output", str(tmp_path / "link")]) == 0
    assert (tmp_path / "elsewhere" / "report.html").exists()


def test_no_table_of_a_report_holds_a_formula(synthetic, tmp_path):
    entry = {"space": {"=rate": {"low": 1e-4, "high": 1.0, "scale": "log", "unit": "1"}}, "published": {"=rate": 0.01}}
    folder = synthetic(optimizers={"@sgd": entry, "=1+1": entry}, num_trials=3).write(tmp_path / "study")
    assert main([str(folder)]) == 0
    for path in (folder / "report" / "tables").glob("*.csv"):
        rows = pl.read_csv(path, infer_schema=False)
        cells = [*rows.columns, *(cell for column in rows for cell in column if cell)]
        assert not [cell for cell in cells if cell[0] in "=+@\t\r"], path.name
