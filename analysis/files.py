"""Files that are whole or absent."""

import os
import pathlib


def replace(path: pathlib.Path, content: str) -> None:
    """Write so that a reader sees the old file or the new one, never half of it.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        draft.write_text(content, encoding="utf-8", newline="\n")
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
