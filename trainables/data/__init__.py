"""Images as bytes, split once and for all."""

from trainables.data.dataset import as_tensor, load_dataset, normalize

__all__ = ["as_tensor", "load_dataset", "normalize"]
