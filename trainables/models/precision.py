"""In what arithmetic networks are trained."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PRECISIONS = ("float32", "tf32", "bf16")
"""float32: as it says. tf32: products of numbers rounded to 10 bits, on GPUs that have it. bf16: layers in bfloat16;
parameters, their updates, losses and norms stay float32."""

DEFAULT_PRECISION = "float32"


def dtype_of(precision: str) -> "torch.dtype":
    """The type of the numbers that layers take and give."""
    import torch

    return torch.bfloat16 if precision == "bf16" else torch.float32


def set_precision(precision: str) -> None:
    """Tell torch whether this process may round the factors of float32 products on a GPU."""
    import torch

    rounding = "tf32" if precision == "tf32" else "ieee"
    torch.backends.cuda.matmul.fp32_precision = rounding
    torch.backends.cudnn.conv.fp32_precision = rounding  # type: ignore[attr-defined]
