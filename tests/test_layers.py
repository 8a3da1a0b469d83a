"""The architecture as a test: which package may import which."""

import ast
import pathlib
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parent.parent
FORBIDDEN = {
    "analysis": {"torch", "ray", "study", "trainables"},
    "trainables": {"analysis", "study"},
    "study": {"torch"},
}
RAY_IS_ALLOWED_IN = {
    "trainables/ray_trainable.py",
    "study/cluster/nodes.py",
    "study/cluster/connection.py",
    "study/cluster/handshake.py",
    "study/tune/launch.py",
    "study/cluster/packages.py",
    "study/tune/callback.py",
    "study/tune/router.py",
}
PYARROW_IS_ALLOWED_IN = {"trainables/storage/object_store.py"}


def imported_packages(path: pathlib.Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_packages_import_only_what_their_layer_may(package):
    paths = sorted((ROOT / package).rglob("*.py"))
    assert paths
    for path in paths:
        crossed = FORBIDDEN[package] & set(imported_packages(path))
        assert not crossed, f"{path.relative_to(ROOT)} imports {sorted(crossed)}"


def test_ray_is_imported_in_few_places():
    for package in FORBIDDEN:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            assert "ray" not in imported_packages(path) or name in RAY_IS_ALLOWED_IN, f"{name} imports ray"


def test_workers_import_pyarrow_in_one_place():
    for path in sorted((ROOT / "trainables").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        assert "pyarrow" not in imported_packages(path) or name in PYARROW_IS_ALLOWED_IN, f"{name} imports pyarrow"
