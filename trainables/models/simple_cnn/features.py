"""The convolutional half of SimpleCNN for S networks: images to features, and the gradient back.

Twice: `NativeFeatures` runs compiled code made for this network and is several times as fast on a CPU;
`TorchFeatures` runs everywhere, GPUs included. They agree to float rounding.

Shapes: S is num_replicates. Images are bytes, shape (num_images, 3, 32, 32). `chosen` holds the numbers of those that
each network sees, int64, shape (batch, S), or (batch, 1) if all see the same.
"""

import ctypes
from collections.abc import Callable
from typing import Protocol

import torch

from trainables.data.dataset import normalize
from trainables.models.simple_cnn import native
from trainables.models.simple_cnn.layers import Convolution

FEATURES = 400

Pullback = Callable[[torch.Tensor], None]
"""Takes the gradient of the loss with respect to the features and writes those of the parameters."""


class FeatureExtractor(Protocol):
    """What both implementations offer."""

    def forward(self, images: torch.Tensor, chosen: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        """Features of images, shape (S, batch, 400), and the way back to the parameters' gradients."""


class TorchFeatures:
    """Grouped convolutions of torch; the replicates' channels stand side by side.

    Args:
        convolutions: The two layers.
    """

    def __init__(self, convolutions: tuple[Convolution, Convolution]) -> None:
        self._first, self._second = convolutions
        self._num_replicates = len(self._first.weight)

    def forward(self, images: torch.Tensor, chosen: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        """See `FeatureExtractor`; the features have the dtype of the weights."""
        first = self._first.forward(self._gather(images, chosen))
        second = self._second.forward(first.output)

        def pull_back(gradient: torch.Tensor) -> None:
            pooled_gradient = torch.empty_like(second.output)
            by_replicate = self._split_channels(pooled_gradient)
            by_replicate.copy_(gradient.view(by_replicate.shape))
            hidden_gradient = self._second.backward(second, pooled_gradient, reach_images=True)
            self._first.backward(first, hidden_gradient, reach_images=False)

        return self._split_channels(second.output).flatten(2), pull_back

    def _gather(self, images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Normalised images, shape (batch, columns * 3, 32, 32), channels last, which is fastest."""
        gathered = normalize(images.index_select(0, chosen.flatten())).to(self._first.weight.dtype)
        side_by_side = gathered.view(len(chosen), -1, *gathered.shape[2:])
        return side_by_side.contiguous(memory_format=torch.channels_last)

    def _split_channels(self, images: torch.Tensor) -> torch.Tensor:
        """View of shape (S, batch, channels, height, width) of replicates' images side by side."""
        return images.view(len(images), self._num_replicates, -1, *images.shape[2:]).transpose(0, 1)


class NativeFeatures:
    """`convolutions.c`, on the CPU, in float32, on one thread.

    Args:
        parameters: Of S whole networks, contiguous, in the order of `model.SHAPES`, shape (S, num_parameters).
        gradients: Where those of the convolutions are written, same shape.

    Raises:
        NoLibraryError: The library cannot be had on this machine.
    """

    def __init__(self, parameters: torch.Tensor, gradients: torch.Tensor) -> None:
        self._library = native.library()
        self._parameters, self._gradients = parameters, gradients
        self._hidden_size, self._hidden_codes_size, features_size = (
            ctypes.c_int64.in_dll(self._library, name).value
            for name in ("hidden_size", "hidden_codes_size", "features_size")
        )
        assert features_size == FEATURES

    def forward(self, images: torch.Tensor, chosen: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        """See `FeatureExtractor`.

        Raises:
            IndexError: An image that was chosen does not exist.
        """
        group = len(self._parameters), len(chosen)
        hidden = torch.empty(*group, self._hidden_size)
        hidden_codes = torch.empty(*group, self._hidden_codes_size, dtype=torch.uint8)
        feature_codes = torch.empty(*group, FEATURES, dtype=torch.uint8)
        features = torch.empty(*group, FEATURES)
        computed = hidden, hidden_codes, feature_codes, features
        self._call("convolutions_forward", images, chosen, *computed)

        def pull_back(gradient: torch.Tensor) -> None:
            self._call("convolutions_backward", images, chosen, *computed, gradient.contiguous(), self._gradients)

        return features, pull_back

    def _call(self, name: str, images: torch.Tensor, chosen: torch.Tensor, *tensors: torch.Tensor) -> None:
        # The library reads raw memory: what it is given must be exactly what it expects.
        assert images.dtype == torch.uint8
        assert images.shape[1:] == (3, 32, 32)
        assert chosen.dtype == torch.int64
        assert chosen.shape[1] in (1, len(self._parameters))
        assert all(tensor.is_contiguous() for tensor in (images, chosen, self._parameters, *tensors))
        status = getattr(self._library, name)(
            *(_pointer(images), ctypes.c_int64(len(images))),
            *(_pointer(chosen), ctypes.c_int64(chosen.shape[1]), ctypes.c_int64(len(chosen))),
            ctypes.c_int64(len(self._parameters)),
            *(_pointer(self._parameters), ctypes.c_int64(self._parameters.shape[1])),
            *map(_pointer, tensors),
        )
        if status:
            raise IndexError(f"chosen must hold numbers from 0 to {len(images) - 1}, and some are not.")


def _pointer(tensor: torch.Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())
