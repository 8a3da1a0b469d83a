"""Lion, an optimizer of your own in one file: each step has one size, along the sign of an interpolated momentum.

python -m study.run --search optuna --optimizers sgd,adam --optimizer-file examples/lion.py --claims examples/lion.toml
"""

from collections.abc import Callable, Sequence

import torch

from trainables.spec import Hyperparameter, OptimizerSpec


class Lion(torch.optim.Optimizer):
    """theta <- theta - eta sign(beta1 m + (1 - beta1) g), then m <- beta2 m + (1 - beta2) g."""

    def __init__(self, parameters: Sequence[torch.Tensor], *, learning_rate: float, beta1: float, beta2: float) -> None:
        super().__init__(parameters, {"lr": learning_rate, "betas": (beta1, beta2)})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step; `closure`, if given, first recomputes and returns the loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for parameter in group["params"]:
                momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
                parameter.sub_(momentum.lerp(parameter.grad, 1 - beta1).sign(), alpha=group["lr"])
                momentum.lerp_(parameter.grad, 1 - beta2)
        return loss


def build(
    parameters: Sequence[torch.Tensor],
    *,
    generators: Sequence[torch.Generator],
    learning_rate: float,
    beta1: float,
    beta2: float,
) -> torch.optim.Optimizer:
    """Lion; `generators` is unused, the update is deterministic."""
    del generators
    return Lion(parameters, learning_rate=learning_rate, beta1=beta1, beta2=beta2)


SPEC = OptimizerSpec(
    build=build,
    equation="θ ← θ − η sign(β₁ m + (1−β₁) g);  m ← β₂ m + (1−β₂) g",
    space={
        "learning_rate": Hyperparameter(low=1e-6, high=1e-2, scale="log"),
        "beta1": Hyperparameter(low=0.5, high=0.99, scale="log_complement"),
        "beta2": Hyperparameter(low=0.5, high=0.999, scale="log_complement"),
    },
    published={"learning_rate": 1e-4, "beta1": 0.9, "beta2": 0.99},
    reference="Chen et al. (2023), https://arxiv.org/abs/2302.06675",
)
