"""The connection to Ray: a cluster of its own on this machine, or one that runs already."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import ray

from study.cluster import nodes
from study.devices import Node
from study.handshake import agree
from study.packages import PackageCheck
from study.signals import StopRequest

NODE_SECONDS = 20.0
"""For the nodes to say which packages they have before training begins; one that takes longer is heard later."""


class Connection(NamedTuple):
    """A cluster that was joined or started.

    Attributes:
        dashboard: Where Ray's dashboard is; None without one.
        nodes: The nodes that are alive now. Raises a ValueError at one of a joined cluster that lacks our packages.
    """

    dashboard: str | None
    nodes: Callable[[], list[Node]]


@contextmanager
def connected(address: str | None, stop: StopRequest) -> Iterator[Connection]:
    """Start Ray on this machine, or join the cluster at an address; leave it at the end.

    Args:
        address: As of `study.address.cluster_address`.
        stop: Gets the signals back, which Ray takes for itself when it starts.

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
        present = nodes
        if address is not None:
            present = PackageCheck(nodes).nodes
            present(NODE_SECONDS)
        yield Connection(f"http://{context.dashboard_url}" if context.dashboard_url else None, present)
    finally:
        ray.shutdown()
