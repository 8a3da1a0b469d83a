"""Text files of a report, replaced together: no reader finds half of one, and one that does not fit replaces none."""

import pathlib
from collections.abc import Mapping

from analysis.drafts import drafts
from analysis.links import refuse_links


def replace_all(folder: pathlib.Path, contents: Mapping[str, str]) -> None:
    """Write files so that a reader sees the old or the new one, never half of one.

    All are written before the first gets its name: where they do not fit, those of before stay as they were.

    Args:
        folder: Where they belong; made if it is not there.
        contents: The text of each file by its path within the folder.

    Raises:
        OSError: A file cannot be written; the drafts are removed.
        ValueError: A folder below `folder` is a link; nothing is written.
    """
    refuse_links(folder, {pathlib.Path(name).parent for name in contents})
    with drafts([folder / name for name in contents]) as found:
        for draft, content in zip(found, contents.values(), strict=True):
            draft.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(content, encoding="utf-8", newline="\n")


def replace(path: pathlib.Path, content: str) -> None:
    """Write one file as `replace_all` does.

    Raises:
        OSError: The file cannot be written.
    """
    replace_all(path.parent, {path.name: content})
