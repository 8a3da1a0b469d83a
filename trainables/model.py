"""The article's SimpleCNN, trained as S independent networks (replicates) at once."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention

NUM_CLASSES = 10
SHAPES = (
    (6, 3, 5, 5),
    (6,),
    (16, 6, 5, 5),
    (16,),
    (120, 400),
    (120,),
    (84, 120),
    (84,),
    (NUM_CLASSES, 84),
    (NUM_CLASSES,),
)
"""Shapes of one network's parameters: weight and bias of two convolutions and three dense layers."""

SIZES = [math.prod(shape) for shape in SHAPES]
NUM_PARAMETERS = sum(SIZES)


class ReplicatedSimpleCNN:
    """S copies of conv 3->6, max-pool, conv 6->16, max-pool, dense 400->120->84->10, side by side.

    Each convolution runs once, with the replicates as its groups, and each dense layer is one batched product. All
    parameters live in one tensor, so an element-wise optimizer updates all replicates in one operation and the
    norms of their gradients take one reduction.

    Args:
        generators: Sources of the initial parameters, one per replicate, on the CPU: a replicate starts
            from the same values on every device.
        device: Where the parameters live.

    Attributes:
        parameters: Shape (num_replicates, 62006); row r is replicate r, in the order of `SHAPES`.
        gradients: Same shape; what `backward` has written last.
    """

    def __init__(self, generators: Sequence[torch.Generator], device: torch.device) -> None:
        self.num_replicates = len(generators)
        self.parameters = torch.stack([initial_parameters(generator) for generator in generators]).to(device)
        self.gradients = torch.zeros_like(self.parameters)
        # Leaves of the autograd graph that share memory with `parameters`, one per layer tensor.
        self._layers = [layer.detach().requires_grad_() for layer in split_layers(self.parameters)]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores of normalised images.

        Args:
            images: Shape (batch, num_replicates * 3, 32, 32): the replicates' batches side by side in the channel
                axis. Or (batch, 3, 32, 32): the same images for all. Channels-last memory is fastest.

        Returns:
            Logits, shape (num_replicates, batch, 10); no softmax.
        """
        conv1, bias1, conv2, bias2, *dense = self._layers
        groups = self.num_replicates
        own_images = images.shape[1] == 3 * groups
        # Max-pooling and ReLU commute; pooling first leaves a quarter of the elements to rectify.
        hidden = F.conv2d(images, conv1.flatten(0, 1), bias1.flatten(), groups=groups if own_images else 1)
        hidden = F.max_pool2d(hidden, 2).relu_()
        hidden = F.conv2d(hidden, conv2.flatten(0, 1), bias2.flatten(), groups=groups)
        hidden = F.max_pool2d(hidden, 2).relu_()
        hidden = hidden.reshape(len(images), groups, -1).transpose(0, 1)
        weight1, offset1, weight2, offset2, weight3, offset3 = dense
        hidden = torch.baddbmm(offset1.unsqueeze(1), hidden, weight1.mT).relu_()
        hidden = torch.baddbmm(offset2.unsqueeze(1), hidden, weight2.mT).relu_()
        return torch.baddbmm(offset3.unsqueeze(1), hidden, weight3.mT)

    def backward(self, loss: torch.Tensor) -> None:
        """Write the gradient of `loss`, a scalar that sums independent terms of the replicates, to `gradients`."""
        layer_gradients = torch.autograd.grad(loss, self._layers)
        torch.cat([gradient.flatten(1) for gradient in layer_gradients], dim=1, out=self.gradients)


def split_layers(flat: torch.Tensor) -> list[torch.Tensor]:
    """Views of a tensor of shape (num_replicates, 62006) as the layers' parameters, each (num_replicates, *shape)."""
    pieces = torch.split(flat, SIZES, dim=1)
    return [piece.view(-1, *shape) for piece, shape in zip(pieces, SHAPES, strict=True)]


def initial_parameters(generator: torch.Generator) -> torch.Tensor:
    """Torch's default initialisation of one network, shape (62006,).

    The defaults of `Conv2d` and `Linear` amount to U(-b, b) for weights and biases with b = 1 / sqrt(fan-in).
    """
    bounds = [1 / math.sqrt(math.prod(weight[1:])) for weight in SHAPES[::2] for _ in ("weight", "bias")]
    pieces = [
        torch.empty(size).uniform_(-bound, bound, generator=generator)
        for size, bound in zip(SIZES, bounds, strict=True)
    ]
    return torch.cat(pieces)


def replicate_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of each replicate, in nats.

    Args:
        logits: Shape (num_replicates, batch, 10).
        labels: Class numbers, int64, shape (num_replicates, batch).

    Returns:
        Shape (num_replicates,).
    """
    losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return losses.view(labels.shape).mean(dim=1)
