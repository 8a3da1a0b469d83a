"""Whether the nodes of a cluster have our packages as they are here."""

from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.devices import Node

Contents = dict[str, tuple[str, str]]
"""Of each package its version and a digest of its files, both empty if it cannot be imported."""

PACKAGES = ("study", "trainables", "analysis")


class PackageCheck:
    """Asks every node once for our packages; Ray must be connected.

    Args:
        nodes: The nodes that are there.
    """

    def __init__(self, nodes: Callable[[], list[Node]]) -> None:
        self._ask = nodes
        self._look = _look(PACKAGES)
        self._here = self._look()
        self._seen: set[str] = set()
        self._waiting: dict[Any, Node] = {}

    def nodes(self, seconds: float = 0.0) -> list[Node]:
        """The nodes that are there now.

        Args:
            seconds: To wait for answers; those that take longer are read the next time.

        Raises:
            ValueError: A node lacks a package or has another than here.
        """
        found = self._ask()
        self._send([node for node in found if node.id not in self._seen])
        answered, _ = ray.wait(list(self._waiting), num_returns=len(self._waiting), timeout=seconds)
        for answer in answered:
            self._compare(self._waiting.pop(answer), answer)
        return found

    def _send(self, nodes: Sequence[Node]) -> None:
        remote: Any = ray.remote(self._look)
        for node in nodes:
            there = NodeAffinitySchedulingStrategy(node.id, soft=False)
            answer = remote.options(num_cpus=0, max_retries=0, scheduling_strategy=there).remote()
            self._waiting[answer] = node
            self._seen.add(node.id)

    def _compare(self, node: Node, answer: Any) -> None:
        try:
            there = ray.get(answer)
        except ray.exceptions.RayError:
            return  # the node has left
        if there != self._here:
            raise ValueError(
                f"Every node needs this project as it is here (study {self._here['study'][0]}), but {node.address} "
                f"has {_difference(self._here, there)}; install the same there, or submit the command with "
                "`ray job submit --working-dir .`, which brings it along."
            )


def _difference(here: Contents, there: Contents) -> str:
    parts = []
    for name, (version, digest) in there.items():
        if not digest:
            parts.append(f"no {name}")
        elif version != here[name][0]:
            parts.append(f"{name} {version or 'of no version'}")
        elif digest != here[name][1]:
            parts.append(f"other files of {name}")
    return ", ".join(parts)


def _look(packages: tuple[str, ...]) -> Callable[[], Contents]:
    """What says which packages there are. Local, so that it travels by value to nodes that have none of them."""

    def look() -> Contents:
        import hashlib
        import importlib
        import pathlib

        found = {}
        for name in packages:
            try:
                module = importlib.import_module(name)
            except Exception:  # whatever a broken package raises
                found[name] = ("", "")
                continue
            digest = hashlib.sha256()
            paths = sorted(path for folder in module.__path__ for path in pathlib.Path(folder).rglob("*.py"))
            for path in paths:
                digest.update(f"{path.name}\0".encode() + path.read_bytes())
            found[name] = (getattr(module, "__version__", ""), digest.hexdigest() if paths else "")
        return found

    return look
