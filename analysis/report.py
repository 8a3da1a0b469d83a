"""`python -m analysis.report STUDY_DIR` writes the report of a study from its ledger alone."""

import argparse
import pathlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.answers import find_answers
from analysis.claims import read_claims
from analysis.files import replace
from analysis.findings import find
from analysis.judgement import judge_claims
from analysis.load import load
from analysis.results import Result


@dataclass(frozen=True)
class Report:
    """A written report: where its page lies, and the result of each optimizer in the order of the study."""

    path: pathlib.Path
    results: tuple[Result, ...]


def write_report(
    study_dir: pathlib.Path, output: pathlib.Path | None = None, claims: pathlib.Path | None = None
) -> Report:
    """Write `report.html`, `report.md`, `verdicts.json`, `tables/*.csv` and `figures/*.svg`.

    The same rows give the same bytes; files of an earlier report are replaced.

    Args:
        study_dir: Folder of the ledger.
        output: Folder of the report; `report` inside `study_dir` if None.
        claims: File of other claims than those that the study began with; the report says so.

    Raises:
        LedgerError: The folder holds no ledger that can be reported on, or the claims name an optimizer that nobody
            knows; nothing is written.
        ValueError: `claims` is no file of claims; nothing is written.
        OSError: The folder of the report cannot be written.
    """
    # The chart libraries are loaded only now: refusing a folder takes no charts.
    from analysis.figures import figures
    from analysis.page import render

    folder = study_dir / "report" if output is None else output
    own = read_claims(claims) if claims else None
    findings = find(load(study_dir))
    judgement = judge_claims([findings], own)
    answers = find_answers(findings, judgement.claims)
    tables = {**findings.tables(), **answers.tables(), "verdicts": judgement.table()}
    contents = {f"tables/{name}.csv": table.write_csv() for name, table in tables.items()}
    contents |= {"verdicts.json": judgement.as_json(), **render(findings, figures(answers, judgement.verdicts), judgement)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        replace(folder / name, content)
    return Report(folder / "report.html", tuple(findings.results))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 2 if the study cannot be reported on."""
    parser = argparse.ArgumentParser(prog="python -m analysis.report", description=__doc__)
    parser.add_argument("study_dir", type=pathlib.Path, metavar="STUDY_DIR", help="folder of the study")
    parser.add_argument(
        "--output", type=pathlib.Path, metavar="DIR", help="folder of the report (default: STUDY_DIR/report)"
    )
    parser.add_argument(
        "--claims", type=pathlib.Path, metavar="FILE.toml", help="other claims than those that the study began with"
    )
    options = parser.parse_args(arguments)
    try:
        report = write_report(options.study_dir, options.output, options.claims)
    except ValueError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        place = error.filename or options.output or options.study_dir
        problem = f"the report must go to a folder that can be written, got {str(place)!r} ({error.strerror})"
        print(f"{parser.prog}: error: {problem}; choose another with --output.", file=sys.stderr)
        return 2
    print(report.path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
