"""The code on which the rows of a study depend, as digests that a comment or a docstring does not change."""

import ast
import hashlib
import importlib.util
import pathlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cache

from analysis.plugins import Plugins
from study.search import SEARCHES
from study.spec import StudySpec
from trainables.optimizers import OPTIMIZERS

ROOT = pathlib.Path(__file__).parents[2]
"""Where the packages of this project lie beside one another."""

COUNTED = ("study", "trainables", "analysis/ledger/plan.py", "analysis/ledger/sweep_design.py")
"""Whose code decides which rows there are and what they say. What is made of rows, `analysis`, changes none."""

NOT_COUNTED = (
    "study/audit",  # other commands
    "study/claims.py",
    "study/ledger/__main__.py",
    "study/ledger/check.py",
    "study/ledger/export.py",
    "study/cluster",  # where trials run
    "study/display",  # what a run shows, and how it ends
    "study/own_process.py",
    "study/raw_output.py",
    "study/signals.py",
    "study/watcher.py",
    "study/ledger/mirror",  # copies of rows that are there
    "study/request",  # what is asked for is compared with the identity that is stored
    "trainables/contract",  # what is refused before a study
    "trainables/training/probe.py",  # how long a study would take
)

KINDS = (".py", ".c", ".webp")
"""Endings of files that count: code of both languages, and the images that come with it."""

DIGITS = 12
"""Of a digest: enough to tell apart all the states that code ever has."""


def code_of(spec: StudySpec) -> dict[str, str]:
    """Digests of the code that a study's rows depend on.

    Returns:
        One for each folder of this project, and one for each plug-in that the study uses: its file, or for one of an
        installed package that whole package. What the study does not use may come, go and change.
    """
    used = {OPTIMIZERS: [name for name, own in spec.optimizers.items() if own.source is None]}
    used[SEARCHES] = [spec.identity.search]
    found = {place: digest for place, digest in _own_code().items() if not place.endswith(".py")}
    for plugins, names in used.items():
        folder = _folder(plugins)
        own = [name for name in names if name in plugins.names_in_folder()]
        found |= {f"{folder}/{name}.py": _own_code()[f"{folder}/{name}.py"] for name in _needed(folder, own)}
        found |= dict(_installed(plugins, set(names) - set(own)))
    return dict(sorted(found.items()))


def digest_of(source: bytes) -> str:
    """Digest of what Python code does: comments, docstrings and layout are not part of it."""
    return _shortened(" ".join(_words(ast.parse(source))).encode("utf-8", "backslashreplace"))


def _words(node: object) -> Iterator[str]:
    """The syntax tree, the same in every release of Python that has the same syntax, unlike `ast.dump`."""
    if isinstance(node, ast.AST):
        yield type(node).__name__
        for name, value in ast.iter_fields(node):
            if value is not None and value != []:
                yield name
                yield from _words(value)
        yield ")"
    elif isinstance(node, list):
        for item in node:
            if not _is_text(item):
                yield from _words(item)
        yield "]"
    else:
        yield repr(node)


def _is_text(node: object) -> bool:
    """Whether a statement is a string alone: a docstring, or what stands below a constant."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@cache
def _own_code() -> dict[str, str]:
    """Digest of each folder, the files in it taken together, and of each plug-in's file by itself."""
    apart = {_folder(OPTIMIZERS), _folder(SEARCHES)}
    parts: dict[str, list[str]] = defaultdict(list)
    for path in sorted(path for place in COUNTED for path in _files(ROOT / place)):
        name = path.relative_to(ROOT).as_posix()
        folder = name.rpartition("/")[0]
        if any(f"{name}/".startswith(f"{left}/") for left in NOT_COUNTED):
            continue
        is_plugin = folder in apart and not path.name.startswith("_")
        parts[name if is_plugin else folder].append(f"{name} {_digest_of_file(path)}")
    return {place: _shortened("\n".join(lines).encode()) for place, lines in parts.items()}


def _files(place: pathlib.Path) -> Collection[pathlib.Path]:
    return [place] if place.is_file() else [path for path in place.rglob("*") if path.suffix in KINDS]


def _digest_of_file(path: pathlib.Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".py":
        with suppress(SyntaxError, ValueError):  # a package may hold templates and code of other releases
            return digest_of(content)
    return _shortened(content)


def _folder(plugins: Plugins) -> str:
    return plugins.package.replace(".", "/")


def _needed(folder: str, names: Collection[str]) -> set[str]:
    """Those plug-ins of a folder and the ones that they import."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        path = ROOT / folder / f"{name}.py"
        if name in found or not path.is_file():
            continue
        found.add(name)
        package = folder.replace("/", ".")
        modules = _imported(ast.parse(path.read_bytes()), package)
        inner = [
            module.removeprefix(f"{package}.").partition(".")[0]
            for module in modules
            if module.startswith(f"{package}.")
        ]
        # What several plug-ins share is counted with the folder.
        left += [module for module in inner if not module.startswith("_")]
    return found


def _imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Modules that a module of a package imports, and whatever else might be one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(part for part in (package if node.level else "", node.module) if part)
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))


def _installed(plugins: Plugins, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Digest of each installed package that a plug-in comes from, by the name that Python imports it by."""
    for package in sorted({plugins.module_name(name).partition(".")[0] for name in names}):
        spec = importlib.util.find_spec(package)
        assert spec is not None  # it has been loaded
        places = spec.submodule_search_locations or [str(spec.origin)]
        files = [(path, path.relative_to(place)) for place in places for path in sorted(_files(pathlib.Path(place)))]
        lines = [f"{name.as_posix()} {_digest_of_file(path)}" for path, name in files]
        yield package, _shortened("\n".join(lines).encode())


def _shortened(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]
