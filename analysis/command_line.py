"""What the command lines of this package share."""

import argparse
import errno
from typing import NoReturn

from analysis.lines import one_line


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message without the usage and exit with 2."""
        self.exit(2, f"{self.prog}: error: {one_line(message)}\n")


DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""What is wrong with a disk and not with the command: it is full or may not be written."""
