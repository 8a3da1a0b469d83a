"""`study.json`: what the study is, its runs and every look at its results."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from analysis.ledger.durable import publish
from analysis.ledger.regular import LARGEST_DESCRIPTION, read_regular
from analysis.ledger.schema import REPEATS
from analysis.ledger.study import description_crc32
from analysis.ledger.study_file import parse_study_file
from study.spec import FORMAT_VERSION, StudySpec

NAME = "study.json"


def write_study(directory: pathlib.Path, content: Mapping[str, Any]) -> None:
    """Write `study.json` so that a reader sees the old one or the new one."""
    checked = {**content, "crc32": description_crc32(content)}
    text = json.dumps(checked, indent=2, ensure_ascii=False) + "\n"
    publish(directory / NAME, lambda draft: draft.write_text(text, encoding="utf-8"))


def read_study(directory: pathlib.Path) -> dict[str, Any] | None:
    """What `study.json` holds, or None if the directory is missing or empty.

    The folder of the repeats may be there before the study has begun: a run makes it to lock them.

    Raises:
        ValueError: The directory holds something else, or `study.json` is damaged.
    """
    path = directory / NAME
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"--output must be a directory, {directory} is a file; choose another.")
    if not path.exists():
        if directory.exists() and any(not _is_ours(path) for path in directory.iterdir()):
            raise ValueError(f"--output must be a new directory or that of a study, {directory} holds other files.")
        return None
    return parse_study(description_bytes(path), str(path))


def description_bytes(path: pathlib.Path) -> bytes:
    """The bytes of a `study.json` that is there.

    Raises:
        ValueError: It is no regular file, is too large or cannot be read.
    """
    try:
        return read_regular(path, LARGEST_DESCRIPTION)
    except (OSError, ValueError) as error:
        raise _unreadable(str(path), error) from None


def parse_study(text: bytes, place: str) -> dict[str, Any]:
    """What the bytes of a `study.json` say.

    Args:
        text: The bytes.
        place: What to call the file.

    Raises:
        ValueError: It is damaged or of another format.
    """
    try:
        content = json.loads(text.decode("utf-8"))
        if content["format_version"] != FORMAT_VERSION:
            raise ValueError(f"it has format {content['format_version']}, this release writes {FORMAT_VERSION}")
        if content.get("crc32", description_crc32(content)) != description_crc32(content):
            raise ValueError("something in it has changed since it was written")
        if StudySpec.from_dict(content).study_hash != content["study_hash"]:
            raise ValueError("its identity does not have its hash")
        parse_study_file(text.decode("utf-8"), content)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _unreadable(place, error) from None
    assert isinstance(content, dict)
    return content


def _unreadable(place: str, error: Exception) -> ValueError:
    return ValueError(f"{place} must describe a study, but cannot be read ({error!r}); restore it.")


def _is_ours(path: pathlib.Path) -> bool:
    return path.name.startswith(".") or path.name == REPEATS
