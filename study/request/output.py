"""Where a study is kept: a folder of this machine, and perhaps a URI that receives what is committed there."""

import hashlib
import pathlib
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from analysis.ledger.schema import NUMBER, REPEATS, repeat_directory
from study.ledger import Ledger, MirroredLedger
from study.ledger.directory import free_name
from study.ledger.lock import repeats
from study.ledger.mirror.mirror import Mirror, MirrorError, is_content
from study.request.checks import is_uri
from study.spec import StudySpec
from trainables.storage.object_store import Storage

CALLED = "--output"

LONGEST_SLUG = 60

BEGUN = re.compile(rf"{REPEATS}/(?P<repeat>{NUMBER.pattern})/study\.json", re.ASCII)


class Output:
    """A folder, alone or with a URI.

    Args:
        directory: The folder in which the study lies on this machine.
        storage: The URI; None for a folder alone.
        word: What `--output` takes to come back here.
    """

    def __init__(self, directory: pathlib.Path, storage: Storage | None, word: str) -> None:
        self.directory, self.word = directory, word
        self._storage = storage
        self._mirrors: dict[pathlib.Path, Mirror] = {}

    @property
    def is_mirrored(self) -> bool:
        """Whether there is a URI."""
        return self._storage is not None

    def __str__(self) -> str:
        return str(self.directory) if self._storage is None else f"{self.word} (working folder {self.directory})"

    def stored_study(self) -> dict[str, Any] | None:
        """What `study.json` at the URI says; None if it holds nothing, or for a folder alone.

        Raises:
            ValueError: Something else is there, or it is out of reach.
        """
        if self._storage is None:
            return None
        try:
            return self._mirror(0).stored_study()
        except MirrorError as error:
            raise self._storage.refused(error.__cause__ or error) from None

    def check(self) -> None:
        """Try the URI before anything relies on it.

        Raises:
            ValueError: It does not serve.
        """
        if self._storage is not None:
            self._storage.check()

    def is_free(self) -> bool:
        """Whether nothing lies at the URI or in the folder.

        Raises:
            ValueError: The URI is out of reach.
        """
        assert self._storage is not None
        try:
            return not self.directory.exists() and not any(map(is_content, self._storage.sizes()))
        except OSError as error:
            raise self._storage.refused(error) from None

    def stored_repeats(self) -> list[int]:
        """Numbers of the repeats that have begun at the URI."""
        if self._storage is None:
            return []
        found = (BEGUN.fullmatch(name) for name in self._storage.sizes())
        return sorted(int(match["repeat"]) for match in found if match)

    def fetch(self, num_repeats: int) -> None:
        """Bring the folder up to date with the URI; all of the study must be locked.

        Raises:
            ValueError: They hold two studies.
            OSError: One of them does not serve.
        """
        if self._storage is None:
            return
        for repeat in {*repeats(self.directory, num_repeats), *self.stored_repeats()}:
            mirror = self._mirror(repeat)
            mirror.fetch()
            self._mirrors[repeat_directory(self.directory, repeat)] = mirror

    @contextmanager
    def preview(self) -> Iterator[pathlib.Path]:
        """A folder that holds what a plan is made from; nothing else is written."""
        if self._storage is None:
            yield self.directory
            return
        with tempfile.TemporaryDirectory(prefix="study-plan-") as scratch:
            folder = pathlib.Path(scratch)
            for repeat in (0, *self.stored_repeats()):
                self._mirror(repeat, folder).fetch(only=("trials",))
            yield folder

    def ledger(self, directory: pathlib.Path, spec: StudySpec, *, continues: bool) -> Ledger:
        """The ledger of the study or of one of its repeats."""
        if self._storage is None:
            return Ledger(directory, spec, continues=continues)
        return MirroredLedger(directory, spec, self._mirrors[directory], continues=continues)

    def put_report(self) -> None:
        """Put the report at the URI as well.

        Raises:
            OSError: The URI does not serve.
        """
        if self._storage is not None:
            self._mirrors[self.directory].put_report()

    def _mirror(self, repeat: int, folder: pathlib.Path | None = None) -> Mirror:
        assert self._storage is not None
        directory = repeat_directory(folder or self.directory, repeat)
        if not repeat:
            return Mirror(self._storage, directory, self.word)
        return Mirror(self._storage.below(f"{REPEATS}/{repeat}"), directory, f"{self.word}, repeat {repeat}")


def open_output(word: str | None, default: pathlib.Path, *, fresh: bool) -> Output:
    """Where a study is kept.

    Args:
        word: What `--output` was given.
        default: The folder if it was not.
        fresh: Whether to take the first of `NAME`, `NAME-2`, `NAME-3`, ... that is not in use.

    Raises:
        ValueError: The word is a URI of another form, holds a secret or does not answer, or has no neighbour.
    """
    if word is not None and is_uri(word):
        return _open_uri(word, default.parent, fresh=fresh)
    base = default if word is None else pathlib.Path(word)
    if not fresh:
        return Output(base, None, str(base))
    whole = base.resolve() if base.name in ("", "..") else base
    if not whole.name:
        raise ValueError(f"--fresh needs a directory that can have a neighbour, got --output {base}; choose another.")
    free = free_name(whole)
    return Output(free, None, str(free))


def _open_uri(uri: str, parent: pathlib.Path, *, fresh: bool) -> Output:
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise ValueError(f"--output must be a folder or a URI, got {uri!r}: {error}; mend it.") from None
    if "://" not in uri:
        raise ValueError(
            f"--output must be a folder or a URI with :// after its scheme, got {uri!r}; write {parts.scheme}://..., "
            f"or ./{uri} for a folder of this name."
        )
    if parts.password is not None:
        raise ValueError(
            f"--output must hold no secret, as `study.json` keeps the command line, got one in {parts.scheme}://...@"
            f"{parts.hostname}{parts.path}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment instead."
        )
    base = parts._replace(path=parts.path.rstrip("/"))
    number = 1
    while True:
        word = base.geturl() if number == 1 else base._replace(path=f"{base.path}-{number}").geturl()
        output = Output(parent / _slug(word), Storage(word if number > 1 else uri, CALLED), word)
        if not fresh:
            return output
        if not base.path:
            raise ValueError(f"--fresh needs a folder that can have a neighbour, got --output {uri}; choose another.")
        if output.is_free():
            return output
        number += 1


def _slug(uri: str) -> str:
    """Name of the working folder: one for each URI, as readable as a name can be."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", uri.partition("?")[0]).strip("-")[-LONGEST_SLUG:].strip("-")
    return f"{name}-{hashlib.sha256(uri.encode()).hexdigest()[:8]}"
