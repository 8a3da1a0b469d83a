"""The nodes of the Ray cluster: those that are there, and those that its autoscaler may add."""

import pathlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import ray
import yaml

from study.cluster.slots import Node, Resources, Slots, kinds_of

UNLIMITED = 10_000
"""Nodes of one type, where a configuration gives no limit."""


def nodes() -> list[Node]:
    """The nodes that are alive; Ray must be connected."""
    return [
        Node(
            id=node["NodeID"],
            address=node["NodeManagerAddress"],
            cpus=node["Resources"].get("CPU", 0.0),
            gpus=node["Resources"].get("GPU", 0.0),
        )
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"]
    ]


def nodes_at_most() -> list[Node]:
    """The nodes that the autoscaler, if this machine runs one, keeps at the most.

    Ray tells nobody how far a cluster may grow. The file that `ray up` has given to its autoscaler on the head says
    so; elsewhere, in Kubernetes for instance, nobody knows.
    """
    address = ray.get_runtime_context().gcs_address
    for path in _autoscaler_files(address):
        try:
            return list(nodes_of(yaml.safe_load(path.read_text(encoding="utf-8"))))
        except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError):
            continue  # of another release, or not for this user to read
    return []


def find_slots(resources: Resources, precision: str, address: str | None, present: Callable[[], list[Node]]) -> Slots:
    """Choose what trials run on and how many at once; Ray must be connected.

    Args:
        resources: What trials may take.
        precision: Name of the arithmetic that they train in.
        address: Cluster that was joined; None for one of its own.
        present: Says which nodes are there; asked again and again.

    Raises:
        ValueError: The cluster has no room for one trial and, as far as is known, will never have.
    """
    share = resources.share
    at_most = nodes_at_most() if address else []
    kinds = kinds_of(resources.device, share, [*present(), *at_most], may_grow=resources.autoscaling)
    if precision == "tf32" and kinds != ("gpu",):
        raise ValueError("--precision tf32 is for GPUs, and the cluster has none; use float32 or bf16.")
    later = share.room(at_most, kinds)

    def room() -> Mapping[str, int]:
        return Counter({kind: max(count, later[kind]) for kind, count in share.room(present(), kinds).items()})

    return Slots(kinds, share, room, most=resources.max_concurrent, grows=resources.autoscaling)


def describe(dashboard: str | None) -> str:
    """The cluster in a sentence; Ray must be connected.

    Args:
        dashboard: Where Ray's dashboard is, if there is one.
    """
    found, at_most = nodes(), nodes_at_most()
    count = f"{len(found)} node{'' if len(found) == 1 else 's'}"
    grows = f", {len(at_most)} at the most" if at_most else ""
    size = f"{sum(node.cpus for node in found):g} CPUs and {sum(node.gpus for node in found):g} GPUs"
    return f"Cluster of {count}{grows}, now with {size}" + (f"; dashboard: {dashboard}" if dashboard else ".")


def _autoscaler_files(address: str) -> Iterator[pathlib.Path]:
    """The configuration of every autoscaler process on this machine that looks after this cluster."""
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace").split("\0")
        except OSError:  # ended meanwhile
            continue
        options = dict(word.removeprefix("--").split("=", 1) for word in words if word.startswith("--") and "=" in word)
        # The head may have been named otherwise to us, but two of one port do not fit on a machine.
        is_ours = options.get("gcs-address", "").rpartition(":")[2] == address.rpartition(":")[2]
        if is_ours and (path := options.get("autoscaling-config")):
            yield pathlib.Path(path).expanduser()


def nodes_of(configuration: Mapping[str, Any]) -> Iterator[Node]:
    """The nodes of a cluster at its largest, its head included.

    Args:
        configuration: The content of a `cluster.yaml`, which `ray up` has completed.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: It is of another form.
    """
    types, head = configuration["available_node_types"], configuration["head_node_type"]
    left = int(configuration.get("max_workers", UNLIMITED))  # of all types together
    for name, kind in types.items():
        resources = kind.get("resources", {})
        count = 1 if name == head else min(left, int(kind.get("max_workers", left)))
        left -= 0 if name == head else count
        node = Node(id="", address="", cpus=float(resources.get("CPU", 0)), gpus=float(resources.get("GPU", 0)))
        yield from [node] * count
