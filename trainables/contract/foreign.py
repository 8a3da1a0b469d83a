"""Has foreign optimizers tried out in processes of their own, of which only what they declare comes back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, NoReturn

import torch

from trainables.contract import check_optimizer, check_point, check_reductions, check_resumable, forgetful
from trainables.contract.descent import Descent, descend
from trainables.foreign.process import SECONDS, own_process, stage
from trainables.foreign.state import TorchState
from trainables.optimizers import optimizer_names, resolve_optimizer
from trainables.spec import Hyperparameter, OptimizerSpec

RESTART = 13
"""Steps after which another process goes on."""

REPLICATES = (0, 1)


def declared(
    name: str,
    sources: Mapping[str, str],
    values: Mapping[str, Sequence[float]] | None = None,
    *,
    resumes: bool = False,
    seconds: float = SECONDS,
) -> OptimizerSpec:
    """What a foreign optimizer declares, once it has been found to keep the contract and to leave torch as it is.

    Args:
        name: Its name.
        sources: Text of each user's own file by optimizer name.
        values: Values of a grid for its hyperparameters; the first and last of them must be accepted.
        resumes: Whether it must be able to go on from a checkpoint in another process.
        seconds: Time that an import, a building or a step may take.

    Returns:
        A specification that cannot be built here.

    Raises:
        ValueError: It breaks the contract; the message says where and how to mend it.
    """
    found = _ask(name, seconds, try_out, name, dict(sources), dict(values or {}))
    if resumes:
        checkpoint, end = _ask(name, seconds, part_ways, name, dict(sources))
        if _ask(name, seconds, go_on, name, dict(sources), checkpoint) != end:
            raise forgetful(name)
    space = {key: Hyperparameter(**axis) for key, axis in found["space"].items()}
    return OptimizerSpec(**{**found, "space": space}, build=_elsewhere)


def try_out(name: str, sources: Mapping[str, str], values: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Load an optimizer, check it and tell what it declares, in plain values."""
    state = TorchState()
    spec = _load(name, sources)
    state.refuse_changes(name, "the import of its code")
    state = TorchState(watches_draws=True)
    check_optimizer(name, spec)
    if set(values) == set(spec.space):
        for end in (min, max):
            check_point(name, spec, {key: end(numbers) for key, numbers in values.items()})
    state.refuse_changes(name, "building it or a step of it")
    known = {*sources, *optimizer_names()}
    check_reductions(name, spec, {other: _load(other, sources) for other in spec.reduces_to if other in known})
    return {
        "equation": str(spec.equation),
        "space": {key: _plain(asdict(axis)) for key, axis in spec.space.items()},
        "published": _plain(spec.published),
        "reference": str(spec.reference),
        "mixes_elements": bool(spec.mixes_elements),
        "reduces_to": {other: _plain(at) for other, at in spec.reduces_to.items()},
    }


def part_ways(name: str, sources: Mapping[str, str]) -> tuple[bytes, bytes]:
    """A checkpoint after `RESTART` steps, and where the optimizer ends without an interruption."""
    spec = _load(name, sources)
    check_resumable(name, spec)
    descent = Descent(spec, spec.published, REPLICATES)
    descent.take(RESTART)
    return descent.checkpoint(), _end(descend(spec, spec.published, REPLICATES))


def go_on(name: str, sources: Mapping[str, str], checkpoint: bytes) -> bytes:
    """Where the optimizer ends from a checkpoint on."""
    spec = _load(name, sources)
    descent = Descent(spec, spec.published, REPLICATES)
    descent.go_on(checkpoint)
    descent.finish()
    return _end(descent)


def _load(name: str, sources: Mapping[str, str]) -> OptimizerSpec:
    torch.optim.SGD([torch.zeros(1)], lr=0.1)  # the first optimizer loads torch's compiler, seconds that are not theirs
    with stage("the import of its code"):
        return resolve_optimizer(name, sources)


def _ask(name: str, seconds: float, function: Any, *arguments: object) -> Any:
    with own_process(partial, function, *arguments, seconds=seconds) as call:
        try:
            return call()
        except RuntimeError as error:
            raise ValueError(f"Optimizer {name!r} must let itself be tried out, but {error}; mend its code.") from None


def _end(descent: Descent) -> bytes:
    return descent.theta.numpy().tobytes()


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without classes that only foreign code knows."""
    return {str(key): str(value) if isinstance(value, str) else float(value) for key, value in values.items()}


def _elsewhere(*_: object, **__: object) -> NoReturn:
    raise RuntimeError("Foreign code runs in processes of its own only.")
