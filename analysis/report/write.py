"""From the folders of studies to a written report or comparison."""

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.claims.file import read_claims
from analysis.ledger.join import load_studies
from analysis.links import refuse_link
from analysis.report.comparison import compare
from analysis.report.repeats import repeats_table
from analysis.report.replace import replace_all
from analysis.report.text.first_screen import tally
from analysis.spreadsheet import quoted
from analysis.tables.origins import mixture
from analysis.tables.overview import overview_of
from analysis.tables.results import Result
from analysis.verdicts.claims_of_study import judge_claims
from analysis.verdicts.default_vocabulary import VOCABULARY


@dataclass(frozen=True)
class Report:
    """A written report.

    Args:
        path: Where its page lies.
        results: The result of each optimizer, in the order of the study.
        verdicts: How many claims came out how, in one sentence; empty if the study holds the sides of none.
        mixture: Which rows came after a change of code or versions; empty if all were made alike.
    """

    path: pathlib.Path
    results: tuple[Result, ...]
    verdicts: str
    mixture: str = ""


def write_report(
    study_dirs: pathlib.Path | Sequence[pathlib.Path],
    output: pathlib.Path | None = None,
    claims: pathlib.Path | None = None,
) -> Report:
    """Write `report.html`, `report.md`, `verdicts.json`, `tables/*.csv` and `figures/*.svg`.

    The same rows give the same bytes; files of an earlier report are replaced.

    Args:
        study_dirs: Folder of the ledger, or several of one study.
        output: Folder of the report; `report` inside the first of `study_dirs` if None.
        claims: File of other claims than those that the study began with; the report says so.

    Raises:
        LedgerError: A folder holds no ledger that can be reported on, the ledgers are not of one study, or the claims
            name an optimizer that nobody knows; nothing is written.
        ValueError: `claims` is no file of claims; nothing is written.
        OSError: The folder of the report cannot be written.
    """
    # The chart libraries are loaded only now: refusing a folder takes no charts.
    from analysis.report.contents import figures, study_tables
    from analysis.report.page import render

    folders = [study_dirs] if isinstance(study_dirs, pathlib.Path) else list(study_dirs)
    own = read_claims(claims, VOCABULARY) if claims else None
    tunings = [overview_of(ledger) for ledger in load_studies(folders).repeats]
    first = tunings[0]
    judgement = judge_claims(tunings, own)
    of_sections = study_tables(first, judgement.claims, tunings)
    tables = {**first.tables(), **of_sections.all(), **judgement.tables()}
    if len(tunings) > 1:
        tables["repeats"] = repeats_table(tunings)
    contents = {f"tables/{name}.csv": quoted(table).write_csv() for name, table in tables.items()}
    contents |= {
        "verdicts.json": judgement.as_json(),
        **render(tunings, figures(of_sections, judgement.verdicts), judgement, list(tables)),
    }
    folder = folders[0] / "report" if output is None else output
    if output is None:
        refuse_link(folder)
    replace_all(folder, contents)
    return Report(
        folder / "report.html",
        tuple(first.results),
        tally(judgement.verdicts),
        mixture([each.ledger for each in tunings]),
    )


def write_comparison(
    study_dirs: tuple[pathlib.Path, pathlib.Path], output: pathlib.Path, claims: pathlib.Path | None = None
) -> pathlib.Path:
    """Write `compare.html`, `compare.md`, `tables/compare_*.csv` and `figures/compare.svg`; returns the page.

    Args:
        study_dirs: Folders of two studies, whatever they compare.
        output: Folder of the comparison.
        claims: File of claims to judge both by, in the place of those that each study began with.

    Raises:
        LedgerError: A folder holds no ledger, both are the same, or the claims name an optimizer that nobody knows;
            nothing is written.
        ValueError: `claims` is no file of claims; nothing is written.
        OSError: The folder of the comparison cannot be written.
    """
    from analysis.report.comparison_page import render

    comparison = compare(*study_dirs, own=read_claims(claims, VOCABULARY) if claims else None)
    contents = {f"tables/{name}.csv": quoted(table).write_csv() for name, table in comparison.tables().items()}
    replace_all(output, contents | render(comparison))
    return output / "compare.html"
