"""docs/architecture.md speaks of what is there, and of all of it, and the glossary has each word once."""

import pathlib
import re

ROOT = pathlib.Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PATHS = set(re.findall(r"\b(?:analysis|benchmarks|docs|study|tests|trainables)/[\w./]*\w", TEXT))


def test_every_path_of_the_page_exists():
    assert len(PATHS) > 40
    assert not [path for path in sorted(PATHS) if not (ROOT / path).exists()]


def test_every_link_of_the_page_leads_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert links
    assert not [link for link in links if not (ROOT / "docs" / link).exists()]


def test_the_page_names_every_room():
    for package in ("analysis", "study", "trainables"):
        rooms = {path for path in (ROOT / package).iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
        names = {path.relative_to(ROOT).as_posix() for path in rooms if path.name != "__init__.py"}
        assert names <= PATHS, sorted(names - PATHS)


def test_the_glossary_has_each_word_once():
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = [word for row in re.findall(r"^\| ([\w, ]+) \|", text, re.MULTILINE) for word in row.split(", ")]
    assert len(words) == len(set(words)) > 40


def test_readme_and_contributing_lead_to_the_page():
    for page in ("README.md", "CONTRIBUTING.md"):
        assert "(docs/architecture.md)" in (ROOT / page).read_text(encoding="utf-8")
