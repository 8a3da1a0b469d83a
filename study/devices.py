"""What trials run on: the kinds of device, what a trial takes of a node, and how many trials at once. No Ray."""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

KINDS = ("gpu", "cpu")
"""Kinds of device; where a trial can run on either, the first is taken."""

CHOICES = ("auto", "cpu", "gpu", "mixed")

REFRESH_SECONDS = 2.0

ROUNDING = 1e-9
"""0.3 / 0.1 is a little less than 3."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine of the cluster, or one that its autoscaler may add.

    Args:
        id: Ray's name of it; "" of one that is not there yet.
        address: IP address; "" of one that is not there yet.
        cpus: CPU cores that trials may take.
        gpus: GPUs that trials may take.
    """

    id: str
    address: str
    cpus: float
    gpus: float


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a trial takes of its node.

    Args:
        cpus: CPU cores, on either kind of device.
        gpus: GPUs of a trial that runs on one, at most 1; a fraction shares one with other trials.
    """

    cpus: float
    gpus: float

    def of(self, kind: str) -> dict[str, float]:
        """The request of a trial on this kind of device, in Ray's names."""
        return {"CPU": self.cpus, "GPU": self.gpus} if kind == "gpu" else {"CPU": self.cpus}

    def room(self, nodes: Sequence[Node], kinds: Sequence[str]) -> Counter[str]:
        """Trials that fit on the nodes at once, by kind of device; where both fit, as many as possible get a GPU."""
        result: Counter[str] = Counter(dict.fromkeys(kinds, 0))
        for node in nodes:
            slots = math.floor(node.cpus / self.cpus + ROUNDING)
            if "gpu" in kinds:
                on_gpus = min(slots, math.floor(node.gpus + ROUNDING) * math.floor(1 / self.gpus + ROUNDING))
                result["gpu"] += on_gpus
                slots -= on_gpus
            if "cpu" in kinds:
                result["cpu"] += slots
        return result


def kinds_of(choice: str, share: Share, nodes: Sequence[Node], *, may_grow: bool = False) -> tuple[str, ...]:
    """The kinds of device that `--device` stands for.

    Args:
        choice: One of `CHOICES`.
        share: What a trial takes.
        nodes: All that the cluster has or is known to add.
        may_grow: Whether it may add nodes of which nothing is known.

    Raises:
        ValueError: No node has room for one trial.
    """
    kinds = {"auto": KINDS, "mixed": KINDS}.get(choice, (choice,))
    if choice == "auto":
        kinds = ("gpu",) if share.room(nodes, KINDS)["gpu"] else ("cpu",)
    if not may_grow and not share.room(nodes, kinds).total():
        wanted = " or ".join(" and ".join(f"{n:g} {name}" for name, n in share.of(kind).items()) for kind in kinds)
        raise ValueError(
            f"One trial needs {wanted} on one node, but the cluster has {_shown(nodes)}; lower --cpus-per-trial or "
            "--gpus-per-trial, or choose another --device; for a cluster that grows say how far, by --max-concurrent."
        )
    return kinds


def _shown(nodes: Sequence[Node]) -> str:
    sizes = Counter((node.cpus, node.gpus) for node in nodes)
    shown = [
        f"{count} node{'' if count == 1 else 's'} of {cpus:g} CPU and {gpus:g} GPU"
        for (cpus, gpus), count in sizes.items()
    ]
    return ", ".join(shown) or "no nodes"


class Slots:
    """How many trials may be handed out, and for which kind of device, while nodes come and go.

    Args:
        kinds: Kinds of device in use, the preferred first.
        share: What a trial takes of its node.
        room: Trials that the cluster has, or may grow to have, room for at once, by kind; asked again and again.
        most: Trials at once at most; None for no limit.
        queues: Whether to hand out `most` trials even if there is no room for them now: an autoscaler adds nodes
            only for trials that wait.
        clock: Seconds since any fixed moment.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        share: Share,
        room: Callable[[], Mapping[str, int]],
        *,
        most: int | None = None,
        queues: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kinds, self.share = kinds, share
        self._ask, self._most, self._queues, self._clock = room, most, queues, clock
        self._room: Mapping[str, int] = {}
        self._asked = -math.inf

    def next_kind(self, handed_out: Counter[str]) -> str | None:
        """Kind of device for the next trial; None if it has to wait until another one has ended.

        One trial is always handed out, so that it is seen to wait when the last node has gone.

        Args:
            handed_out: Trials that have not ended, by kind.
        """
        if handed_out.total() >= (math.inf if self._most is None else self._most):
            return None
        room = self._current_room()
        kind = max(self.kinds, key=lambda kind: room[kind] - handed_out[kind])
        waits = handed_out[kind] >= room[kind]
        return None if waits and handed_out and not (self._queues and self._most is not None) else kind

    def _current_room(self) -> Mapping[str, int]:
        now = self._clock()
        if now - self._asked >= REFRESH_SECONDS:
            self._room, self._asked = self._ask(), now
        return self._room
