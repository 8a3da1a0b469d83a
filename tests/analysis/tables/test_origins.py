"""What is said of rows that other code or other versions have made."""

import json

import polars as pl
import pyarrow.parquet as pq
import pytest

from analysis.ledger.load import load
from analysis.report.write import write_report
from analysis.tables.origins import mixture

OLD, NEW = ({"versions": {"python": "3.11.4", "torch": torch}, "code": {"study": "1"}} for torch in ("2.3.1", "2.4.0"))


@pytest.fixture
def made_by(planted, tmp_path):
    """Writes a study of which each row is of the run that a polars expression gives."""

    def write(runs, run):
        folder = planted(phases=("tuning", "confirm")).write(tmp_path / "study")
        content = json.loads((folder / "study.json").read_text(encoding="utf-8"))
        (folder / "study.json").write_text(json.dumps({**content, "runs": runs}), encoding="utf-8")
        (path,) = (folder / "trials").glob("*.parquet")
        table = pq.read_table(path)
        rows = pl.DataFrame(pl.from_arrow(table)).with_columns(run=run.cast(pl.Int32))
        pq.write_table(rows.to_arrow().cast(table.schema), path)
        return folder

    return write


IS_LANGEVIN = pl.col("optimizer") == "langevin"


def test_a_change_is_told_with_its_share_of_each_optimizer_at_the_top_of_the_report(made_by):
    folder = made_by([OLD, NEW], IS_LANGEVIN.cast(pl.Int32))
    report = write_report(folder)
    trials = load(folder).trials
    num_langevin, num_rows = trials.filter(IS_LANGEVIN).height, trials.height
    said = (
        f"These rows were not all made alike: {num_rows - num_langevin} of {num_rows} trained networks as the first; "
        f"{num_langevin} (langevin {num_langevin} of {num_langevin}) where torch was 2.3.1 and is 2.4.0. "
        "What looks like an effect may be one of the change."
    )
    assert report.mixture == said
    page, markdown = (report.path.with_suffix(kind).read_text(encoding="utf-8") for kind in (".html", ".md"))
    assert 0 < page.index(said) < page.index('<section id="answer">')
    assert f"**{said}**" in markdown.split("\n## ")[0]


@pytest.mark.parametrize(
    ("runs", "run"),
    [
        ([OLD, OLD], IS_LANGEVIN.cast(pl.Int32)),
        ([OLD, NEW], pl.lit(1)),
        ([OLD, NEW], pl.lit(None)),
        ([{**OLD, "hardware": {"cpu": "a"}}, {**OLD, "hardware": {"cpu": "b"}}], IS_LANGEVIN.cast(pl.Int32)),
    ],
)
def test_rows_that_were_made_alike_are_no_matter(made_by, runs, run):
    assert mixture([load(made_by(runs, run))]) == ""


@pytest.mark.parametrize("run", [pl.when(IS_LANGEVIN).then(0), pl.when(IS_LANGEVIN).then(0).otherwise(7)])
def test_rows_of_which_nothing_is_known_were_made_otherwise(made_by, run):
    assert "the versions were not stored; digests of the code were not stored" in mixture([load(made_by([OLD], run))])


def test_repeats_that_were_made_otherwise_are_counted_together(made_by, planted, tmp_path):
    first = load(made_by([OLD], pl.lit(0)))
    second = load(planted(phases=("tuning", "confirm"), identity={"repeat": 1}).write(tmp_path / "second"))
    assert mixture([first, first]) == ""
    total = first.trials.height + second.trials.height
    assert f"{first.trials.height} of {total} trained networks as the first" in mixture([first, second])
