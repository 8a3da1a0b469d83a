"""The article's SimpleCNN, trained as S independent networks (replicates) at once."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention

from trainables.layers import Convolution, Dense, cross_entropy, rectify_backward

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
        gradients: Same shape; what `backpropagate` has written last.
    """

    def __init__(self, generators: Sequence[torch.Generator], device: torch.device) -> None:
        self.num_replicates = len(generators)
        self.parameters = torch.stack([initial_parameters(generator) for generator in generators]).to(device)
        self.gradients = torch.zeros_like(self.parameters)
        values, gradients = split_layers(self.parameters), split_layers(self.gradients)
        fields = [
            {
                "weight": values[i],
                "bias": values[i + 1],
                "weight_gradient": gradients[i],
                "bias_gradient": gradients[i + 1],
            }
            for i in range(0, len(SHAPES), 2)
        ]
        self._convolution1, self._convolution2 = (Convolution(**field) for field in fields[:2])
        self._dense1, self._dense2, self._dense3 = (Dense(**field) for field in fields[2:])

    @torch.no_grad()
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores of normalised images.

        Args:
            images: Shape (batch, num_replicates * 3, 32, 32): the replicates' batches side by side in the channel
                axis. Or (batch, 3, 32, 32): the same images for all. Channels-last memory is fastest.

        Returns:
            Logits, shape (num_replicates, batch, 10); no softmax.
        """
        pooled = self._convolution2.forward(self._convolution1.forward(images).output).output
        hidden = self._dense1.forward(self._split_channels(pooled).flatten(2)).relu_()
        return self._dense3.forward(self._dense2.forward(hidden).relu_())

    @torch.no_grad()
    def backpropagate(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of each replicate; its gradient is written to `gradients`.

        Args:
            images: Shape (batch, num_replicates * 3, 32, 32), as for `forward`.
            labels: Class numbers, int64, shape (num_replicates, batch).

        Returns:
            Mean cross-entropy in nats, shape (num_replicates,).
        """
        first = self._convolution1.forward(images)
        second = self._convolution2.forward(first.output)
        features = self._split_channels(second.output).flatten(2)
        hidden1 = self._dense1.forward(features).relu_()
        hidden2 = self._dense2.forward(hidden1).relu_()
        losses, gradient = cross_entropy(self._dense3.forward(hidden2), labels)
        gradient = rectify_backward(self._dense3.backward(hidden2, gradient), hidden2)
        gradient = rectify_backward(self._dense2.backward(hidden1, gradient), hidden1)
        gradient = self._dense1.backward(features, gradient)
        pooled_gradient = torch.empty_like(second.output)
        pooled_by_replicate = self._split_channels(pooled_gradient)
        pooled_by_replicate.copy_(gradient.view(pooled_by_replicate.shape))
        gradient = self._convolution2.backward(second, pooled_gradient, reach_images=True)
        self._convolution1.backward(first, gradient, reach_images=False)
        return losses

    def _split_channels(self, images: torch.Tensor) -> torch.Tensor:
        """View of shape (num_replicates, batch, channels, height, width) of replicates' images side by side."""
        return images.view(len(images), self.num_replicates, -1, *images.shape[2:]).transpose(0, 1)


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
