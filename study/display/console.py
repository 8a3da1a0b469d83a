"""Where a run prints."""

from rich.console import Console

WIDTH_OF_A_FILE = 160


def new_console() -> Console:
    """The terminal; lines in a file or pipe may be longer than the 80 columns that rich assumes."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_OF_A_FILE)


def say(console: Console, text: str) -> None:
    """Print a sentence: between words a terminal may break it, a file may not."""
    console.print(text, soft_wrap=not console.is_terminal, highlight=False, markup=False)
