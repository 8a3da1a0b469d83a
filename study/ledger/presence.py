"""That what a run has stored is still where it was stored."""

import pathlib


class Presence:
    """Remembers the folders of a study as they were first seen, and how many rows of `trials` were put there.

    Whoever deletes, moves or replaces a folder while a study runs takes rows that count as stored: to write on would be
    to train to the end and keep the rest.

    Args:
        directory: The study's directory.
    """

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory
        self._seen: dict[pathlib.Path, tuple[int, int]] = {}
        self._rows: dict[str, int] = {}
        self._rows_before = 0

    def check(self, *names: str) -> None:
        """Refuse a folder that is gone, or that is another one by now.

        Args:
            names: Folders within that may have come since the last call.

        Raises:
            OSError: One that was seen before is gone.
        """
        for folder in (self._directory, *(self._directory / name for name in names)):
            found = _identity(folder)
            if self._seen.get(folder, found) != found:
                raise OSError(
                    f"{folder} was deleted, moved or replaced while the study ran, and with it rows that were stored: "
                    "no more is trained. Put it back; what is missing then is trained."
                )
            if found is not None:
                self._seen[folder] = found

    def add(self, name: str, num_rows: int) -> None:
        """Note what was stored; threads may do so at once.

        Args:
            name: Of the attempt.
            num_rows: Of `trials`.
        """
        self._rows[name] = num_rows

    def begin(self, num_rows: int) -> None:
        """Note how many rows of `trials` earlier runs have stored."""
        self._rows_before, self._rows = num_rows, {}

    def check_rows(self, num_found: int) -> None:
        """Refuse fewer rows of `trials` than were stored.

        Args:
            num_found: What is there.

        Raises:
            OSError: Some are gone.
        """
        num_stored = self._rows_before + sum(self._rows.values())
        if num_found < num_stored:
            raise OSError(
                f"{self._directory} holds {num_found} rows of trials where {num_stored} were stored: files "
                "were deleted while it ran. What is missing is trained anew."
            )


def _identity(folder: pathlib.Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
