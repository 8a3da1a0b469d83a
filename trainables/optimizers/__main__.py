"""`python -m trainables.optimizers` prints the table of optimizers; with FILE.md it replaces the one in that file."""

import pathlib
import sys

from trainables.lines import one_line
from trainables.optimizers._table import replace_table, table

USAGE = "usage: python -m trainables.optimizers [FILE.md]"


def main(words: list[str]) -> int:
    """Run the command line; returns the exit status."""
    if len(words) > 1 or any(word.startswith("-") for word in words):
        print(__doc__, USAGE, sep="\n")
        return 0 if words in (["-h"], ["--help"]) else 2
    if not words:
        print(table(), end="")
        return 0
    path = pathlib.Path(words[0])
    try:
        path.write_text(replace_table(path.read_text(encoding="utf-8")), encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"python -m trainables.optimizers: error: {one_line(str(error))}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
