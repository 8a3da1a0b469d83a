"""Whether the nodes of a cluster have our packages as they are here."""

from collections.abc import Callable
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study import __version__
from study.cluster.slots import Node

Contents = dict[str, tuple[str, str]]
"""Of each package its version and a digest of its files, both empty if it cannot be imported."""

PACKAGES = ("study", "trainables", "analysis")

ANSWER_SECONDS = 60.0
"""For nodes to say which packages they have; those that take longer are heard later."""


class PackageCheck:
    """Asks every node for our packages; Ray must be connected.

    Args:
        nodes: Says which nodes are there; asked again and again.
        packages: Names of the packages.
    """

    def __init__(self, nodes: Callable[[], list[Node]], packages: tuple[str, ...] = PACKAGES) -> None:
        self._ask = nodes
        self._look = _look(packages)
        self._here = self._look()
        self._sound: dict[str, str] = {}
        self._waiting: dict[str, tuple[Node, Any]] = {}

    def nodes(self) -> list[Node]:
        """The nodes that are there now and have our packages as they are here.

        Raises:
            ValueError: A node lacks a package or has another than here.
        """
        return [node for node in self._update(lambda _: True, seconds=0.0) if node.id in self._sound]

    def wait(self, address: str | None = None) -> None:
        """Wait for the answers of the nodes with this address, or of all, for some seconds at the most.

        Raises:
            ValueError: A node lacks a package or has another than here.
        """
        if address is None or address not in self._sound.values():
            self._update(lambda node: address in (None, node.address), seconds=ANSWER_SECONDS)

    def _update(self, concerns: Callable[[Node], bool], *, seconds: float) -> list[Node]:
        found = self._ask()
        for node in found:
            if node.id not in self._sound and node.id not in self._waiting:
                self._waiting[node.id] = node, self._send(node)
        answers = {answer: node for node, answer in self._waiting.values() if concerns(node)}
        answered, _ = ray.wait(list(answers), num_returns=len(answers), timeout=seconds)
        for answer in answered:
            self._compare(answers[answer], answer)
        return found

    def _send(self, node: Node) -> Any:
        there = NodeAffinitySchedulingStrategy(node.id, soft=False)
        remote: Any = ray.remote(self._look)
        return remote.options(num_cpus=0, max_retries=0, scheduling_strategy=there).remote()

    def _compare(self, node: Node, answer: Any) -> None:
        del self._waiting[node.id]
        try:
            there = ray.get(answer)
        except ray.exceptions.RayError:
            return  # the node has left, or will be asked again
        if there != self._here:
            raise ValueError(
                f"Every node needs this project as it is here (study {__version__}), but {node.address} "
                f"has {_difference(self._here, there)}; install the same there, or submit the command with "
                "`ray job submit --working-dir .`, which brings it along."
            )
        self._sound[node.id] = node.address


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
                digest = hashlib.sha256()
                for folder in map(pathlib.Path, module.__path__):
                    for path in sorted(path for kind in ("*.py", "*.c") for path in folder.rglob(kind)):
                        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes())
                found[name] = (getattr(module, "__version__", ""), digest.hexdigest())
            except Exception:  # whatever a broken package raises
                found[name] = ("", "")
        return found

    return look
