"""`python -m study.claims new | check`: a file of claims to edit before a study, and whether one is sound.

`new --optimizers A,B --optimizer-file mine.py` prints what a study of these optimizers claims by default.
"""

import argparse
import sys
from collections.abc import Sequence

from analysis.claims.file import read_claims
from analysis.command_line import Parser, path, print_refusal, stoppable
from analysis.plugins import PluginError
from analysis.wording import count, listing
from study.request.checks import claims_by_default, named_optimizers
from study.request.optimizer_files import read_files
from trainables.optimizers import optimizer_names

PROGRAM = "python -m study.claims"


@stoppable(PROGRAM)
def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; 2 for a bad request or a file of claims that is none."""
    options = _parser().parse_args(words)
    try:
        print(_new(options) if options.action == "new" else _checked(options), end="")
    except (ValueError, PluginError) as error:
        print_refusal(PROGRAM, error)
        return 2
    return 0


def _parser() -> Parser:
    parser = Parser(prog=PROGRAM, description=__doc__, allow_abbrev=False)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=Parser)
    own = Parser(add_help=False, allow_abbrev=False)
    own.add_argument(
        "--optimizer-file", action="append", default=[], type=path, metavar="FILE", help="as of `python -m study.run`"
    )
    new = actions.add_parser("new", parents=[own], help="print the claims that a study has by default, to be edited")
    new.add_argument("--optimizers", action="append", metavar="A,B", help="as of `python -m study.run`")
    check = actions.add_parser("check", parents=[own], help="say what a file claims, or what is wrong with it")
    check.add_argument("file", type=path, metavar="FILE.toml", help="file of claims")
    return parser


def _new(options: argparse.Namespace) -> str:
    files = read_files(options.optimizer_file)
    return claims_by_default(named_optimizers(options.optimizers, files, []))


def _checked(options: argparse.Namespace) -> str:
    from analysis.verdicts.default_vocabulary import VOCABULARY  # here, as metrics of others may fail to load

    claims = read_claims(options.file, VOCABULARY)
    claims.check_names([*optimizer_names(), *read_files(options.optimizer_file)])
    lines = [
        f"{question.name}: {count(len(question.pairs), 'claim')} on {listing([*question.a])} against "
        f"{listing([*question.b])}, by {question.metric}"
        for question in claims.questions
    ]
    return "\n".join([*lines, f"Sound; hash {claims.claims_hash}.", ""])


if __name__ == "__main__":
    sys.exit(main())
