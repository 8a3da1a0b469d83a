"""Badges of verdicts: every word has a style of its own that can be read."""

import re
from importlib.resources import files
from typing import get_args

import pytest

from analysis.report import templates
from analysis.report.text.badges import style
from analysis.verdicts.rules import Word

CSS = files(templates).joinpath("report.css").read_text(encoding="utf-8")
NAMED = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6});", CSS))
LEAST_CONTRAST = 4.5
"""Of small text, WCAG 2.2, success criterion 1.4.3."""


def colours(word):
    """Text and background of a badge; without a background of its own that of the page."""
    (rule,) = re.findall(rf"^\.verdict\.{style(word)} {{ (.*?) }}$", CSS, re.MULTILINE)
    found = dict(re.findall(r"(?:^|; )(background|color): ([^;]+)", rule))
    return [_hexadecimal(found[key]) for key in ("color", "background")]


def _hexadecimal(value):
    name = re.fullmatch(r"var\(--(\w+)\)", value)
    value = NAMED["paper"] if value == "none" else NAMED[name[1]] if name else value
    return value if len(value) == 7 else "#" + "".join(2 * digit for digit in value[1:])


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("word", get_args(Word))
def test_a_badge_can_be_read(word):
    dark, light = sorted(luminance(colour) for colour in colours(word))
    assert (light + 0.05) / (dark + 0.05) >= LEAST_CONTRAST


def test_no_two_words_look_the_same():
    assert len({tuple(colours(word)) for word in get_args(Word)}) == len(get_args(Word))
