"""The Ray of a local study: no other machine reaches it, and no other user of this one gets anything of it.

Whoever may talk to Ray runs code as the user who started it. By itself Ray listens at all addresses, keeps its token
for good where others may read it, and opens its sockets and logs to everyone.
"""

import os
import pathlib
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray._private import ray_constants, services
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

from study.cluster.settings import settings

PREFIX, FOLDER = "study-", "ray"
"""Ray's folder, which it opens to everyone, lies in one of the study's own, which is closed."""

LONGEST_PARENT = 20
"""Characters: the path of a socket has at most 103, of which Ray takes up to 64 and `PREFIX` and `FOLDER` 19."""

LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Switched off, the nodes of a Ray are on one machine and listen at its loopback address, on Linux too."""

COMPILED = "TORCHINDUCTOR_CACHE_DIR"
"""Where torch keeps what it compiles, and runs it from; by itself under a name in `/tmp` that anyone may take first."""


@contextmanager
def private_ray() -> Iterator[dict[str, Any]]:
    """Within, `ray.init` with these arguments starts a Ray that is reached from this machine and with its token alone.

    The token is drawn anew and is in no file. Ray must have been shut down at the end, when its folder is removed.

    Raises:
        OSError: The folder cannot be made.
    """
    scratch = tempfile.TemporaryDirectory(prefix=PREFIX, dir=_parent(), ignore_cleanup_errors=True)
    spans_machines = ray_constants.ENABLE_RAY_CLUSTER
    with scratch as closed_folder, settings(**_variables(closed_folder)):
        ray_constants.ENABLE_RAY_CLUSTER = False  # Ray has read the variable when it was imported
        _forget_token()
        try:
            yield {
                "address": "local",
                "include_dashboard": False,
                "_temp_dir": str(pathlib.Path(closed_folder, FOLDER)),
            }
        finally:
            ray_constants.ENABLE_RAY_CLUSTER = spans_machines
            _forget_token()


def private_addresses() -> set[str]:
    """Addresses of the private Rays that run on this machine, whoever runs them."""
    found = set()
    for process in services.psutil.process_iter(["cmdline"]):  # type: ignore[attr-defined]
        words = process.info["cmdline"] or []
        options = dict(word.split("=", 1) for word in words if word.startswith("--") and "=" in word)
        folder = pathlib.Path(options.get("--temp_dir", ""))
        if folder.name == FOLDER and folder.parent.name.startswith(PREFIX) and "--gcs-address" in options:
            found.add(options["--gcs-address"])
    return found


def _parent() -> str:
    """Where temporary files belong, or `/tmp` where that is too deep for a socket; RAY_TMPDIR is meant as it is."""
    if given := os.environ.get("RAY_TMPDIR"):
        return given
    usual = tempfile.gettempdir()
    return usual if len(usual) <= LONGEST_PARENT else "/tmp"


def _variables(folder: str) -> dict[str, str]:
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    compiled = os.environ.get(COMPILED) or str(pathlib.Path(folder, "torch"))
    return {**token, LOOPBACK: "0", COMPILED: compiled}


def _forget_token() -> None:
    """Have Ray look for its token again."""
    AuthenticationTokenLoader.instance().reset_cache()
