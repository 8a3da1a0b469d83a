"""Programs whose results can be read, one file each; the file's name is the word on the command line.

A file defines `SOURCE`: what the command line says of it, its options, and how they become runs. The options that
several sources share are here.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace

from analysis.command_line import Parser, path
from analysis.ingest.description import Description
from analysis.ingest.runs import SourceRun
from analysis.ingest.values import CURVES, OUTCOMES, Reading, SourceError, parse_readings
from analysis.plugins import PluginError, Plugins, blamed

TUNING = ("explore", "exploit", "grid")
Found = tuple[list[SourceRun], Description, list[str]]
"""Runs, the study as described and as the source describes it, and what a reader of the report has to know."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A program whose results can be read.

    Args:
        help: What is read, in a few words.
        add_options: Adds the options of its own; `--output`, `--map` and `--sampler` are there.
        read: The runs that the options ask for; raises a `SourceError` of one line for what has no place in a ledger.
        description: What is to be known before its options; None if they say all.

    Raises:
        ValueError: One of them is not what it should be.
    """

    help: str
    add_options: Callable[[Parser], None]
    read: Callable[[argparse.Namespace, Description], Found]
    description: str | None = None

    def __post_init__(self) -> None:
        text: object = self.help
        if not isinstance(text, str) or not isinstance(self.description, (str, type(None))):
            raise ValueError(
                f"help and description must be texts, got {text!r:.80}, {self.description!r:.80}; mend it."
            )
        if not callable(self.add_options) or not callable(self.read):
            raise ValueError(
                f"add_options and read must be functions, got {self.add_options!r:.80}, {self.read!r:.80}."
            )


SOURCES = Plugins(noun="source", package=__name__)


def load_sources() -> dict[str, Source]:
    """All sources by their word on the command line, which has a hyphen where the file's name has an underscore.

    Raises:
        ValueError: One cannot be loaded, or two share a name.
    """
    return {
        name.replace("_", "-"): checked(name, SOURCES.load(name, "SOURCE", Source), SOURCES.where(name))
        for name in SOURCES.names()
    }


def checked(name: str, source: Source, where: str) -> Source:
    """The source, whose options and runs are what they should be or a `PluginError`.

    Args:
        name: Its name.
        source: What its file declares.
        where: File or package that it comes from.
    """

    def add_options(parser: Parser) -> None:
        with blamed(f"The source {name!r} must add options of its own, whose help can be shown", where):
            source.add_options(parser)
            parser.format_help()

    def read(options: argparse.Namespace, description: Description) -> Found:
        duty = f"The source {name!r} must read what its options name"
        with blamed(duty, where, passes=(SourceError, OSError)):
            found = source.read(options, description)
        if not _is_found(found):
            shown = [type(part).__name__ for part in found] if isinstance(found, tuple) else type(found).__name__
            raise PluginError(
                f"{duty} and return a list of SourceRun, a Description and a list of notes, {where} gives {shown}; "
                "mend it."
            )
        return found

    return replace(source, help=source.help.replace("%", "%%"), add_options=add_options, read=read)


def _is_found(found: object) -> bool:
    if not isinstance(found, tuple) or len(found) != 3:
        return False
    runs, description, notes = found
    is_list = isinstance(runs, list) and isinstance(notes, list) and isinstance(description, Description)
    return is_list and all(isinstance(run, SourceRun) for run in runs) and all(isinstance(note, str) for note in notes)


def add_description(parser: Parser, *, phase: str, required: bool = True) -> None:
    """The options on what no source says of itself.

    Args:
        parser: Of the source.
        phase: How tuning points were chosen if `--phase` is not given.
        required: Whether the description must be given.
    """
    parser.add_argument(
        "--description", type=path, required=required, metavar="FILE",
        help="TOML or JSON: data, length, search spaces",
    )  # fmt: skip
    parser.add_argument(
        "--phase", choices=TUNING, default=phase,
        help="how tuning points were chosen: explore = independently of results, from the whole space (random, "
        f"Sobol), exploit = from earlier results (TPE), grid (default: {phase})",
    )  # fmt: skip


def add_seed_key(parser: Parser) -> None:
    """The option that says what holds the seed."""
    parser.add_argument("--seed-key", metavar="KEY", help="where the seed of a run stands")


def readings_of(options: argparse.Namespace, description: Description, *more: str) -> dict[str, Reading]:
    """What `--map` says.

    Args:
        options: Of the command line.
        description: Names the hyperparameters.
        more: Names of ours that may be mapped besides them, the curves and the outcomes.

    Raises:
        SourceError: A word cannot be understood.
    """
    searched = sorted({name for optimizer in description.optimizers.values() for name in optimizer.space})
    return parse_readings(options.map, [*CURVES, *OUTCOMES, *searched, *more])
