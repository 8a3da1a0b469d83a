"""The architecture as a test: which package may import which, and in which order the rooms of a package stand.

A room is a folder of a package, or a file that lies loose in it. Each floor may import the floors below it; rooms that
share a floor do not know each other. Imports inside functions count as well: a late import is an import.
"""

import ast
import pathlib
import sys
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parent.parent
FORBIDDEN = {
    "analysis": {"torch", "ray", "study", "trainables"},
    "trainables": {"analysis", "study"},
    "study": {"torch"},
}
SHARED = "analysis.plugins"
"""May be imported by all: one mechanism finds the plug-ins of every folder. In turn it needs nothing of ours."""

FLOORS = {
    "analysis": (
        {"plugins", "lines", "drafts", "links", "spreadsheet"},
        {"ledger", "statistics", "metrics", "command_line"},
        {"wording", "claims"},
        {"tables"},
        {"verdicts"},
        {"report"},
        {"ingest"},
    ),
    "study": (
        {"raw_output", "watcher"},
        {"spec", "search", "signals", "own_process"},
        {"queue", "cluster"},
        {"ledger"},
        {"request"},
        {"job"},
        {"display"},
        {"rounds"},
        {"tune"},
        {"command"},
        {"run", "audit", "claims"},
    ),
    "trainables": (
        {"lines"},
        {"spec", "randomness", "noisy_descent", "data", "foreign"},
        {"optimizers", "models"},
        {"training"},
        {"workloads"},
        {"storage", "contract"},
        {"ray_trainable"},
    ),
}
"""Rooms from the ground up."""

RAY_IS_ALLOWED_IN = ("trainables/ray_trainable.py", "study/cluster/", "study/tune/")
PYARROW_IS_ALLOWED_IN = ("trainables/storage/object_store.py",)


def imported_modules(path: pathlib.Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            # `from package import module` names a module as well.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_packages(path: pathlib.Path) -> set[str]:
    """Packages of the imported modules; what all may import is not counted."""
    modules = (module for module in imported_modules(path) if module != SHARED and not module.startswith(f"{SHARED}."))
    return {module.partition(".")[0] for module in modules}


def files_of(package: str) -> list[pathlib.Path]:
    paths = sorted((ROOT / package).rglob("*.py"))
    assert paths
    return paths


def rooms_of(package: str) -> set[str]:
    return {
        path.relative_to(ROOT / package).parts[0].removesuffix(".py")
        for path in files_of(package)
        if path != ROOT / package / "__init__.py"
    }


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_packages_import_only_what_their_layer_may(package):
    for path in files_of(package):
        crossed = FORBIDDEN[package] & imported_packages(path)
        assert not crossed, f"{path.relative_to(ROOT)} imports {sorted(crossed)}"


def test_what_all_may_import_needs_the_standard_library_alone():
    path = ROOT / f"{SHARED.replace('.', '/')}.py"
    for file in (path, path.with_name("__init__.py")):
        assert imported_packages(file) <= sys.stdlib_module_names


@pytest.mark.parametrize("package", sorted(FLOORS))
def test_every_room_has_a_floor(package):
    assert sorted(room for floor in FLOORS[package] for room in floor) == sorted(rooms_of(package))


@pytest.mark.parametrize("package", sorted(FLOORS))
def test_no_arrow_runs_up(package):
    floor_of = {room: number for number, floor in enumerate(FLOORS[package]) for room in floor}
    up = []
    for path in files_of(package):
        room = path.relative_to(ROOT / package).parts[0].removesuffix(".py")
        for module in imported_modules(path):
            start, *rest = module.split(".")
            other = rest[0] if start == package and rest else None
            if other in floor_of and other != room and floor_of[other] >= floor_of.get(room, -1):
                up.append(f"{path.relative_to(ROOT)} imports {module}")
    assert not up, "\n".join(sorted(set(up)))


def test_ray_is_imported_in_few_places():
    for package in FORBIDDEN:
        for path in files_of(package):
            name = path.relative_to(ROOT).as_posix()
            assert "ray" not in imported_packages(path) or name.startswith(RAY_IS_ALLOWED_IN), f"{name} imports ray"


def test_workers_import_pyarrow_in_one_place():
    for path in files_of("trainables"):
        name = path.relative_to(ROOT).as_posix()
        assert "pyarrow" not in imported_packages(path) or name in PYARROW_IS_ALLOWED_IN, f"{name} imports pyarrow"
