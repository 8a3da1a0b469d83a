"""The connection to Ray: a cluster of its own on this machine, or one that runs already."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.handshake import agree
from study.signals import StopRequest

Contents = dict[str, tuple[str, str]]
"""Of each package its version and a digest of its files, both empty if it cannot be imported."""

PACKAGES = ("study", "trainables", "analysis")

NODE_SECONDS = 20.0
"""For the nodes to say what they have; one that takes longer is left to Ray, which sees to nodes that die."""


@contextmanager
def connected(address: str | None, stop: StopRequest) -> Iterator[str | None]:
    """Start Ray on this machine, or join the cluster at an address; leave it at the end.

    Args:
        address: As of `study.address.cluster_address`.
        stop: Gets the signals back, which Ray takes for itself when it starts.

    Yields:
        Where Ray's dashboard is; None without one.

    Raises:
        ValueError: There is no cluster at the address, it refuses us, or a node lacks our packages.
        OSError: Ray cannot start on this machine.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address is not None:
        address = agree(address)
    try:
        context = ray.init(
            address=address or "local",
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:  # Ray raises plain ones as well
        ray.shutdown()
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if address is None:
            raise OSError(
                f"Ray could not start on this machine ({reason.rstrip('.')}); the same command tries again."
            ) from None
        raise ValueError(f"--address must name a running Ray cluster, got {address}: {reason}") from None
    try:
        stop.listen()
        if address is not None:
            check_nodes()
        yield f"http://{context.dashboard_url}" if context.dashboard_url else None
    finally:
        ray.shutdown()


def check_nodes() -> None:
    """Refuse a cluster on whose nodes our packages cannot be imported, or are others than here; Ray must be connected.

    Raises:
        ValueError: One node or more has none or others.
    """
    look = _look(PACKAGES)
    here = look()
    remote: Any = ray.remote(look)
    asked = {}
    for node in ray.nodes():  # type: ignore[no-untyped-call]
        if node["Alive"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            options = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": there}
            asked[remote.options(**options).remote()] = node["NodeManagerAddress"]
    answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=NODE_SECONDS)
    found = {}
    for answer in answered:
        try:
            found[asked[answer]] = ray.get(answer)
        except ray.exceptions.RayError:
            continue  # the node has left
    wrong = sorted(node for node, what in found.items() if what != here)
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise ValueError(
            f"Every node needs this project as it is here (study {here['study'][0]}), but {wrong[0]}{more} has "
            f"{_difference(here, found[wrong[0]])}; install the same there, or submit the command with "
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
