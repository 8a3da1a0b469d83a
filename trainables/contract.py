"""What every optimizer must keep to; checked for a user's own file before a study starts."""

from collections.abc import Mapping, Sequence

import torch

from trainables.randomness import derive_seed
from trainables.spec import OptimizerSpec

NUM_STEPS = 3


def check_optimizer(name: str, spec: OptimizerSpec) -> None:
    """Try an optimizer on a few numbers: it must build, move its parameters and keep replicates apart.

    Args:
        name: Name of the optimizer, for messages.
        spec: What its file declares.

    Raises:
        ValueError: It breaks the contract; the message says where and how to mend it.
    """
    try:
        together = _descend(spec, spec.published, replicates=(0, 1))
        alone = torch.cat([_descend(spec, spec.published, replicates=(r,)) for r in (0, 1)])
        check_point(name, spec, {key: axis.at(0.5) for key, axis in spec.space.items()})
    except Exception as error:
        raise ValueError(
            f"Optimizer {name!r} must take a step with its published setting and in the middle of its space, "
            f"but raised {error!r}; mend its file."
        ) from error
    if torch.equal(together, _start((0, 1))):
        raise ValueError(
            f"Optimizer {name!r} must move its parameters, but {NUM_STEPS} steps left them alone; mend it."
        )
    if not torch.allclose(together, alone):
        raise ValueError(
            f"Optimizer {name!r} must update each element from its own gradient and noise, but two replicates trained "
            "together differ from the same two trained alone; set mixes_elements=True in its SPEC."
        )


def check_point(name: str, spec: OptimizerSpec, hyperparameters: Mapping[str, float]) -> None:
    """Build the optimizer at one point.

    Raises:
        ValueError: It refuses the point.
    """
    try:
        _descend(spec, hyperparameters, replicates=(0,))
    except Exception as error:
        shown = ", ".join(f"{key}={value:g}" for key, value in hyperparameters.items())
        raise ValueError(f"Optimizer {name!r} does not accept {shown}: {error}") from error


def _start(replicates: Sequence[int]) -> torch.Tensor:
    return torch.stack([torch.linspace(-1, 1, 6).roll(r) for r in replicates])


def _descend(spec: OptimizerSpec, hyperparameters: Mapping[str, float], replicates: Sequence[int]) -> torch.Tensor:
    """Parameters after a few steps on a quadratic, shape (num_replicates, 6)."""
    theta = _start(replicates)
    generators = [torch.Generator().manual_seed(derive_seed(r, "noise")) for r in replicates]
    if spec.mixes_elements:
        parts = [torch.nn.Parameter(row) for row in theta]
        optimizers = [
            spec.build([part], generators=[generator], **hyperparameters)
            for part, generator in zip(parts, generators, strict=True)
        ]
    else:
        parts = [torch.nn.Parameter(theta)]
        optimizers = [spec.build(parts, generators=generators, **hyperparameters)]
    for _ in range(NUM_STEPS):
        for part, optimizer in zip(parts, optimizers, strict=True):
            part.grad = 2 * part.detach() + 1
            optimizer.step()
    return theta
