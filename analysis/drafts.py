"""Drafts: files or folders under other names beside their own, which they get once all of them are written."""

import errno
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""What is wrong with a disk and not with what was asked: it is full or may not be written."""


@contextmanager
def drafts(paths: Sequence[pathlib.Path]) -> Iterator[list[pathlib.Path]]:
    """Where to write files or folders; they get their names at the end of the block, once all are written.

    If the block raises, none gets its name, and what it has written is removed.

    Args:
        paths: Where they will be; a file that is there is replaced. Their folders must be there when one writes.

    Yields:
        A path beside each.

    Raises:
        OSError: One cannot get its name.
    """
    # Readers take *.parquet only and Arrow's discovery ignores names that begin with a dot. Several may write at once.
    found = [path.with_name(f".{path.name}.{os.getpid()}.draft") for path in paths]
    try:
        yield found
        for draft, path in zip(found, paths, strict=True):
            draft.replace(path)
    finally:
        for draft in found:
            shutil.rmtree(draft, ignore_errors=True)
            with suppress(OSError):
                draft.unlink(missing_ok=True)
