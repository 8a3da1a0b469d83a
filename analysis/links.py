"""Links in the place of folders, through which a study from elsewhere would have files written where it likes."""

import pathlib
from collections.abc import Iterable


def refuse_link(folder: pathlib.Path) -> None:
    """Refuse a folder that this program has named itself and that is a link.

    Raises:
        ValueError: It is one.
    """
    if folder.is_symlink():
        raise ValueError(
            f"files are written into folders, {str(folder)!r} is a link to {str(folder.readlink())!r}; remove it, or "
            "name the folder that is meant with --output."
        )


def refuse_links(folder: pathlib.Path, below: Iterable[pathlib.Path]) -> None:
    """Refuse links among the folders that lie below one and are about to be written into.

    Args:
        folder: The folder, which may be a link itself if whoever asks has named it.
        below: Those below it, as paths from there.

    Raises:
        ValueError: One is a link.
    """
    for path in below:
        for part in (path, *path.parents):
            if part.name:
                refuse_link(folder / part)
