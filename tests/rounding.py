"""How far rounding may carry a training: as far as it carries twins whose weights are moved by as much.

A sum of n terms that is rounded n times in any order is the exact sum of terms moved a little, by about sqrt(n)
roundings if they are as often up as down. So a training in float32 is one in exact arithmetic whose weights are moved
by that much at every step. Twins are moved that way on purpose, by all of it in every weight; how far they come from
where they would have come shows what the steps make of rounding, a ReLU or pool decided the other way included. None
of this depends on the processor.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch

FLOAT32 = 2.0**-24
BF16 = 2.0**-9
"""Largest relative error of rounding one number."""

LONGEST_SUM = 400
"""Terms of the longest sum on the way to a logit, in the first dense layer."""

NUM_BF16_ROUNDINGS = 10
"""On the way to a logit: each of five layers rounds its weights and what it gives on; sums are kept in float32."""

NUM_TWINS = 4

MARGIN = 2.0
"""A training may end where no twin did: the four are a sample."""


def sum_rounding(num_terms: int, unit: float = FLOAT32) -> float:
    """Relative error of a sum of `num_terms` terms whose roundings are as often up as down."""
    return math.sqrt(num_terms) * unit


@torch.no_grad()
def move(parameters: Iterable[torch.Tensor], generator: torch.Generator, relative: float) -> None:
    """Move every element up or down by the same share of itself, in place."""
    for parameter in parameters:
        signs = torch.randint(2, parameter.shape, generator=generator, dtype=parameter.dtype).mul_(2).sub_(1)
        parameter.mul_(signs.mul_(relative).add_(1))


def reach(reference: np.ndarray, twins: Sequence[np.ndarray]) -> np.ndarray:
    """How far from the reference rounding may come, step by step along the first axis.

    Args:
        reference: Shape (steps, ...), undisturbed.
        twins: The same quantity of each twin.

    Returns:
        Shape of the reference: what is carried from step to step, which never falls, and the rounding of the quantity
        itself.
    """
    distances = np.abs(np.stack(twins) - reference).max(axis=0)
    return MARGIN * np.maximum.accumulate(distances, axis=0) + sum_rounding(LONGEST_SUM) * np.abs(reference)
