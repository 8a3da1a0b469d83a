"""What a Ray cluster says before it is joined: whether it takes our token and versions, and has this machine.

`ray.init` tries for 20 to 60 seconds where the answer is no, and hides it.
"""

import json
import os
import pathlib
import platform

import ray
from ray._private import services
from ray._raylet import Config, GcsClient  # type: ignore[attr-defined]
from ray.exceptions import RayError

from study.cluster.address import check_answer
from study.cluster.private import private_addresses
from study.cluster.settings import settings
from study.raw_output import raw_output_apart

MODES = ("token", "disabled")

GCS_SECONDS = 8.0
"""For Ray's head to answer; where something else is, Ray would try for 30."""


def agree(address: str) -> str:
    """Choose the authentication for a cluster, and check that it would let us join.

    Args:
        address: HOST:PORT, or auto for the cluster that runs on this machine.

    Returns:
        The address, as HOST:PORT.

    Raises:
        ValueError: There is no cluster, or it would refuse us; the message is one line.
    """
    address = _resolved(address)
    given, token = _given_mode(), _token_source()
    if given == "token" and token is None:
        raise ValueError(f"RAY_AUTH_MODE=token needs a token, none was found; {_cure()}, or set it to disabled.")
    mode = _mode_of(address)
    if mode == "disabled" and given == "token":
        raise ValueError(
            f"The cluster at {address} runs without authentication, got RAY_AUTH_MODE=token; unset it, or start the "
            "cluster with RAY_AUTH_MODE=token on every node."
        )
    if mode == "token" and (token is None or given == "disabled"):
        raise ValueError(_lack(address, token))
    os.environ["RAY_AUTH_MODE"] = mode
    Config.initialize("")  # Ray has read the variable when it was imported
    try:
        versions, nodes = _ask(address)
    except RayError as error:
        raise ValueError(_refusal(address, token, error)) from None
    _check_versions(address, versions)
    if not nodes & set(services.find_node_ids()):  # type: ignore[no-untyped-call]
        raise ValueError(
            f"--address must name a cluster that this machine belongs to, got {address}, none of whose {len(nodes)} "
            f"nodes is here; run `ray start --address={address}` first (with --num-cpus=0 it gets no trials), or "
            "submit the command with `ray job submit`."
        )
    return address


def _given_mode() -> str | None:
    given = os.environ.get("RAY_AUTH_MODE") or None
    if given is not None and given.lower() not in MODES:
        raise ValueError(f"RAY_AUTH_MODE must be {' or '.join(MODES)}, got {given!r}; unset it to have it chosen.")
    return given and given.lower()


def _mode_of(address: str) -> str:
    """How a cluster authenticates. A driver that does so and a cluster that does not would talk in one direction only.

    Raises:
        ValueError: What answers at the address is no head of a cluster.
    """
    with settings(RAY_AUTH_MODE="disabled"):
        try:
            _ask(address)
        except RayError as error:
            if "InvalidAuthToken" in str(error):
                return "token"
            raise ValueError(_refusal(address, None, error)) from None
    return "disabled"


def _ask(address: str) -> tuple[dict[str, str], set[str]]:
    """What a cluster says of its versions, and the identifiers of the nodes that it has."""
    with settings(RAY_py_gcs_connect_timeout_s=f"{GCS_SECONDS:.0f}"), raw_output_apart():
        client = GcsClient(address=address)
        cluster = client.internal_kv_get(b"CLUSTER_METADATA", namespace=b"cluster", timeout=GCS_SECONDS)
        nodes = client.get_all_node_info(timeout=GCS_SECONDS)
    alive = {node.node_id.hex() for node in nodes.values() if node.state == node.ALIVE}
    return json.loads(cluster) if cluster else {}, alive


def _resolved(address: str) -> str:
    if address != "auto":
        return address
    found = _running_here()
    check_answer("--address auto", found)
    return found


def _running_here() -> str:
    """Address of the cluster that runs on this machine, of several that which was started last.

    Ray alone would take the private one of a study as well, whoever runs it.

    Raises:
        ValueError: There is none.
    """
    services.find_gcs_addresses.cache_clear()  # type: ignore[attr-defined]
    running, private = set(services.find_gcs_addresses()), private_addresses()  # type: ignore[no-untyped-call]
    latest = services.find_bootstrap_address(None)
    found = sorted(running - private)
    if latest and latest not in private and len(found) != 1:
        found = [latest]
    if not found:
        there = f"there is only that of a local study, at {', '.join(sorted(private))}" if private else "there is none"
        raise ValueError(
            f"--address auto needs a Ray cluster that runs on this machine, {there}; start one with "
            "`ray start --head`, or leave --address out to run without."
        )
    return str(services.canonicalize_bootstrap_address(found[0]))


def _token_source() -> str | None:
    """Where Ray would take its token from; None if it found none.

    Ray's own answer would keep the token, and demand it of a cluster that has none.

    Raises:
        ValueError: It would look in a file that has none.
    """
    if os.environ.get("RAY_AUTH_TOKEN"):
        return "RAY_AUTH_TOKEN"
    if path := os.environ.get("RAY_AUTH_TOKEN_PATH"):
        if not _has_text(pathlib.Path(path)):
            raise ValueError(f"RAY_AUTH_TOKEN_PATH must name a file with a token, got {path}; {_cure()}.")
        return "RAY_AUTH_TOKEN_PATH"
    return "~/.ray/auth_token" if _has_text(pathlib.Path.home() / ".ray" / "auth_token") else None


def _has_text(path: pathlib.Path) -> bool:
    try:
        return bool(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return False


def _cure() -> str:
    return (
        "give the cluster's (`ray get-auth-token` prints it on its head) in RAY_AUTH_TOKEN, "
        "in a file that RAY_AUTH_TOKEN_PATH names or in ~/.ray/auth_token"
    )


def _refusal(address: str, token: str | None, error: RayError) -> str:
    if "InvalidAuthToken" in str(error):
        return f"The cluster at {address} needs its own token, got another one from {token}; {_cure()}."
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return (
        f"--address must name the head of a running Ray cluster, got {address}, which answers otherwise "
        f"({reason}); its port is 6379 unless `ray start --head --port` says another."
    )


def _lack(address: str, token: str | None) -> str:
    if token is None:
        return f"The cluster at {address} needs its token, none was found; {_cure()}."
    return (
        f"The cluster at {address} needs its token, got none because RAY_AUTH_MODE is disabled; "
        f"unset it, so that the one from {token} is given."
    )


def _check_versions(address: str, cluster: dict[str, str]) -> None:
    """Refuse versions that Ray would refuse: every difference in Ray, and in Python as far as Ray is told to look."""
    parts = 2 if os.environ.get("RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL") == "minor" else 3
    ours = {"Ray": ray.__version__, "Python": platform.python_version()}
    theirs = {"Ray": cluster.get("ray_version", ""), "Python": cluster.get("python_version", "")}

    def compared(versions: dict[str, str]) -> tuple[str, list[str]]:
        return versions["Ray"], versions["Python"].split(".")[:parts]

    if all(theirs.values()) and compared(ours) != compared(theirs):
        shown = [" and ".join(f"{name} {version}" for name, version in side.items()) for side in (theirs, ours)]
        raise ValueError(
            f"The cluster at {address} needs {shown[0]}, got {shown[1]}; install the same here and on every node, "
            "or submit the command with `ray job submit`, which runs it there."
        )
