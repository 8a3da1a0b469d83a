"""Where a run's rows come from: command line, commit, versions, hardware."""

import os
import pathlib
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from analysis.plugins import package_versions

SECONDS_TO_ANSWER = 10

PACKAGES = ("optimizer-study", "torch", "torchvision", "ray", "optuna", "pyarrow", "numpy", "scipy")


def provenance(arguments: Sequence[str], code: Mapping[str, str] | None = None) -> dict[str, Any]:
    """One entry of `runs` in `study.json`.

    Args:
        arguments: Command-line arguments of `python -m study.run`.
        code: Digests of the code that the rows depend on; None for a run that makes no rows.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command(arguments),
        "commit": _commit(),
        **({} if code is None else {"code": dict(code)}),
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in PACKAGES},
            **package_versions(),
        },
        "hardware": {
            "cpu": _cpu(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "memory_bytes": _memory_bytes(),
            "gpus": _gpus(),
            "platform": platform.platform(),
        },
    }


def command(arguments: Sequence[str]) -> str:
    """The command line as a shell takes it."""
    return shlex.join(["python", "-m", "study.run", *arguments])


def resume_command(arguments: Sequence[str], output: str) -> str:
    """The command line that goes on with a study; to repeat `--fresh` would start another one.

    Args:
        arguments: Command-line arguments of `python -m study.run`.
        output: What `--output` takes for this study.
    """
    if "--fresh" not in arguments:
        return command(arguments)
    before = ["", *arguments]
    kept = [
        word
        for word, last in zip(arguments, before, strict=False)
        if word not in ("--fresh", "--output") and not word.startswith("--output=") and last != "--output"
    ]
    return command([*kept, "--output", output])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Commit of the source tree, with "+changes" if files differ from it; None outside of its repository."""
    git = ["git", "-C", str(pathlib.Path(__file__).parent)]
    # An installed package may lie in another repository, for instance in a virtual environment there.
    if _output([*git, "ls-files", "--error-unmatch", pathlib.Path(__file__).name]) is None:
        return None
    commit = _output([*git, "rev-parse", "HEAD"])
    if commit is None:
        return None
    changed = _output([*git, "status", "--porcelain", "--untracked-files=no"])
    return f"{commit}+changes" if changed else commit


def _cpu() -> str:
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_bytes() -> int | None:
    if sys.platform == "win32":
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _gpus() -> list[str]:
    listing = _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    return listing.splitlines() if listing else []


def _output(command: Sequence[str]) -> str | None:
    """What a command prints, or None if it is missing, fails or hangs."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS_TO_ANSWER)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
