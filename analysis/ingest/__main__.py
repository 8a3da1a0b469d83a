"""`python -m analysis.ingest SOURCE ... --output STUDY_DIR` makes a ledger of what another program has measured."""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from analysis.command_line import Parser, path, print_refusal, stoppable
from analysis.drafts import DISK
from analysis.ingest.assemble import UNKNOWN, assemble
from analysis.ingest.description import Description, read_description
from analysis.ingest.sources import Source, load_sources
from analysis.ingest.values import SourceError
from analysis.ingest.write import write
from analysis.ledger.plan import RATE
from analysis.plugins import PluginError
from analysis.wording import count, listing

if TYPE_CHECKING:
    from analysis.tables.overview import Overview

PROGRAM = "python -m analysis.ingest"
PASSWORD = re.compile(r"(://[^/\s:@]*):[^\s]*@")
"""Of a user in the URL of a database."""


@stoppable(PROGRAM)
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 2 if the source cannot be made a ledger, 1 if the disk takes none."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        sources = load_sources()
        parser = _parser(sources)
    except ValueError as error:
        print_refusal(PROGRAM, error)
        return 2
    options = parser.parse_args(words)
    # A study is passed on; the password of a database is not.
    command = PASSWORD.sub(r"\1:***@", shlex.join([*PROGRAM.split(), *words]))
    try:
        # Here, because metrics of installed packages are loaded with it: one that is broken is refused as all else is.
        from analysis.tables.overview import overview_of

        given = getattr(options, "description", None)  # not every source takes one
        description = read_description(given) if given else Description()
        runs, description, notes = sources[options.source].read(options, description)
        rows = assemble(runs, description)
        ledger = write(
            options.output,
            rows,
            description,
            source=options.source,
            sampler=options.sampler,
            notes=notes,
            command=command,
        )
    except (SourceError, PluginError) as error:
        print_refusal(PROGRAM, error)
        return 2
    except OSError as error:
        place = error.filename or options.output
        print_refusal(
            PROGRAM,
            f"sources must be readable and --output writable, {str(place)!r} is not ({error.strerror}); "
            "correct the path.",
        )
        return 1 if error.errno in DISK else 2
    print("\n".join([*_summary(overview_of(ledger)), f"python -m analysis.report {shlex.quote(str(options.output))}"]))
    return 0


def _summary(overview: "Overview") -> list[str]:
    """What was found of each optimizer, and what the report will miss."""
    ledger, lines = overview.ledger, []
    for result in overview.results:
        own = ledger.trials.filter(optimizer=result.optimizer)
        ends = ", ".join(
            f"{own.filter(status=status).height} {status}" for status in ("complete", "diverged", "failed")
        )
        line = f"{result.optimizer}: {count(result.trials, 'tuning trial')}, {count(own.height, 'run')} ({ends})"
        if result.best is None:
            line += "; no trial is whole, so there is no winner"
        elif ledger.study.num_confirm_seeds and result.tuned_accuracy is None:
            line += f"; the winner, {result.best.phase} {result.best.number}, has no confirmation"
        lines.append(line)
    notes = list(ledger.study.notes)
    if nameless := [name for name, optimizer in ledger.study.optimizers.items() if RATE not in optimizer.space]:
        notes.append(
            f"No hyperparameter of {listing(nameless)} is named {RATE}, the name that figures look for; if it has "
            f"another one, describe it as {RATE} and say --map {RATE}=KEY."
        )
    return lines + [f"note: {note}" for note in notes]


def _parser(sources: Mapping[str, Source]) -> Parser:
    parser = Parser(prog=PROGRAM, description=__doc__, epilog="docs/other_results.md has examples.")
    words = parser.add_subparsers(dest="source", required=True, metavar="SOURCE")
    common = Parser(add_help=False)
    common.add_argument("--output", type=path, required=True, metavar="STUDY_DIR", help="new folder")
    common.add_argument(
        "--map", nargs="+", default=[], action="extend", metavar="OURS=THEIRS",
        help="their name of a number, if it differs; 1-KEY for an accuracy, KEY/100 for per cent",
    )  # fmt: skip
    common.add_argument("--sampler", default=UNKNOWN, help="what chose the tuning points, for the report")
    for name, source in sources.items():
        own = words.add_parser(name, parents=[common], help=source.help, description=source.description)
        source.add_options(own)
    return parser


if __name__ == "__main__":
    sys.exit(main())
