"""Checkpoints in a storage that every worker reaches, each with a checksum."""

import zlib

from trainables.storage.object_store import Storage

CHECKSUM_BYTES = 4


class Checkpoints:
    """Named bytes below a folder. Whoever reads a name gets what was stored last or nothing, never half of it.

    Nothing trains differently without them: a training from the start gives the same rows.

    Args:
        storage: Where they are, as `Storage` takes it.

    Raises:
        ValueError: It is neither an absolute path nor a URI.
    """

    def __init__(self, storage: str) -> None:
        self.storage = storage
        self._storage = Storage(storage, "The storage of checkpoints")

    def check(self) -> None:
        """Try the storage before anything relies on it.

        Raises:
            ValueError: What is written there cannot be read back and deleted.
        """
        self._storage.check()

    def save(self, name: str, content: bytes) -> None:
        """Store under a name, in place of what was stored there before.

        Args:
            name: Relative path with slashes; folders are made as needed.
            content: What to store.

        Raises:
            OSError: The storage is full, out of reach or may not be written.
        """
        self._storage.put(name, _checksum(content) + content)

    def load(self, name: str) -> bytes | None:
        """What is stored under a name; None if that is nothing, damaged or out of reach."""
        try:
            stored = self._storage.get(name)
        except OSError:
            return None
        content = stored[CHECKSUM_BYTES:]
        return content if stored[:CHECKSUM_BYTES] == _checksum(content) else None

    def discard(self, name: str) -> None:
        """Delete what is stored under a name, if anything is.

        Raises:
            OSError: The storage is out of reach or may not be written.
        """
        self._storage.delete(name)


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(CHECKSUM_BYTES, "big")
