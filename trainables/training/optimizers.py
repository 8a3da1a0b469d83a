"""Builds an optimizer for replicated networks: one for all replicates where it is element-wise, else one for each."""

from collections.abc import Mapping, Sequence

import torch

from trainables.models.simple_cnn.network import split_layers
from trainables.spec import OptimizerSpec


def build_optimizers(
    spec: OptimizerSpec,
    hyperparameters: Mapping[str, float],
    *,
    parameters: torch.Tensor,
    gradients: torch.Tensor,
    generators: Sequence[torch.Generator],
) -> list[torch.optim.Optimizer]:
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
) -> torch.optim.Optimizer:
    parameters = [torch.nn.Parameter(tensor) for tensor in tensors]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimizer: torch.optim.Optimizer = spec.build(parameters, generators=generators, **hyperparameters)
    return optimizer
