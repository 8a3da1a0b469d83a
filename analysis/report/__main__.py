"""`python -m analysis.report STUDY_DIR` writes the report of a study from its ledger alone.

Several folders make one report if they hold parts or repeats of one study; `--compare` puts any two side by side.
"""

import pathlib
import sys
from collections.abc import Sequence

from analysis.command_line import Parser, path, print_refusal, stoppable
from analysis.drafts import DISK
from analysis.ledger.folders import refuse_own_folders


@stoppable("python -m analysis.report")
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 2 if the studies cannot be reported on, 1 if the disk takes no report."""
    parser = _parser()
    options = parser.parse_args(arguments)
    folders: list[pathlib.Path] = options.study_dir
    status = 2
    try:
        page = _written(folders, options.output, options.claims, compare=options.compare)
    except ValueError as error:
        problem = str(error)
    except OSError as error:
        place = error.filename or options.output or folders[0]
        problem = f"the report must go to a folder that can be written, got {str(place)!r} ({error.strerror}); "
        problem += "choose another with --output."
        status = 1 if error.errno in DISK else 2
    else:
        print(page)
        return 0
    print_refusal(parser.prog, problem)
    return status


def _written(
    folders: Sequence[pathlib.Path], output: pathlib.Path | None, claims: pathlib.Path | None, *, compare: bool
) -> pathlib.Path:
    # Here, because metrics of installed packages are loaded with it: one that is broken is refused as all else is.
    from analysis.report.write import write_comparison, write_report

    if output is not None:
        refuse_own_folders(output, folders)
    if not compare:
        return write_report(folders, output, claims).path
    if len(folders) != 2:
        raise ValueError(f"--compare takes the folders of two studies, got {len(folders)}.")
    if output is None:
        raise ValueError("--compare needs a folder for its page, got none; add --output DIR.")
    return write_comparison((folders[0], folders[1]), output, claims)


def _parser() -> Parser:
    parser = Parser(prog="python -m analysis.report", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "study_dir", type=path, nargs="+", metavar="STUDY_DIR",
        help="folder of the study; several if they hold parts or repeats of one",
    )  # fmt: skip
    parser.add_argument(
        "--compare", action="store_true", help="put two studies side by side, whatever they compare; needs --output"
    )
    parser.add_argument("--output", type=path, metavar="DIR", help="folder of the report (default: STUDY_DIR/report)")
    parser.add_argument(
        "--claims", type=path, metavar="FILE.toml", help="other claims than those that the study began with"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
