"""The article's SimpleCNN, trained as S independent networks (replicates) at once."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention

from trainables.models.precision import dtype_of
from trainables.models.simple_cnn.features import FeatureExtractor, NativeFeatures, TorchFeatures
from trainables.models.simple_cnn.layers import Convolution, Dense, cross_entropy, rectify_backward
from trainables.models.simple_cnn.native import NoLibraryError

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

    Each dense layer is one batched product; `features` beside this file has the convolutions. All parameters live in
    one tensor, so an element-wise optimizer updates all replicates in one operation and the norms of their gradients
    take one reduction.

    Args:
        generators: Sources of the initial parameters, one per replicate, on the CPU: a replicate starts
            from the same values on every device.
        device: Where the parameters live.
        precision: Name in `PRECISIONS`, of the arithmetic; parameters and gradients are float32 always.

    Attributes:
        parameters: Shape (num_replicates, 62006); row r is replicate r, in the order of `SHAPES`.
        gradients: Same shape; what `backpropagate` has written last.
    """

    def __init__(self, generators: Sequence[torch.Generator], device: torch.device, precision: str = "float32") -> None:
        self.num_replicates = len(generators)
        self.parameters = torch.stack([initial_parameters(generator) for generator in generators]).to(device)
        self.gradients = torch.zeros_like(self.parameters)
        # Rounded copies where the arithmetic is not that of the parameters; the same tensors where it is.
        self._rounded = self.parameters.to(dtype_of(precision))
        self._rounded_gradients = self.gradients.to(dtype_of(precision))
        values, gradients = split_layers(self._rounded), split_layers(self._rounded_gradients)
        fields = [
            {
                "weight": values[i],
                "bias": values[i + 1],
                "weight_gradient": gradients[i],
                "bias_gradient": gradients[i + 1],
            }
            for i in range(0, len(SHAPES), 2)
        ]
        self._dense1, self._dense2, self._dense3 = (Dense(**field) for field in fields[2:])
        self._features = self._choose_features((Convolution(**fields[0]), Convolution(**fields[1])))

    @torch.no_grad()
    def forward(self, images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Class scores.

        Args:
            images: uint8, shape (num_images, 3, 32, 32).
            chosen: Numbers of the images that each replicate sees, int64, shape (batch, num_replicates), or (batch, 1)
                if all see the same.

        Returns:
            Logits, float32, shape (num_replicates, batch, 10); no softmax.
        """
        self._round_parameters()
        features, _ = self._features.forward(images, chosen)
        hidden = self._dense2.forward(self._dense1.forward(features).relu_()).relu_()
        return self._dense3.forward(hidden).float()

    @torch.no_grad()
    def backpropagate(self, images: torch.Tensor, chosen: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of each replicate; its gradient is written to `gradients`.

        Args:
            images: As for `forward`.
            chosen: As for `forward`.
            labels: Class numbers, int64, shape (num_replicates, batch).

        Returns:
            Mean cross-entropy in nats, shape (num_replicates,).
        """
        self._round_parameters()
        features, pull_back = self._features.forward(images, chosen)
        hidden1 = self._dense1.forward(features).relu_()
        hidden2 = self._dense2.forward(hidden1).relu_()
        losses, gradient = cross_entropy(self._dense3.forward(hidden2).float(), labels)
        gradient = gradient.to(features.dtype)
        gradient = rectify_backward(self._dense3.backward(hidden2, gradient), hidden2)
        gradient = rectify_backward(self._dense2.backward(hidden1, gradient), hidden1)
        pull_back(self._dense1.backward(features, gradient))
        if self._rounded_gradients is not self.gradients:
            self.gradients.copy_(self._rounded_gradients)
        return losses

    def _round_parameters(self) -> None:
        if self._rounded is not self.parameters:
            self._rounded.copy_(self.parameters)

    def _choose_features(self, convolutions: tuple[Convolution, Convolution]) -> FeatureExtractor:
        if self._rounded.device.type == "cpu" and self._rounded.dtype == torch.float32:
            try:
                return NativeFeatures(self.parameters, self.gradients)
            except NoLibraryError:
                pass
        return TorchFeatures(convolutions)


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
