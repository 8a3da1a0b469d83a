"""A user's own optimizer files: read as Python reads them, and refused where one file alone would not do."""

import ast
import pathlib
import sys
from collections.abc import Iterator, Sequence
from importlib.util import decode_source

from trainables.optimizers import check_user_name

OURS = ("analysis", "study", "trainables")
"""Packages that every worker has, also where a file lies beside their folders."""


def read_files(paths: Sequence[pathlib.Path]) -> dict[str, str]:
    """Text of each file by the name of its optimizer.

    Raises:
        ValueError: A file cannot be read or is named by what no optimizer may be, or imports what lies beside it.
    """
    files: dict[str, str] = {}
    for path in paths:
        if path.suffix != ".py":
            raise ValueError(f"--optimizer-file must name a Python file (*.py), got {str(path)!r}.")
        check_user_name(path.stem)
        if path.stem in files:
            raise ValueError(f"--optimizer-file must give each name once, got {path.stem!r} twice; rename one file.")
        files[path.stem] = _read(path)
        _refuse_siblings(path, files[path.stem])
    return files


def _read(path: pathlib.Path) -> str:
    """The text of a file, whose first lines may name an encoding."""
    try:
        return decode_source(path.read_bytes())
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise ValueError(f"--optimizer-file must name a readable text file, got {str(path)!r}: {error}.") from None


def _refuse_siblings(path: pathlib.Path, text: str) -> None:
    """Refuse a file that imports another one: where it is found from here, workers elsewhere would not find it."""
    for name, line in _imports(text):
        first = name.partition(".")[0]
        beside = [path.parent / f"{first}.py", path.parent / first / "__init__.py"]
        known = first in OURS or first in sys.stdlib_module_names
        if not first or (not known and any(file.exists() for file in beside)):
            raise ValueError(
                f"--optimizer-file sends one file to the workers, {str(path)!r} imports {name or 'what lies'} beside "
                f"it in line {line}; copy what it needs into the file, or install that as a package."
            )


def _imports(text: str) -> Iterator[tuple[str, int]]:
    """Each module that a file imports, "" for one named from its own folder on, and in which line."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # whoever runs the file says what is wrong with it
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield ("" if node.level else node.module or ""), node.lineno
