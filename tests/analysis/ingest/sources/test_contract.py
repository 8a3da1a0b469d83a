"""What every source must do, those of later files included."""

import argparse
import pathlib
import re
import subprocess
import sys

import pytest

from analysis.command_line import Parser
from analysis.ingest.__main__ import main
from analysis.ingest.description import Description
from analysis.ingest.sources import SOURCES, Source, load_sources

ROOT = pathlib.Path(__file__).parents[4]
EVERYWHERE = ("--output", "--map", "--sampler")

every_source = pytest.mark.parametrize("name", sorted(load_sources()))


def options_of(source: Source) -> dict[str, argparse.Action]:
    """What the source adds to a command line."""
    parser = Parser(add_help=False)
    source.add_options(parser)
    return {word: action for action in parser._actions for word in (action.option_strings or [action.dest])}


def test_listing_the_names_imports_no_source():
    script = (
        "import sys; from analysis.ingest.sources import SOURCES as s; "
        "print(any(f'analysis.ingest.sources.{name}' in sys.modules for name in s.names()))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_the_help_lists_every_source(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert all(f"{name} {source.help}" in printed for name, source in load_sources().items())


def test_an_unknown_source_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["spreadsheet"])
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert all(name in printed for name in ("spreadsheet", *load_sources()))


@every_source
def test_every_option_of_a_source_is_explained(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    printed = capsys.readouterr().out
    options = options_of(load_sources()[name])
    assert all(action.help for action in options.values())
    assert all(word in printed for word in EVERYWHERE)
    assert not set(options) & set(EVERYWHERE)


@every_source
def test_a_source_is_refused_without_what_it_needs(name, tmp_path, capsys):
    assert any(action.required for action in options_of(load_sources()[name]).values())
    with pytest.raises(SystemExit, match="2"):
        main([name, "--output", str(tmp_path / "ledger")])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"python -m analysis.ingest {name}: error: the following arguments are required: ")
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_cannot_be_loaded_is_refused_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(type(SOURCES), "names", lambda _: ["nowhere"])
    assert main(["tables"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("python -m analysis.ingest: error: Unknown source 'nowhere'; choose one of ")
    assert printed.count("\n") == 1


FOUND = ([], Description(), [])


def mine(**fields):
    return {"help": "mine", "add_options": lambda _: None, "read": lambda *_: FOUND} | fields


def fails(*_):
    raise KeyError("x")


def leaves(*_):
    raise SystemExit(0)


@pytest.fixture
def ingest(monkeypatch, tmp_path, capsys):
    """Runs the command with a source of its own, gives its status and the line that it prints."""

    def ingest(fields, *words):
        monkeypatch.setattr(type(SOURCES), "names", lambda _: ["tables"])
        monkeypatch.setattr(type(SOURCES), "load", lambda *_: Source(**mine(**fields)))
        status = main([*(words or ("tables", "--output", str(tmp_path / "out")))])
        printed = capsys.readouterr()
        assert (printed.out, printed.err.count("\n")) == ("", 1)
        assert list(tmp_path.iterdir()) == []
        return status, printed.err.removeprefix("python -m analysis.ingest: error: ").rstrip()

    return ingest


WHERE = "analysis/ingest/sources/tables.py"
OPTIONS = "The source 'tables' must add options of its own, whose help can be shown"
READ = "The source 'tables' must read what its options name"
GIVES = f"{READ} and return a list of SourceRun, a Description and a list of notes, {WHERE} gives"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"add_options": fails}, f"{OPTIONS}, {WHERE} raises KeyError('x'); mend or remove it."),
        (
            {"add_options": lambda parser: parser.add_argument("--output")},
            f"{OPTIONS}, {WHERE} raises ArgumentError(.*conflicting option string: --output.*); mend or remove it.",
        ),
        (
            {"add_options": lambda parser: parser.add_argument("--share", help="in %")},
            f"{OPTIONS}, {WHERE} raises ValueError('incomplete format'); mend or remove it.",
        ),
        ({"read": fails}, f"{READ}, {WHERE} raises KeyError('x'); mend or remove it."),
        ({"read": leaves}, f"{READ}, {WHERE} raises SystemExit(0); mend or remove it."),
        (
            {"read": lambda *_: None},
            f"{GIVES} NoneType; mend it.",
        ),
        (
            {"read": lambda *_: ([1], Description(), [])},
            f"{GIVES} ['list', 'Description', 'list']; mend it.",
        ),
        ({}, "a ledger needs at least one run, the source holds none; check its path."),
    ],
)
def test_a_source_that_fails_is_named_in_one_line(ingest, fields, message):
    status, said = ingest(fields)
    assert status == 2
    assert re.fullmatch(re.escape(message).replace(re.escape(".*"), ".*"), said), said


def test_a_source_may_speak_of_per_cent(monkeypatch, capsys):
    monkeypatch.setattr(type(SOURCES), "names", lambda _: ["tables"])
    monkeypatch.setattr(type(SOURCES), "load", lambda *_: Source(**mine(help="errors in %, as they are")))
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "errors in %, as they are" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"help": None}, "help and description must be texts, got None, None; mend it."),
        ({"description": 3}, "help and description must be texts, got 'mine', 3; mend it."),
        ({"read": None}, "add_options and read must be functions, got .*, None."),
    ],
)
def test_a_source_says_what_it_must_be(fields, message):
    with pytest.raises(ValueError, match=message):
        Source(**mine(**fields))
