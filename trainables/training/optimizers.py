"""Builds an optimizer for replicated networks: one for all replicates where it is element-wise, else one for each."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from trainables.models.simple_cnn.network import split_layers
from trainables.spec import OptimizerSpec


class BoundOptimizer:
    """An optimizer that always updates the tensors that it was built for, from the gradients of now.

    Torch lets an optimizer drop gradients, put others in their place and give a parameter another tensor; in a network
    of modules all of that works. Here networks and gradients are tensors of their own, which would be lost sight of.

    Args:
        optimizer: Built for `parameters`.
        parameters: Made of `tensors`.
        tensors: What the networks compute with.
        gradients: Of the same shapes; read anew at every step.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        parameters: Sequence[torch.nn.Parameter],
        tensors: Sequence[torch.Tensor],
        gradients: Sequence[torch.Tensor],
    ) -> None:
        self.optimizer = optimizer
        self._gradients = list(zip(parameters, gradients, strict=True))
        self._tensors = [
            (parameter, tensor, tensor.data_ptr()) for parameter, tensor in zip(parameters, tensors, strict=True)
        ]

    def step(self) -> None:
        """Take a step from what the gradients hold now.

        Raises:
            ValueError: A parameter has another shape, type or device afterwards.
        """
        for parameter, gradient in self._gradients:
            parameter.grad = gradient
        self.optimizer.step()
        for parameter, tensor, address in self._tensors:
            if parameter.data_ptr() != address or not parameter.is_set_to(tensor):
                _take_over(parameter, tensor)

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's own."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.optimizer.load_state_dict(state)


def build_optimizers(
    spec: OptimizerSpec,
    hyperparameters: Mapping[str, float],
    *,
    parameters: torch.Tensor,
    gradients: torch.Tensor,
    generators: Sequence[torch.Generator],
) -> list[BoundOptimizer]:
    """Optimizers that together update `parameters` in place from what `gradients` holds at each step.

    Args:
        spec: What the optimizer's file declares.
        hyperparameters: A value for each hyperparameter.
        parameters: Shape (num_replicates, 62006).
        gradients: Same shape.
        generators: Sources of noise, one per replicate, on the device of the parameters.
    """
    if not spec.mixes_elements:
        return [_build(spec, hyperparameters, [parameters], [gradients], generators)]
    layers, layer_gradients = split_layers(parameters), split_layers(gradients)
    return [
        _build(spec, hyperparameters, [layer[r] for layer in layers], [layer[r] for layer in layer_gradients], [own])
        for r, own in enumerate(generators)
    ]


def _build(
    spec: OptimizerSpec,
    hyperparameters: Mapping[str, float],
    tensors: Sequence[torch.Tensor],
    gradients: Sequence[torch.Tensor],
    generators: Sequence[torch.Generator],
) -> BoundOptimizer:
    parameters = [torch.nn.Parameter(tensor) for tensor in tensors]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    return BoundOptimizer(
        spec.build(parameters, generators=generators, **hyperparameters), parameters, tensors, gradients
    )


def _take_over(parameter: torch.nn.Parameter, tensor: torch.Tensor) -> None:
    """Have the networks see what their parameter has become, and the parameter be theirs again."""
    given, allowed = (f"shape {tuple(t.shape)}, {t.dtype}, {t.device}" for t in (parameter, tensor))
    if given != allowed:
        raise ValueError(
            f"A step must leave a parameter its shape, type and device ({allowed}), but made it {given}; "
            "update it in place."
        )
    tensor.copy_(parameter.detach())
    parameter.data = tensor
