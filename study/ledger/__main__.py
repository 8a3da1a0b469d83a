"""`python -m study.ledger STUDY_DIR check | compact | export --csv`: looks after a ledger, without torch or Ray."""

import argparse
import pathlib
import sys
from collections.abc import Sequence

from analysis.command_line import Parser, path, print_refusal, stoppable
from analysis.ledger.folders import refuse_own_folders
from analysis.ledger.parts import DamagedFileError
from analysis.ledger.schema import KEYS
from analysis.links import refuse_link
from analysis.wording import count
from study.ledger.check import Check, check_ledger
from study.ledger.description import read_study
from study.ledger.export import export_csv
from study.ledger.lock import locked
from study.ledger.store import Ledger
from study.spec import StudySpec


@stoppable("python -m study.ledger")
def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; 1 if something is wrong with the ledger or the disk, 2 for a bad request."""
    parser = _parser()
    arguments = parser.parse_args(words)
    try:
        return _run(arguments)
    except (DamagedFileError, OSError) as error:
        message, status = str(error), 1
    except ValueError as error:
        message, status = str(error), 2
    print_refusal(parser.prog, message)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m study.ledger", description="Look after the ledger of a study.", allow_abbrev=False)
    parser.add_argument("study_dir", type=path, metavar="STUDY_DIR", help="folder of the study")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=Parser)
    actions.add_parser("check", help="verify every file, count rows, list gaps and duplicates; changes nothing")
    actions.add_parser("compact", help="merge small files, which every run does at its end")
    export = actions.add_parser("export", help="write the tables in another format")
    export.add_argument("--csv", action="store_true", required=True, help="as CSV")
    export.add_argument("--output", type=path, metavar="DIR", help="folder (default: STUDY_DIR/export)")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    directory: pathlib.Path = arguments.study_dir
    stored = read_study(directory) if (directory / "study.json").exists() else None
    if stored is None:
        raise ValueError(
            f"STUDY_DIR must be the folder of a study, {directory} has no study.json; give the folder that "
            "`python -m study.run` printed."
        )
    spec = StudySpec.from_dict(stored)
    ledger = Ledger(directory, spec)
    if arguments.action == "export":
        return _export(directory, ledger, arguments.output or directory / "export")
    with locked(directory):
        return (
            _print_check(check_ledger(directory, spec)) if arguments.action == "check" else _compact(directory, ledger)
        )


def _export(directory: pathlib.Path, ledger: Ledger, output: pathlib.Path) -> int:
    refuse_own_folders(output, [directory])
    if output == directory / "export":
        refuse_link(output)
    try:
        written = export_csv(directory, ledger.schemas, output)
    except OSError as error:
        # The file that could not be written is a draft, which means nothing to whoever asked for tables.
        reason = error.strerror or str(error).partition(" (os error")[0]  # polars gives no strerror
        raise OSError(
            f"--output must be a folder that can be written, got {str(output)!r} ({reason}); choose another."
        ) from None
    print("\n".join(map(str, written)))
    return 0


def _compact(directory: pathlib.Path, ledger: Ledger) -> int:
    before = _num_files(directory)
    for note in ledger.recover():
        print(f"Note: {note}")
    ledger.merge()
    print(f"{count(before, 'file')} before, {count(_num_files(directory), 'file')} now.")
    return 0


def _print_check(check: Check) -> int:
    for name, (num_files, num_rows) in check.counts.items():
        print(f"{name:<8} {num_rows:>9,} rows in {count(num_files, 'file')}")
    for title, lines in (
        ("Damaged", check.damaged),
        ("Twice", check.duplicates),
        ("Gap", check.gaps),
        ("Still to train", check.missing),
    ):
        for line in lines:
            print(f"{title}: {line}")
    print("Sound." if check.sound else "Not sound: the command of the study mends what is damaged or has gaps.")
    return 0 if check.sound else 1


def _num_files(directory: pathlib.Path) -> int:
    return sum(len(list((directory / name).glob("*.parquet"))) for name in KEYS)


if __name__ == "__main__":
    sys.exit(main())
