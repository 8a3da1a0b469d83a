"""Where the repeats of a study lie: within its folder, each a study folder of its own.

A study that is tuned once looks as if there were no repeats, one folder still holds all that belongs together, and
what reads `STUDY_DIR/trials` by hand sees one tuning and never a mixture.
"""

import pathlib
import re

REPEATS = "repeats"
"""Folder of the repeats but the first, which is the study itself; each is named by its number."""

NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


def repeat_directory(study_dir: pathlib.Path, repeat: int) -> pathlib.Path:
    """Folder of a repeat; that of the study for repeat 0."""
    return study_dir / REPEATS / str(repeat) if repeat else study_dir


def stored_repeats(study_dir: pathlib.Path) -> list[int]:
    """Numbers of the repeats that have begun, in order; the study itself, repeat 0, is left out."""
    begun = (path.parent.name for path in (study_dir / REPEATS).glob("*/study.json"))
    return sorted(int(name) for name in begun if NUMBER.fullmatch(name))
