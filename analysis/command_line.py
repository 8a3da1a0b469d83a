"""What the command lines of this package share."""

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message without the usage and exit with 2."""
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")
