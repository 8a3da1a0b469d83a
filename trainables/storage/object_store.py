"""Files in a folder or below a URI of an object store. The only module of this package that imports pyarrow."""

import copy
import uuid
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Self

from pyarrow import fs

from trainables.lines import one_line

SCHEMES = ("file", "s3", "gs")

DEFAULTS = {"s3": "allow_delayed_open=true", "gs": "retry_limit_seconds=30"}
"""Options of pyarrow that are not its own defaults: a small object takes one request in the place of three, and where
Google's storage does not answer it is tried for half a minute instead of 15."""


class Storage:
    """Bytes by name. Whoever reads a name gets what was put there last or nothing, never half of it.

    Args:
        location: Absolute path, or URI such as `file:///folder`, `s3://bucket/folder` or `gs://bucket/folder`, with
            the options of `pyarrow.fs.FileSystem.from_uri`.
        called: What the location is called where it is refused.

    Raises:
        ValueError: It is neither, or names no folder.
    """

    def __init__(self, location: str, called: str) -> None:
        self.location, self._called = location, called
        filesystem, folder = _open(location, called)
        self._filesystem = fs.SubTreeFileSystem(folder, filesystem)
        self._is_local = isinstance(filesystem, fs.LocalFileSystem)

    def below(self, folder: str) -> Self:
        """The storage of a folder within."""
        inner = copy.copy(self)
        inner._filesystem = fs.SubTreeFileSystem(folder, self._filesystem)
        return inner

    def check(self) -> None:
        """Try the storage before anything relies on it.

        Raises:
            ValueError: What is written there cannot be read back and deleted.
        """
        name, content = f"probe-{uuid.uuid4().hex}", b"probe"
        try:
            self.put(name, content)
            if self.get(name) != content:
                raise OSError("what was written could not be read back")
            self.delete(name)
        except OSError as error:
            raise self.refused(error) from None

    def refused(self, error: BaseException) -> ValueError:
        """What to raise if the storage does not serve."""
        return ValueError(
            f"{self._called} must be a folder that can be written, read and deleted from, "
            f"got {self.location!r}: {one_line(str(error))[:200]}; choose another or mend its permissions."
        )

    def put(self, name: str, content: bytes) -> None:
        """Store under a name, in place of what was stored there before.

        Args:
            name: Relative path with slashes; folders are made as needed.
            content: What to store.

        Raises:
            OSError: The storage is full, out of reach or may not be written.
        """
        target = name
        if self._is_local:  # an object store has no folders, and shows an object only once it is complete
            target = draft_of(name)
            folder = self._filesystem.base_path + name.rpartition("/")[0]
            self._filesystem.base_fs.create_dir(folder.rstrip("/"), recursive=True)
        try:
            with self._filesystem.open_output_stream(target, compression=None) as stream:
                stream.write(content)
            if self._is_local:
                self._filesystem.move(target, name)
        except OSError:
            if self._is_local:
                with suppress(OSError):
                    self._filesystem.delete_file(target)
            raise

    def get(self, name: str) -> bytes:
        """What is stored under a name.

        Raises:
            FileNotFoundError: Nothing is.
            OSError: The storage is out of reach or may not be read.
        """
        with self._filesystem.open_input_stream(name, compression=None) as stream:
            content: bytes = stream.read()
        return content

    def delete(self, name: str) -> None:
        """Delete what is stored under a name, if anything is.

        Raises:
            OSError: The storage is out of reach or may not be written.
        """
        for leftover in (name, draft_of(name)) if self._is_local else (name,):
            with suppress(FileNotFoundError):
                self._filesystem.delete_file(leftover)

    def sizes(self) -> dict[str, int]:
        """Name and number of bytes of everything that is stored, at any depth.

        Raises:
            OSError: The storage is out of reach or may not be read, or is a file.
        """
        folder = self._filesystem.base_path.rstrip("/")  # with the slash, a file would read as nothing there
        selector = fs.FileSelector(folder, allow_not_found=True, recursive=True)
        found = self._filesystem.base_fs.get_file_info(selector)
        start = len(folder) + 1
        return {info.path[start:]: info.size for info in found if info.type == fs.FileType.File}


def _open(location: str, called: str) -> tuple[fs.FileSystem, str]:
    """The file system of a storage, and the folder in it."""
    if location.startswith("/"):  # of which from_uri would not take every character
        return fs.LocalFileSystem(), location
    allowed = (
        f"{called} must be an absolute path or a URI that starts with "
        f"{', '.join(f'{scheme}://' for scheme in SCHEMES[:-1])} or {SCHEMES[-1]}://"
    )
    scheme, separator, rest = location.partition("://")
    if not separator:
        raise ValueError(f"{allowed}, got the relative path {location!r}; give it in full.")
    if scheme not in SCHEMES or not rest.strip("/"):
        raise ValueError(f"{allowed} and names a folder, got {location!r}; choose one of these.")
    if "#" in rest or (scheme == "file" and "?" in rest):  # from_uri would drop it with all that follows
        raise ValueError(f"{allowed}, got {location!r}; write %23 for a # in a name, and %3F for a ?.")
    try:
        filesystem, folder = fs.FileSystem.from_uri(_with_default(location, DEFAULTS.get(scheme)))
    except (OSError, ValueError) as error:
        raise ValueError(f"{allowed}, got {location!r}: {one_line(str(error))[:200]}; mend it.") from None
    return filesystem, folder


def _with_default(uri: str, option: str | None) -> str:
    """The URI with an option, unless it gives that itself."""
    if option is None or option.partition("=")[0] in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{option}"


def draft_of(path: str) -> str:
    """Where a file is written before it takes the place of the one before; a dead writer's is overwritten.

    Programs that read a folder of Parquet files pass over names that begin with a dot.
    """
    final = PurePosixPath(path)
    return str(final.with_name(f".{final.name}.draft"))
