"""What every optimizer must keep to; checked for a user's own file before a study starts."""

import copy
from collections.abc import Mapping, Sequence

import torch

from trainables.models.simple_cnn.network import NUM_PARAMETERS
from trainables.randomness import derive_seed
from trainables.spec import OptimizerSpec
from trainables.training.optimizers import build_optimizers

NUM_STEPS = 3


def check_optimizer(name: str, spec: OptimizerSpec) -> None:
    """Try an optimizer on a quadratic of the network's shape: it must build, descend and keep replicates apart.

    Args:
        name: Name of the optimizer, for messages.
        spec: What its file declares.

    Raises:
        ValueError: It breaks the contract; the message says where and how to mend it.
    """
    try:
        together = _descend(spec, spec.published, replicates=(0, 1))
        again = _descend(spec, spec.published, replicates=(0, 1))
        alone = torch.cat([_descend(spec, spec.published, replicates=(r,)) for r in (0, 1)])
        check_point(name, spec, {key: axis.at(0.5) for key, axis in spec.space.items()})
    except Exception as error:
        raise ValueError(
            f"Optimizer {name!r} must take a step with its published setting and in the middle of its space, "
            f"but raised {error!r}; mend its file."
        ) from error
    if not together.isfinite().all():
        raise ValueError(
            f"Optimizer {name!r} must keep its parameters finite, but {NUM_STEPS} steps on a quadratic with its "
            "published setting did not; mend it."
        )
    if torch.equal(together, _start((0, 1))):
        raise ValueError(
            f"Optimizer {name!r} must move its parameters, but {NUM_STEPS} steps left them alone; mend it."
        )
    if not torch.equal(together, again):
        raise ValueError(
            f"Optimizer {name!r} must draw its noise from `generators`, but the same seeds gave two results; "
            "pass them on wherever it draws."
        )
    if not torch.allclose(together, alone):
        raise ValueError(
            f"Optimizer {name!r} must update each element from its own gradient and noise, but two replicates trained "
            "together differ from the same two trained alone; set mixes_elements=True in its SPEC."
        )


def check_resumable(name: str, spec: OptimizerSpec) -> None:
    """Try whether an optimizer goes on from its stored state as if it had never stopped.

    Args:
        name: Name of the optimizer, for messages.
        spec: What its file declares; `check_optimizer` has accepted it.

    Raises:
        ValueError: It does not.
    """
    whole = _descend(spec, spec.published, replicates=(0, 1))
    if not torch.equal(whole, _descend(spec, spec.published, replicates=(0, 1), interrupted=True)):
        raise ValueError(
            f"Optimizer {name!r} must keep all that it remembers in its state_dict to go on from a checkpoint, but "
            "went on differently; mend it or leave out --storage."
        )


def check_reductions(name: str, spec: OptimizerSpec, known: Mapping[str, OptimizerSpec]) -> None:
    """Try whether an optimizer is a simpler one, bit for bit, wherever it says so.

    Args:
        name: Name of the optimizer, for messages.
        spec: What its file declares; `check_optimizer` has accepted it.
        known: Each of the simpler optimizers.

    Raises:
        ValueError: A simpler optimizer is not known or has other hyperparameters, the optimizer refuses a neutral
            value, or the two differ.
    """
    for simpler, at in spec.reduces_to.items():
        if simpler not in known:
            raise ValueError(
                f"reduces_to of {name!r} must name optimizers of the package or of other files, got {simpler!r}; "
                "add its file or leave it out."
            )
        shared = [key for key in spec.space if key not in at]
        if set(shared) != set(known[simpler].space):
            raise ValueError(
                f"reduces_to[{simpler!r}] of {name!r} must leave the hyperparameters of {simpler}, "
                f"{', '.join(known[simpler].space)}, but leaves {', '.join(shared)}; mend it."
            )
        for setting in (spec.published, {key: axis.at(0.5) for key, axis in spec.space.items()}):
            rest = {key: setting[key] for key in shared}
            check_point(name, spec, {**rest, **at})
            ours = _descend(spec, {**rest, **at}, replicates=(0, 1))
            theirs = _descend(known[simpler], rest, replicates=(0, 1))
            if not torch.allclose(ours, theirs, rtol=0, atol=0, equal_nan=True):
                shown = ", ".join(f"{key}={value:g}" for key, value in at.items())
                raise ValueError(
                    f"Optimizer {name!r} must be {simpler} bit for bit at {shown}, but {NUM_STEPS} steps on a "
                    "quadratic ended elsewhere; mend it or its reduces_to."
                )


def check_point(name: str, spec: OptimizerSpec, hyperparameters: Mapping[str, float]) -> None:
    """Build the optimizer at one point.

    Raises:
        ValueError: It refuses the point.
    """
    try:
        _descend(spec, hyperparameters, replicates=(0,))
    except (Exception, SystemExit) as error:
        shown = ", ".join(f"{key}={value:g}" for key, value in hyperparameters.items())
        raise ValueError(f"Optimizer {name!r} does not accept {shown}: {error}") from error


def _start(replicates: Sequence[int]) -> torch.Tensor:
    """Parameters before the first step, shape (num_replicates, 62006).

    Replicate 1 is a thousand times as large as replicate 0, so neither norms nor means over both are those of one.
    """
    return torch.stack([1000**r * torch.linspace(-1, 1, NUM_PARAMETERS) for r in replicates])


def _descend(
    spec: OptimizerSpec, hyperparameters: Mapping[str, float], replicates: Sequence[int], *, interrupted: bool = False
) -> torch.Tensor:
    """Parameters after a few steps on a quadratic, shape (num_replicates, 62006).

    Args:
        spec: The optimizer.
        hyperparameters: Its setting.
        replicates: What is trained together.
        interrupted: Whether the last step is that of another optimizer, which has taken over the state of the first.
    """
    theta = _start(replicates)
    gradients = torch.empty_like(theta)
    generators = [torch.Generator().manual_seed(derive_seed(r, "noise")) for r in replicates]

    def build() -> list[torch.optim.Optimizer]:
        return build_optimizers(spec, hyperparameters, parameters=theta, gradients=gradients, generators=generators)

    optimizers = build()
    for step in range(NUM_STEPS):
        if interrupted and step == NUM_STEPS - 1:
            states = copy.deepcopy([optimizer.state_dict() for optimizer in optimizers])
            optimizers = build()
            for optimizer, state in zip(optimizers, states, strict=True):
                optimizer.load_state_dict(state)
        torch.add(theta, 1, out=gradients)  # of |theta + 1|^2 / 2
        for optimizer in optimizers:
            optimizer.step()
    return theta
