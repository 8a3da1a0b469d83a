"""The layers of replicated networks with their gradients written out.

Autograd would find the same gradients, but makes a step on a small batch take a sixth longer on a CPU
(benchmarks/README.md): it puts each layer's gradient in a place of its own, from where it must be copied for the
optimizer.

Shapes: S is num_replicates; the replicates' channels stand side by side in the channel axis.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch

_ATEN = torch.ops.aten


class Convolved(NamedTuple):
    """What a `Convolution` has computed and its gradient needs."""

    images: torch.Tensor
    """Shape (batch, S * in_channels, height, width)."""

    convolved: torch.Tensor
    """Shape (batch, S * out_channels, height - 4, width - 4)."""

    output: torch.Tensor
    """Pooled and rectified, shape (batch, S * out_channels, (height - 4) / 2, (width - 4) / 2)."""

    chosen: torch.Tensor
    """Which element of each 2x2 window is its maximum; shape of `output`, int64."""


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """Convolution 5x5, max-pool 2x2 and ReLU of every replicate; one convolution whose groups are the replicates.

    Attributes:
        weight: Shape (S, out_channels, in_channels, 5, 5).
        bias: Shape (S, out_channels).
        weight_gradient, bias_gradient: Where `backward` writes; shapes of `weight` and `bias`.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    weight_gradient: torch.Tensor
    bias_gradient: torch.Tensor

    def forward(self, images: torch.Tensor) -> Convolved:
        """Convolve images of shape (batch, S * in_channels, height, width), or (batch, in_channels, ...) for all."""
        convolved = torch.conv2d(
            images, self.weight.flatten(0, 1), self.bias.flatten(), groups=self._num_groups(images)
        )
        output, chosen = _ATEN.max_pool2d_with_indices(convolved, [2, 2])
        # Max-pooling and ReLU commute; pooling first leaves a quarter of the elements to rectify.
        return Convolved(images, convolved, output.relu_(), chosen)

    def backward(self, step: Convolved, gradient: torch.Tensor, *, reach_images: bool) -> torch.Tensor:
        """Write the gradients of weight and bias.

        Args:
            step: What `forward` returned.
            gradient: Of the loss with respect to `step.output`, same shape.
            reach_images: Whether the gradient with respect to the images is wanted.

        Returns:
            Gradient with respect to `step.images`; undefined if not wanted. If all see the same images, the sum over
            the replicates.
        """
        gradient = rectify_backward(gradient, step.output)
        # Pooling passes each element on to one place, so the sum over the pooled image is that over the whole one.
        self.bias_gradient.copy_(gradient.sum(dim=(0, 2, 3)).view_as(self.bias))
        gradient = _ATEN.max_pool2d_with_indices_backward(
            gradient, step.convolved, [2, 2], [2, 2], [0, 0], [1, 1], False, step.chosen
        )
        groups = self._num_groups(step.images)
        images_gradient: torch.Tensor
        images_gradient, weight_gradient, _ = _ATEN.convolution_backward(
            *(gradient, step.images, self.weight.flatten(0, 1), None, [1, 1], [0, 0], [1, 1], False, [0, 0], groups),
            [reach_images, True, False],
        )
        self.weight_gradient.copy_(weight_gradient.view_as(self.weight))
        return images_gradient

    def _num_groups(self, images: torch.Tensor) -> int:
        """One group for each replicate, or a single one for all if they see the same images."""
        num_replicates, _, in_channels = self.weight.shape[:3]
        return 1 if images.shape[1] == in_channels else num_replicates


@dataclass(frozen=True, kw_only=True)
class Dense:
    """Dense layer of every replicate, one batched product.

    Attributes:
        weight: Shape (S, num_outputs, num_inputs).
        bias: Shape (S, num_outputs).
        weight_gradient, bias_gradient: Where `backward` writes; shapes of `weight` and `bias`.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    weight_gradient: torch.Tensor
    bias_gradient: torch.Tensor

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs, shape (S, batch, num_outputs), of inputs of shape (S, batch, num_inputs)."""
        return torch.baddbmm(self.bias.unsqueeze(1), inputs, self.weight.mT)

    def backward(self, inputs: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Write the gradients of weight and bias.

        Args:
            inputs: What `forward` was given, shape (S, batch, num_inputs).
            gradient: Of the loss with respect to the outputs, shape (S, batch, num_outputs).

        Returns:
            Gradient with respect to `inputs`, same shape.
        """
        torch.bmm(gradient.mT, inputs, out=self.weight_gradient)
        torch.sum(gradient, dim=1, out=self.bias_gradient)
        return torch.bmm(gradient, self.weight)


def rectify_backward(gradient: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """Gradient with respect to what a ReLU was given, of that with respect to its `output`; all of one shape."""
    rectified: torch.Tensor = _ATEN.threshold_backward(gradient, output, 0)
    return rectified


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean cross-entropy of each replicate and its gradient.

    Args:
        logits: Shape (S, batch, num_classes).
        labels: Class numbers, int64, shape (S, batch).

    Returns:
        Losses in nats, shape (S,), and gradient with respect to the logits, softmax minus one-hot over batch.
    """
    log_probabilities = torch.log_softmax(logits, dim=2)
    picked = labels.unsqueeze(2)
    log_likelihoods = log_probabilities.gather(2, picked)
    gradient = log_probabilities.exp_().scatter_add_(2, picked, torch.full_like(log_likelihoods, -1))
    return -log_likelihoods.mean(dim=(1, 2)), gradient.div_(labels.shape[1])
