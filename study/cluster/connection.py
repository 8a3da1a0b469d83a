"""The connection to Ray: a cluster of its own on this machine, or one that runs already."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import ray

from study.cluster.handshake import agree
from study.cluster.nodes import nodes
from study.cluster.packages import PackageCheck
from study.cluster.private import private_ray
from study.cluster.slots import Node
from study.raw_output import raw_output_apart
from study.signals import StopRequest


class Connection:
    """A cluster that was joined or started.

    Args:
        dashboard: Where Ray's dashboard is; None without one.
        check: Looks at the nodes of a cluster that was joined; None for one of our own.
    """

    def __init__(self, dashboard: str | None, check: PackageCheck | None) -> None:
        self.dashboard = dashboard
        self._check = check

    def nodes(self) -> list[Node]:
        """The nodes that are there now and can train for us.

        Raises:
            ValueError: One lacks our packages or has others.
        """
        return self._check.nodes() if self._check else nodes()

    def vouch(self, address: str | None = None) -> None:
        """Make sure, before rows are stored, that the node they come from has our packages as they are here.

        Args:
            address: That of the node; None if it is not known, for all nodes.

        Raises:
            ValueError: It lacks them or has others.
        """
        if self._check:
            self._check.wait(address)


@contextmanager
def connected(address: str | None, stop: StopRequest) -> Iterator[Connection]:
    """Start Ray on this machine, or join the cluster at an address; leave it at the end.

    Args:
        address: As of `study.cluster.address.cluster_address`.
        stop: Gets the signals back, which Ray takes for itself when it starts.

    Raises:
        ValueError: There is no cluster at the address, it refuses us, or a node lacks our packages.
        OSError: Ray cannot start on this machine.
    """
    with raw_output_apart(), _connected(address, stop) as connection:
        yield connection


@contextmanager
def _connected(address: str | None, stop: StopRequest) -> Iterator[Connection]:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    with private_ray() if address is None else nullcontext({"address": agree(address)}) as arguments:
        try:
            context = _init(arguments)
            stop.listen()
            connection = Connection(
                dashboard=f"http://{context.dashboard_url}" if context.dashboard_url else None,
                check=None if address is None else PackageCheck(nodes),
            )
            connection.vouch()
            yield connection
        finally:
            ray.shutdown()


def _init(arguments: Mapping[str, Any]) -> Any:
    try:
        return ray.init(**arguments, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises plain ones as well
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if arguments["address"] == "local":
            raise OSError(
                f"Ray could not start on this machine ({reason.rstrip('.')}); the same command tries again."
            ) from None
        raise ValueError(f"--address must name a running Ray cluster, got {arguments['address']}: {reason}") from None
