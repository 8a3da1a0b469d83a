"""The cluster as the live view shows it: which nodes come and go, and what each of them has trained."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from study.cluster.slots import REFRESH_SECONDS, Node


class Fleet:
    """The nodes of a cluster and the trials that were stored of each.

    Args:
        nodes: Those that are there, asked again and again.
        clock: Seconds since any fixed moment.

    Attributes:
        num_gone: Nodes that have gone.
        num_retried: Trials that had to be started again.
    """

    def __init__(self, nodes: Callable[[], Sequence[Node]], clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._clock = nodes, clock
        self._nodes: dict[str, Node] = {}
        self._asked = -math.inf
        self._start = clock()
        self._num_trials: Counter[str] = Counter()
        self._num_images = 0
        self._idle_gpus: set[str] = set()
        self.num_gone = self.num_retried = 0

    def update(self) -> Iterator[str]:
        """Ask which nodes are there; yields a line about each that has come or gone since the first time."""
        now = self._clock()
        if now - self._asked < REFRESH_SECONDS:
            return
        is_first = math.isinf(self._asked)
        found, before = {node.id: node for node in self._ask()}, self._nodes
        self._nodes, self._asked = found, now
        if is_first:
            return
        for node in [node for name, node in found.items() if name not in before]:
            yield f"Node {node.address} has joined: {_devices(node)}."
        for node in [node for name, node in before.items() if name not in found]:
            self.num_gone += 1
            yield f"Node {node.address} has left; what it was training starts again elsewhere."
        if found != before and not any(node.cpus or node.gpus for node in found.values()):
            yield "No node is left to train on; the study waits for one."

    def trial_finished(self, rows: Sequence[Mapping[str, Any]], kind: str) -> str:
        """Count a stored trial; returns what is to be said of its node, most often nothing.

        Args:
            rows: Its rows of `trials`.
            kind: Kind of device that it was given.
        """
        node = rows[0]["node"]
        self._num_trials[node] += 1
        self._num_images += sum(row["images"] for row in rows)
        if kind != "gpu" or rows[0]["device"] != "cpu" or node in self._idle_gpus:
            return ""
        self._idle_gpus.add(node)
        return f"Note: torch on {node} cannot use its GPU; what should train on that trains on the CPU."

    def table(self) -> list[tuple[str, str, int]]:
        """Address, devices and stored trials of every node that trains or has trained."""
        rows = {
            node.address: (_devices(node), self._num_trials[node.address])
            for node in self._nodes.values()
            if node.cpus or node.gpus
        }
        gone = {name: ("gone", count) for name, count in self._num_trials.items() if name not in rows}
        return [(address, *row) for address, row in sorted({**rows, **gone}.items())]

    def summary(self, *, by_node: bool = True) -> str:
        """Images per second of all networks together, and what became of nodes and trials, in a few words.

        Args:
            by_node: Whether to add how many trials each of several nodes has trained.
        """
        parts = []
        if self._num_images:
            parts.append(f"{self._num_images / (self._clock() - self._start):,.0f} images/s")
        if by_node and len(self.table()) > 1:
            trials = ", ".join(f"{address} {count}" for address, _, count in self.table())
            parts.append(f"trials by node: {trials}")
        if self.num_gone:
            parts.append(f"nodes gone: {self.num_gone}")
        if self.num_retried:
            parts.append(f"trials retried: {self.num_retried}")
        return "; ".join(parts)


def _devices(node: Node) -> str:
    return f"{node.cpus:g} CPU" + (f", {node.gpus:g} GPU" if node.gpus else "")
