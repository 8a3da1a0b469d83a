"""Which Ray cluster to join, and whether anything answers there. Needs no Ray, which would try for a long time."""

import os
import socket

CONNECT_SECONDS = 1.0


def cluster_address(given: str | None) -> str | None:
    """Address of the cluster to join: the one given, else that of the environment, else None for this machine.

    Raises:
        ValueError: It has another form than HOST:PORT or auto, or nothing answers there.
    """
    address = given if given is not None else os.environ.get("RAY_ADDRESS") or None
    if address in (None, "auto", "local"):
        return None if address == "local" else address
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(
            f"--address must be HOST:PORT of a Ray cluster that this machine belongs to, or auto, got {address!r}; "
            "leave it out to run on this machine."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise ValueError(
            f"--address must name a running Ray cluster, got {address}, which does not answer ({error}); "
            "start one with `ray start --head`, or leave --address out to run on this machine."
        ) from None
    return address
