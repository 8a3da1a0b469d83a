"""Which Ray cluster to join, and whether one can be there. Needs no Ray, which would try for a long time."""

import os
import socket

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 5.0

HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""How every conversation over HTTP/2, and so gRPC, begins: a fixed line and an empty frame of settings."""

SETTINGS = 4
"""Type of the frame that the other side answers with; the fourth of its bytes."""


def cluster_address(given: str | None) -> str | None:
    """Address of the cluster to join: the one given, else that of the environment, else None for this machine.

    Raises:
        ValueError: It has another form than HOST:PORT or auto, or nothing that could be Ray answers there.
    """
    variable = os.environ.get("RAY_ADDRESS") or None
    source, address = ("RAY_ADDRESS", variable) if given is None or given == "auto" else ("--address", given)
    address = address or given
    if address in (None, "auto", "local"):
        return None if address == "local" else address
    check_form(source, address)
    check_answer(source, address)
    return address


def check_form(source: str, address: str) -> None:
    """Refuse another form of address than HOST:PORT.

    Args:
        source: Where it comes from, for the message.
        address: What stands there.

    Raises:
        ValueError: It has another form.
    """
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdecimal() and int(port) <= 65535:
        return
    cure = "leave it out to run on this machine" if source == "--address" else "unset it to run on this machine"
    if address.startswith(("http://", "https://")):
        cure = (
            "that is where `ray job submit` sends jobs: submit this command with "
            f"`ray job submit --address {address} --working-dir . -- python -m study.run ...`, or {cure}"
        )
    raise ValueError(
        f"{source} must be HOST:PORT of a Ray cluster that this machine belongs to, or auto, got {address!r}; {cure}."
    )


def check_answer(source: str, address: str) -> None:
    """Refuse an address at which nothing answers, or something that does not speak as Ray does.

    Args:
        source: Where it comes from, for the message.
        address: HOST:PORT.

    Raises:
        ValueError: Nothing that could be Ray answers within seconds.
    """
    host, _, port = address.rpartition(":")
    refusal = f"{source} must name a running Ray cluster, got {address}, which"
    without = f"unset {source}" if source == "RAY_ADDRESS" else "leave --address out"
    try:
        connection = socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS)
    except OSError as error:
        raise ValueError(
            f"{refusal} does not answer ({error}); "
            f"start one with `ray start --head`, or {without} to run on this machine."
        ) from None
    with connection:
        if os.environ.get("RAY_USE_TLS", "0") in ("", "0") and not _speaks_http2(connection):
            raise ValueError(
                f"{refusal} is something else than Ray; give the port of its head, 6379 unless `ray start --head "
                f"--port` says another (8265 is that of its dashboard), or {without} to run on this machine."
            )


def _speaks_http2(connection: socket.socket) -> bool:
    connection.settimeout(ANSWER_SECONDS)
    try:
        connection.sendall(HTTP2_PREFACE)
        answer = connection.recv(9)
    except OSError:
        return False
    return len(answer) == 9 and answer[3] == SETTINGS
