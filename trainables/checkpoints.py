"""A storage of checkpoints that every worker reaches. The only module of this package that imports pyarrow."""

import uuid
import zlib

from pyarrow import fs

SCHEMES = ("file", "s3", "gs")

CHECKSUM_BYTES = 4


class Checkpoints:
    """Named bytes below a folder. Whoever reads a name gets what was stored last or nothing, never half of it.

    Nothing trains differently without them: a training from the start gives the same rows.

    Args:
        storage: Absolute path, or URI such as `file:///folder`, `s3://bucket/folder` or `gs://bucket/folder`, with
            the options of `pyarrow.fs.FileSystem.from_uri`.

    Raises:
        ValueError: It is neither.
    """

    def __init__(self, storage: str) -> None:
        self.storage = storage
        self._filesystem, self._folder = _open(storage)
        self._is_local = isinstance(self._filesystem, fs.LocalFileSystem)

    def check(self) -> None:
        """Try the storage before anything relies on it.

        Raises:
            ValueError: What is written there cannot be read back and deleted.
        """
        name, content = f"probe-{uuid.uuid4().hex}", b"probe"
        try:
            self.save(name, content)
            if self.load(name) != content:
                raise OSError("what was written could not be read back")
            self.discard(name)
        except OSError as error:
            raise ValueError(
                "The storage of checkpoints must be a folder that can be written, read and deleted from, "
                f"got {self.storage!r}: {_one_line(error)}; choose another or mend its permissions."
            ) from None

    def save(self, name: str, content: bytes) -> None:
        """Store under a name, in place of what was stored there before.

        Args:
            name: Relative path with slashes; folders are made as needed.
            content: What to store.

        Raises:
            OSError: The storage is full, out of reach or may not be written.
        """
        path = target = self._path(name)
        if self._is_local:  # an object store has no folders, and shows an object only once it is complete
            target = _draft(path)
            self._filesystem.create_dir(path.rpartition("/")[0], recursive=True)
        with self._filesystem.open_output_stream(target, compression=None) as stream:
            stream.write(_checksum(content) + content)
        if self._is_local:
            self._filesystem.move(target, path)

    def load(self, name: str) -> bytes | None:
        """What is stored under a name; None if that is nothing, damaged or out of reach."""
        try:
            with self._filesystem.open_input_stream(self._path(name), compression=None) as stream:
                stored: bytes = stream.read()
        except OSError:
            return None
        content = stored[CHECKSUM_BYTES:]
        return content if stored[:CHECKSUM_BYTES] == _checksum(content) else None

    def discard(self, name: str) -> None:
        """Delete what is stored under a name, if anything is.

        Raises:
            OSError: The storage is out of reach or may not be written.
        """
        path = self._path(name)
        for leftover in (path, _draft(path)) if self._is_local else (path,):
            try:
                self._filesystem.delete_file(leftover)
            except FileNotFoundError:
                continue

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}"


def _open(storage: str) -> tuple[fs.FileSystem, str]:
    """The file system of a storage, and the folder in it without a slash at its end."""
    if storage.startswith("/"):  # of which from_uri would not take every character
        return fs.LocalFileSystem(), storage.rstrip("/")
    allowed = (
        "The storage of checkpoints must be an absolute path or a URI that starts with "
        f"{', '.join(f'{scheme}://' for scheme in SCHEMES[:-1])} or {SCHEMES[-1]}://"
    )
    scheme, separator, rest = storage.partition("://")
    if not separator:
        raise ValueError(f"{allowed}, got the relative path {storage!r}; give it in full.")
    if scheme not in SCHEMES or not rest:
        raise ValueError(f"{allowed} and names a folder, got {storage!r}; choose one of these.")
    try:
        filesystem, folder = fs.FileSystem.from_uri(storage)
    except (OSError, ValueError) as error:
        raise ValueError(f"{allowed}, got {storage!r}: {_one_line(error)}; mend it.") from None
    return filesystem, folder.rstrip("/")


def _draft(path: str) -> str:
    """Where a file is written before it takes the place of the one before; a dead writer's is overwritten."""
    return f"{path}.draft"


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(CHECKSUM_BYTES, "big")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
