"""The connection to Ray: a cluster of its own on this machine, or one that runs already."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from study.signals import StopRequest


@contextmanager
def connected(address: str | None, stop: StopRequest) -> Iterator[str | None]:
    """Start Ray on this machine, or join the cluster at an address; leave it at the end.

    Args:
        address: As of `study.address.cluster_address`.
        stop: Gets the signals back, which Ray takes for itself when it starts.

    Yields:
        Where Ray's dashboard is; None without one.

    Raises:
        ValueError: Ray cannot start, or there is no cluster at the address.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        context = ray.init(
            address=address or "local",
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        if address is None:
            raise ValueError(f"Ray could not start on this machine: {reason}") from None
        raise ValueError(f"--address must name a running Ray cluster, got {address}: {reason}") from None
    try:
        stop.listen()
        yield f"http://{context.dashboard_url}" if context.dashboard_url else None
    finally:
        ray.shutdown()
