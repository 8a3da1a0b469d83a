"""A copy of a ledger's committed files below a URI, from which any machine can go on with the study."""

import pathlib
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from analysis.ledger.durable import publish
from analysis.ledger.parts import CHECKED_NAME, crc32_of
from analysis.lines import one_line
from analysis.wording import count
from study.ledger.description import NAME as STUDY
from study.ledger.description import description_bytes, parse_study
from study.ledger.mirror.outdated import OUTDATED, outdated, set_aside
from study.ledger.recovery import move_to_damaged
from trainables.storage.object_store import Storage

FOLDERS = ("attempts", "epochs", "trials", "timings")
"""Order in which files are put: superseded rows are kept before they go elsewhere, a trial always has its epochs."""

PART = re.compile(rf"({'|'.join(FOLDERS)})(/\w+)?/[^/.][^/]*\.parquet", re.ASCII)
"""Names that a mirror fetches, puts and deletes. Whatever else lies at the URI is nobody's business."""

DRAFT = re.compile(rf"({'|'.join(FOLDERS)}|report)(/\w+)*/\.[^/]*\.draft", re.ASCII)

REPORT = "report"

NUM_AT_ONCE = 8
"""Files on their way at once: most of the time passes in waiting for an answer."""


class MirrorError(OSError):
    """The URI does not serve, or somebody else writes there."""


class Mirror:
    """The committed files of one ledger at a URI.

    The URI is the truth about what counts; the folder may have more: what could not be put there before a run ended.

    Args:
        storage: The URI.
        directory: Folder of the ledger on this machine, locked by this run.
        place: How messages name the URI.

    Attributes:
        notes: One line about everything that was found to be out of date or damaged.
    """

    def __init__(self, storage: Storage, directory: pathlib.Path, place: str) -> None:
        self._storage, self._directory, self._place = storage, directory, place
        self._seen: bytes | None = None
        self.notes: list[str] = []

    def stored_study(self) -> dict[str, Any] | None:
        """What `study.json` at the URI says; None if nothing is there.

        Raises:
            ValueError: Something else is there, or it is damaged.
            MirrorError: The URI is out of reach.
        """
        text = self._get(STUDY)
        if text is not None:
            return parse_study(text, f"{self._place}/{STUDY}")
        if not (self._directory / STUDY).exists() and any(map(is_content, self._sizes())):
            raise ValueError(f"--output must be new or hold a study, {self._place} holds other files; choose another.")
        return None

    def fetch(self, *, only: Iterable[str] = FOLDERS) -> None:
        """Bring the folder up to date, and put what only the folder has: afterwards both hold the same.

        `Ledger.recover` has to bring it in order then, and `align` the URI.

        Args:
            only: The folders to fetch.

        Raises:
            ValueError: The URI and the folder hold two studies.
            MirrorError: The URI is out of reach or full.
            OSError: The folder cannot be written.
        """
        self._seen = self._get(STUDY)
        self._take_study()
        sizes = self._sizes()
        there = {name for name in sizes if PART.fullmatch(name) and name.partition("/")[0] in set(only)}
        here = self._here()
        theirs, mine = there - here, here - there
        damaged = {name for name in there & here if not _is_whole(name, (self._directory / name).read_bytes())}
        for name in sorted(damaged):
            moved = move_to_damaged(self._directory, self._directory / name)
            self.notes.append(f"{self._directory / name} was damaged and is now {moved}; {self._place} had it.")
        self._each(self._fetch_one, [*theirs, *damaged])
        old = outdated(self._directory, sorted(mine), sorted(theirs))
        if old:
            set_aside(self._directory, old)
            self.notes.append(
                f"{count(len(old), 'file')} of {self._directory} were out of date, another run has gone on at "
                f"{self._place}; they are now in {self._directory / OUTDATED}."
            )
        cut = {name for name in there & here - damaged if sizes[name] != (self._directory / name).stat().st_size}
        self._put_all(name for name in {*mine, *cut} - {*old})

    def put(self, stem: str) -> None:
        """Put the files of an attempt that has just been committed.

        Raises:
            MirrorError: The URI is out of reach or full, or another run writes there.
        """
        self._check_unchanged()
        for table in ("epochs", "trials"):
            for path in (self._directory / table).glob(f"{stem}.*.parquet"):
                self._put_one(f"{table}/{path.name}")

    def align(self) -> None:
        """Have the URI hold what the folder holds: new files first, then `study.json`, then deletions.

        Raises:
            MirrorError: The URI is out of reach or full, or another run writes there.
        """
        self._check_unchanged()
        here, sizes = self._here(), self._sizes()
        self._put_all(here - set(sizes))
        self._put_study()
        gone = [name for name in sizes if name not in here and PART.fullmatch(name)]
        # A trial goes before its epochs.
        for folder in ("trials", "epochs", "timings", "attempts"):
            self._each(self._delete_one, [name for name in gone if name.startswith(f"{folder}/")])
        self._each(self._delete_one, [name for name in sizes if DRAFT.fullmatch(name)])

    def put_report(self) -> None:
        """Put the report in the place of the one before.

        Raises:
            MirrorError: The URI is out of reach or full, or another run writes there.
        """
        self._check_unchanged()
        paths = (path for path in (self._directory / REPORT).rglob("*") if path.is_file() and path.suffix != ".draft")
        names = {path.relative_to(self._directory).as_posix() for path in paths}
        self._each(self._put_one, names)
        self._each(self._delete_one, [name for name in self._sizes() if name.startswith(f"{REPORT}/")], but=names)

    def _here(self) -> set[str]:
        """Names of the committed files of the folder."""
        paths = (path for folder in FOLDERS for path in (self._directory / folder).rglob("*.parquet"))
        names = (path.relative_to(self._directory).as_posix() for path in paths if path.is_file())
        return {name for name in names if PART.fullmatch(name)}

    def _take_study(self) -> None:
        """The URI's `study.json` counts, unless that of the folder merely goes on from it."""
        path = self._directory / STUDY
        mine = description_bytes(path) if path.exists() else None
        if self._seen is None or self._seen == mine:
            return
        theirs = parse_study(self._seen, f"{self._place}/{STUDY}")
        ours = None if mine is None else parse_study(mine, str(path))
        if ours is not None and ours["study_hash"] != theirs["study_hash"]:
            raise ValueError(
                f"{self._place} holds study {theirs['study_hash']}, its working folder {self._directory} study "
                f"{ours['study_hash']}; move that folder away, or choose another --output."
            )
        if ours is None or not all(ours[name][: len(theirs[name])] == theirs[name] for name in ("runs", "looks")):
            text = self._seen
            publish(path, lambda draft: draft.write_bytes(text))

    def _check_unchanged(self) -> None:
        """Two drivers on two machines share no lock: the one whose run was recorded last goes on, the other ends."""
        if self._get(STUDY) != self._seen:
            raise MirrorError(
                f"{self._place}/{STUDY} was written by somebody else while this run was at work; only one machine at "
                "a time may run the study, so see to it that no other does"
            )

    def _put_study(self) -> None:
        path = self._directory / STUDY
        if path.exists() and (text := path.read_bytes()) != self._seen:
            with self._reaching():
                self._storage.put(STUDY, text)
            self._seen = text

    def _put_all(self, names: Iterable[str]) -> None:
        """Put files that are whole; recovery sets the others aside."""
        if self._seen is None:  # without it nobody knows what the other files are
            self._put_study()
        wanted = sorted(names)
        for folder in FOLDERS:
            self._each(self._put_one, [name for name in wanted if name.startswith(f"{folder}/")])

    def _put_one(self, name: str) -> None:
        content = (self._directory / name).read_bytes()
        if _is_whole(name, content):
            with self._reaching():
                self._storage.put(name, content)

    def _delete_one(self, name: str) -> None:
        with self._reaching():
            self._storage.delete(name)

    def _fetch_one(self, name: str) -> None:
        """Fetch a file; one that is damaged at the URI as well is left to recovery, which sets it aside."""
        content = self._get(name)
        if content is not None and not _is_whole(name, content):  # perhaps only on its way
            content = self._get(name)
        if content is not None:
            publish(self._directory / name, lambda draft: draft.write_bytes(content))

    def _get(self, name: str) -> bytes | None:
        with self._reaching():
            try:
                return self._storage.get(name)
            except FileNotFoundError:
                return None

    def _sizes(self) -> dict[str, int]:
        with self._reaching():
            return self._storage.sizes()

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise MirrorError(f"{self._place} does not serve: {one_line(str(error))[:200]}") from error

    def _each(self, act: Callable[[str], None], names: Iterable[str], *, but: Iterable[str] = ()) -> None:
        wanted = sorted({*names} - {*but})
        with ThreadPoolExecutor(NUM_AT_ONCE, thread_name_prefix="mirror") as threads:
            for _ in threads.map(act, wanted):
                pass


def is_content(name: str) -> bool:
    """Whether a name at a URI means that it is in use, and not what a killed run has left of its check."""
    return not name.rpartition("/")[2].startswith((".", "probe-"))


def _is_whole(name: str, content: bytes) -> bool:
    """Whether bytes have the checksum that a name ends with, if it does."""
    match = CHECKED_NAME.fullmatch(name)
    return match is None or match["crc32"] == crc32_of(content)
