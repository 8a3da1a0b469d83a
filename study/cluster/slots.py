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

LOSS_SECONDS = 60.0
"""Ray takes up to some forty seconds to find out that a node is out of reach."""

FEWEST_WAITING = 4

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


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What trials may take of the machines, as the command line gives it.

    Args:
        device: One of `CHOICES`.
        cpus_per_trial: CPU cores of a trial.
        gpus_per_trial: GPUs of a trial that runs on one, at most 1.
        max_concurrent: Trials at once; None for as many as fit.
        autoscaling: Whether trials wait for nodes that the cluster may add.
    """

    device: str
    cpus_per_trial: float
    gpus_per_trial: float
    max_concurrent: int | None
    autoscaling: bool

    @property
    def share(self) -> Share:
        """What a trial takes of its node."""
        return Share(cpus=self.cpus_per_trial, gpus=self.gpus_per_trial)


def kinds_of(choice: str, share: Share, nodes: Sequence[Node], *, may_grow: bool = False) -> tuple[str, ...]:
    """The kinds of device that `--device` stands for.

    Args:
        choice: One of `CHOICES`.
        share: What a trial takes.
        nodes: All that the cluster has or is known to add.
        may_grow: Whether it may add nodes of which nothing is known.

    Raises:
        ValueError: No node has room for one trial, or nobody can know which kinds there will be.
    """
    kinds = {"auto": KINDS, "mixed": KINDS}.get(choice, (choice,))
    if choice == "auto":
        room = share.room(nodes, KINDS)
        if may_grow and not room.total():
            raise ValueError("--device auto cannot know which devices --autoscaling will add; say cpu, gpu or mixed.")
        kinds = ("gpu",) if room["gpu"] else ("cpu",)
    if not may_grow and not share.room(nodes, kinds).total():
        wanted = " or ".join(" and ".join(f"{n:g} {name}" for name, n in share.of(kind).items()) for kind in kinds)
        raise ValueError(
            f"One trial needs {wanted} on one node, but the cluster has {_shown(nodes)}; lower --cpus-per-trial or "
            "--gpus-per-trial, or choose another --device; a cluster that adds nodes needs --autoscaling."
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
        room: Trials that fit at once on the nodes that are there, or that are known to come, by kind; asked again and
            again.
        most: Trials at once at most; None for no limit.
        grows: Whether to have trials wait for nodes that may come: an autoscaler adds them for nothing else. As many
            as run, and a few more: it doubles a cluster at best.
        clock: Seconds since any fixed moment.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        share: Share,
        room: Callable[[], Mapping[str, int]],
        *,
        most: int | None = None,
        grows: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kinds, self.share = kinds, share
        self._ask, self._most, self._grows, self._clock = room, most, grows, clock
        self._room: Mapping[str, int] = {}
        self._asked = -math.inf
        self._shunned: dict[str, float] = {}

    @property
    def places(self) -> int:
        """Trials at once, as far as is known now."""
        found = sum(self._current_room().values())
        return found if self._most is None else min(found, self._most)

    @property
    def kind_with_room(self) -> str:
        """The preferred kind of those that some node has."""
        room = self._current_room()
        return next((kind for kind in self.kinds if room[kind]), self.kinds[0])

    def next_kind(self, handed_out: Counter[str]) -> str | None:
        """Kind of device for the next trial; None if it has to wait until another one has ended.

        One trial is always handed out, so that it is seen to wait when the last node has gone.

        Args:
            handed_out: Trials that have not ended, by kind.
        """
        if self._most is not None and handed_out.total() >= self._most:
            return None
        room = self._current_room()
        open_kinds = [kind for kind in self.kinds if self._shunned.get(kind, -math.inf) <= self._clock()]
        if free := [kind for kind in open_kinds if handed_out[kind] < room[kind]]:
            return free[0]
        ahead = {kind: handed_out[kind] - room[kind] for kind in open_kinds}
        if self._grows and (waiting := [kind for kind in open_kinds if ahead[kind] < room[kind] + FEWEST_WAITING]):
            return min(waiting, key=lambda kind: ahead[kind])
        return None if handed_out else self.kinds[-1]

    def note_loss(self, kind: str) -> None:
        """A node was lost: where there is a choice, leave its kind alone until Ray knows that it is not there.

        Args:
            kind: Of the trial that it was training, which asks for another place now.
        """
        if kind != self.kinds[-1]:
            self._shunned[kind] = self._clock() + LOSS_SECONDS

    def _current_room(self) -> Mapping[str, int]:
        now = self._clock()
        if now - self._asked >= REFRESH_SECONDS:
            self._room, self._asked = self._ask(), now
        return self._room
