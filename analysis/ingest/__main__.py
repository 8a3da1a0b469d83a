"""`python -m analysis.ingest SOURCE ... --output STUDY_DIR` makes a ledger of what another program has measured."""

import argparse
import pathlib
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from analysis.command_line import DISK, Parser
from analysis.ingest.assemble import UNKNOWN, assemble
from analysis.ingest.description import Description, read_description
from analysis.ingest.runs import SourceRun
from analysis.ingest.sources.optuna import Optuna, read_optuna
from analysis.ingest.sources.ray_tune import RayTune, read_ray_tune
from analysis.ingest.sources.tables import Tables, read_tables
from analysis.ingest.values import CURVES, OUTCOMES, Reading, SourceError, parse_readings
from analysis.ingest.write import write
from analysis.ledger.load import Ledger
from analysis.ledger.plan import RATE
from analysis.ledger.schema import TRIALS_HEAD, TRIALS_TAIL
from analysis.tables.overview import find
from analysis.wording import count, listing

PROGRAM = "python -m analysis.ingest"
PASSWORD = re.compile(r"(://[^/\s:@]*):[^\s]*@")
"""Of a user in the URL of a database."""

TUNING = ("explore", "exploit", "grid")
Found = tuple[list[SourceRun], Description, list[str]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 2 if the source cannot be made a ledger, 1 if the disk takes none."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(words)
    # A study is passed on; the password of a database is not.
    command = PASSWORD.sub(r"\1:***@", shlex.join([*PROGRAM.split(), *words]))
    try:
        description = read_description(options.description) if options.description else Description()
        runs, description, notes = SOURCES[options.source](options, description)
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
    except SourceError as error:
        print(f"{PROGRAM}: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        place = error.filename or options.output
        print(
            f"{PROGRAM}: error: sources must be readable and --output writable, {str(place)!r} is not "
            f"({error.strerror}); correct the path.",
            file=sys.stderr,
        )
        return 1 if error.errno in DISK else 2
    print("\n".join([*_summary(ledger), f"python -m analysis.report {shlex.quote(str(options.output))}"]))
    return 0


def _summary(ledger: Ledger) -> list[str]:
    """What was found of each optimizer, and what the report will miss."""
    findings = find(ledger)
    lines = []
    for result in findings.results:
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


def _parser() -> Parser:
    parser = Parser(prog=PROGRAM, description=__doc__, epilog="docs/other_results.md has examples.")
    sources = parser.add_subparsers(dest="source", required=True, metavar="SOURCE")
    common = Parser(add_help=False)
    common.add_argument("--output", type=pathlib.Path, required=True, metavar="STUDY_DIR", help="new folder")
    common.add_argument(
        "--map", nargs="+", default=[], action="extend", metavar="OURS=THEIRS",
        help="their name of a number, if it differs; 1-KEY for an accuracy, KEY/100 for per cent",
    )  # fmt: skip
    common.add_argument("--sampler", default=UNKNOWN, help="what chose the tuning points, for the report")
    tables = sources.add_parser(
        "tables", parents=[common], help="CSV or Parquet files", description=read_tables.__doc__
    )
    tables.add_argument("--trials", type=pathlib.Path, required=True, metavar="FILE", help="one row per run")
    tables.add_argument("--epochs", type=pathlib.Path, metavar="FILE", help="one row per run and epoch")
    tables.add_argument("--ignore", nargs="+", default=[], action="extend", metavar="COLUMN", help="pass over a column")
    tune = sources.add_parser("ray-tune", parents=[common], help="experiment folders of Ray Tune")
    tune.add_argument("experiments", nargs="+", metavar="[OPTIMIZER=]FOLDER", help="tuning experiments")
    tune.add_argument(
        "--confirm", nargs="+", default=[], action="extend", metavar="[OPTIMIZER=]FOLDER",
        help="experiments that retrained settings on fresh seeds",
    )  # fmt: skip
    tune.add_argument("--optimizer-key", metavar="KEY", help="key of the config that names the optimizer")
    tune.add_argument(
        "--ignore", nargs="+", default=[], action="extend", metavar="KEY", help="key of the config without effect"
    )
    storage = sources.add_parser("optuna", parents=[common], help="storage of Optuna")
    storage.add_argument("storage", metavar="STORAGE", help="URL of a database or path of a journal file")
    for option, text in (("--study", "tuning study"), ("--confirm", "study that retrained settings on fresh seeds")):
        storage.add_argument(
            option, nargs="+", default=[], action="extend", metavar="STUDY=OPTIMIZER", help=f"{text}, and its optimizer"
        )
    for source, phase in ((tables, "explore"), (tune, "explore"), (storage, "exploit")):
        source.add_argument(
            "--description", type=pathlib.Path, required=source is not storage, metavar="FILE",
            help="TOML or JSON: data, length, search spaces",
        )  # fmt: skip
        source.add_argument(
            "--phase", choices=TUNING, default=phase,
            help="how tuning points were chosen: explore = independently of results, from the whole space (random, "
            f"Sobol), exploit = from earlier results (TPE), grid (default: {phase})",
        )  # fmt: skip
    for source in (tune, storage):
        source.add_argument("--seed-key", metavar="KEY", help="where the seed of a run stands")
    return parser


def _readings(options: argparse.Namespace, description: Description, *more: str) -> dict[str, Reading]:
    searched = sorted({name for optimizer in description.optimizers.values() for name in optimizer.space})
    return parse_readings(options.map, [*CURVES, *OUTCOMES, *searched, *more])


def _tables(options: argparse.Namespace, description: Description) -> Found:
    columns = [column.name for column in (*TRIALS_HEAD, *TRIALS_TAIL) if column.name not in (*CURVES, *OUTCOMES, "run")]
    how = Tables(
        optimizers=description.optimizers,
        phase=options.phase,
        readings=_readings(options, description, *columns, "trial", "epoch"),
        ignore=options.ignore,
    )
    return read_tables(options.trials, options.epochs, how), description, []


def _ray_tune(options: argparse.Namespace, description: Description) -> Found:
    how = RayTune(
        optimizers=description.optimizers,
        readings=_readings(options, description),
        optimizer_key=options.optimizer_key,
        seed_key=options.seed_key,
        ignore=options.ignore,
    )
    experiments = [
        (*_experiment(word), phase)
        for words, phase in ((options.experiments, options.phase), (options.confirm, "confirm"))
        for word in words
    ]
    return read_ray_tune(experiments, how), description, []


def _experiment(word: str) -> tuple[str | None, pathlib.Path]:
    name, equals, folder = word.partition("=")
    # A folder whose own name holds "=" is a folder.
    return (name, pathlib.Path(folder)) if equals and not pathlib.Path(word).is_dir() else (None, pathlib.Path(word))


def _optuna(options: argparse.Namespace, description: Description) -> Found:
    if not options.study:
        raise SourceError("a ledger needs a tuning study, got none; name one with --study STUDY=OPTIMIZER.")
    studies = []
    for words, phase in ((options.study, options.phase), (options.confirm, "confirm")):
        for word in words:
            study, equals, optimizer = word.rpartition("=")
            if not (study and equals and optimizer):
                raise SourceError(f"a study is given as STUDY=OPTIMIZER, got {word!r}; say which optimizer it tuned.")
            studies.append((study, optimizer, phase))
    how = Optuna(
        optimizers=description.optimizers,
        readings=_readings(options, description),
        seed_key=options.seed_key,
    )
    found = read_optuna(options.storage, studies, how)
    return found.runs, replace(description, optimizers=found.optimizers), found.notes


SOURCES: dict[str, Callable[[argparse.Namespace, Description], Found]] = {
    "tables": _tables,
    "ray-tune": _ray_tune,
    "optuna": _optuna,
}

if __name__ == "__main__":
    sys.exit(main())
