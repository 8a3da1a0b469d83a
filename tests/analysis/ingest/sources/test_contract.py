"""What every source must do, those of later files included."""

import argparse
import pathlib
import subprocess
import sys

import pytest

from analysis.command_line import Parser
from analysis.ingest.__main__ import main
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
