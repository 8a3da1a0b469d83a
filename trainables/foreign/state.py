"""The state of torch that decides how everything in a process is computed, so that changes to it can be named.

What changes no number and harms nobody outside of its own worker is left out: folders, paths, most of the environment.
"""

import os
import pathlib
import random
import signal
import sys
from collections.abc import Iterator
from types import FunctionType

import numpy as np
import torch

MODULES = ("torch", "trainables")
PACKAGES = ("torch.optim.", "torch.nn.", "torch.autograd.", "torch._tensor", "torch.functional", "trainables.")
"""Modules, and beginnings of the names of others, whose functions and classes are watched."""

VARIABLES = ("CUBLAS_", "CUDNN_", "NVIDIA_TF32_OVERRIDE")
"""Beginnings of the names of environment variables that are still read once torch has been imported."""

TORCH_FOLDER = str(pathlib.Path(torch.__file__).parent)
NOTHING = object()
SHOWN = 3


class TorchState:
    """How it was at one moment.

    Args:
        watches_draws: Whether a draw from a global random generator is a change.
    """

    def __init__(self, *, watches_draws: bool = False) -> None:
        self._watches_draws = watches_draws
        self._settings = _settings(watches_draws)
        self._functions = _functions()

    def changes(self) -> list[str]:
        """What is different by now, in words."""
        now, functions = _settings(self._watches_draws), _functions()
        found = [_change(name, old, now.get(name)) for name, old in self._settings.items() if now.get(name) != old]
        found += [_change(name, None, new) for name, new in now.items() if name not in self._settings]
        # A new method may stand before an inherited one; a new function of a module is nobody's rival.
        names = [name for name in functions if name in self._functions or _owner(name) in self._functions]
        names += [name for name in self._functions if name not in functions]
        return found + [name for name in names if not _is_same(self._functions.get(name), functions.get(name))]

    def refuse_changes(self, optimizer: str, act: str) -> None:
        """Refuse an optimizer whose code has changed it.

        Args:
            optimizer: Its name.
            act: What it has done meanwhile, a noun.

        Raises:
            ValueError: Something is different; the message names it.
        """
        found = self.changes()
        if found:
            more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            raise ValueError(
                f"Optimizer {optimizer!r} must leave torch as it finds it, so that it trains in the same way as its "
                f"rivals, but {act} changes {', '.join(found[:SHOWN])}{more}; leave that out, or undo it at the end."
            )


def _settings(watches_draws: bool) -> dict[str, object]:
    """Values by what they are called."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    found: dict[str, object] = {
        "the default dtype": torch.get_default_dtype(),
        "the default device": torch.get_default_device(),
        "deterministic algorithms": torch.get_deterministic_debug_mode(),
        "the number of threads": torch.get_num_threads(),
        "the number of threads between operations": torch.get_num_interop_threads(),
        "whether gradients are recorded": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "anomaly detection": torch.is_anomaly_enabled(),
        "the precision of products on a GPU": matmul.fp32_precision,
        "reduced precision of float16 products": matmul.allow_fp16_reduced_precision_reduction,
        "reduced precision of bfloat16 products": matmul.allow_bf16_reduced_precision_reduction,
        "the precision of convolutions on a GPU": cudnn.conv.fp32_precision,  # type: ignore[attr-defined]
        "the use of cuDNN": cudnn.enabled,
        "the choice of cuDNN's algorithms": (cudnn.benchmark, cudnn.deterministic),
        "the use of MKL-DNN": torch.backends.mkldnn.enabled,
        "the flushing of denormal numbers": float(torch.tensor([1e-39], dtype=torch.float32, device="cpu") / 2) == 0,
        **{f"autocast on {device}": torch.is_autocast_enabled(device) for device in ("cpu", "cuda")},
        **{f"the answer to {name.name}": signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)},
        **{f"${name}": value for name, value in os.environ.items() if name.startswith(VARIABLES)},
    }
    return found | (_generators() if watches_draws else {})


def _generators() -> dict[str, object]:
    """States of the global random generators."""
    return {
        "the global random generator of torch": torch.get_rng_state().numpy().tobytes(),
        "that of numpy": repr(np.random.get_state(legacy=False)).encode(),  # noqa: NPY002
        "that of Python": repr(random.getstate()).encode(),
    }


def _change(name: str, old: object, new: object) -> str:
    """A change of a setting in words; a state of thousands of numbers is not shown."""
    return name if isinstance(old, bytes) else f"{name} from {old} to {new}"


def _functions() -> dict[str, object]:
    """All that can be called in the watched modules and in their classes, by its full name."""
    found: dict[str, object] = {}
    for module in [name for name in sys.modules if name in MODULES or name.startswith(PACKAGES)]:
        for name, value in list(vars(sys.modules[module]).items()):
            if not callable(value):
                continue
            found[f"{module}.{name}"] = _with_code(value)
            if isinstance(value, type) and value.__module__ == module:
                found |= {f"{module}.{name}.{own}": code for own, code in _members(value)}
    return found


def _owner(name: str) -> str:
    """Class or module of a function."""
    return name.rpartition(".")[0]


def _members(kind: type) -> Iterator[tuple[str, object]]:
    for name, member in list(vars(kind).items()):
        if callable(member) or isinstance(member, property | staticmethod | classmethod):
            yield name, _with_code(member)


def _with_code(value: object) -> object:
    """A function together with what may be exchanged in it."""
    if not isinstance(value, FunctionType):
        return value
    by_name = (part for item in (value.__kwdefaults__ or {}).items() for part in item)
    return value, value.__code__, value.__defaults__, *by_name


def _is_same(old: object, new: object) -> bool:
    """Whether a function is the same, or one in which torch itself has wrapped it.

    Torch does so when an optimizer is built for the first time, and for `torch.compile`.
    """
    if isinstance(old, tuple) and isinstance(new, tuple) and old[0] is new[0]:
        return len(old) == len(new) and all(mine is theirs for mine, theirs in zip(old, new, strict=True))
    before, function = (known[0] if isinstance(known, tuple) else known for known in (old, new))
    while isinstance(function, FunctionType) and function is not before:
        path = function.__code__.co_filename
        if path.startswith(f"{TORCH_FOLDER}/_dynamo/"):
            return True
        inner = getattr(function, "_torchdynamo_orig_callable", getattr(function, "__wrapped__", NOTHING))
        function = inner if path.startswith(f"{TORCH_FOLDER}/") else NOTHING
    return function is before
