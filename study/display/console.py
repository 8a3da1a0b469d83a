"""Where a run prints."""

import sys

from rich.console import Console

WIDTH_OF_A_FILE = 160


def new_console() -> Console:
    """Standard output as it is now, whatever is put in its place later.

    Lines in a file or pipe may be longer than the 80 columns that rich assumes.
    """
    console = Console(file=sys.stdout)
    return console if console.is_terminal else Console(file=sys.stdout, width=WIDTH_OF_A_FILE)


def say(console: Console, text: str) -> None:
    """Print a sentence: between words a terminal may break it, a file may not."""
    console.print(text, soft_wrap=not console.is_terminal, highlight=False, markup=False)
