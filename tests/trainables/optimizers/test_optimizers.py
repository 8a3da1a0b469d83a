"""Every optimizer against what is known exactly about it on U = curvature * theta^2 / 2."""

import math
import pathlib
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats

from trainables.optimizers import (
    DEFAULTS,
    check_user_name,
    load_optimizer,
    load_optimizer_source,
    optimizer_names,
    resolve_optimizer,
)

NUM_CHAINS = 100_000
"""Independent chains are the elements of one parameter."""

NOISY = ("langevin", "constant_noise")
Gradient = Callable[[torch.Tensor], torch.Tensor]


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def descend(
    name: str, theta: torch.Tensor, gradient: Gradient | float, num_steps: int, **hyperparameters: float
) -> torch.Tensor:
    """`theta`, shape (num_replicates, ...), after some steps; a number for `gradient` is the curvature."""
    parameter = torch.nn.Parameter(theta.clone())
    optimizer = load_optimizer(name).build([parameter], generators=generators(*range(len(theta))), **hyperparameters)
    for _ in range(num_steps):
        here = parameter.detach()
        parameter.grad = gradient(here) if callable(gradient) else gradient * here
        optimizer.step()
    return parameter.detach()


def point(value: float) -> torch.Tensor:
    """One element in float64, for closed forms that hold to rounding."""
    return torch.full((1, 1), value, dtype=torch.float64)


def chains(value: float) -> torch.Tensor:
    """Many chains in float32, as in training: its rounding, 1e-7, is far below a standard error of 3e-3."""
    return torch.full((1, NUM_CHAINS), value)


def assert_moments(samples: torch.Tensor, mean: float, variance: float) -> None:
    """Mean and variance of Gaussian samples lie within 5 standard errors."""
    samples = samples.double()
    assert abs(samples.mean() - mean) < 5 * math.sqrt(variance / samples.numel())
    assert abs(samples.var() / variance - 1) < 5 * math.sqrt(2 / samples.numel())


def noise_variance(name: str, learning_rate: float, diffusion: float) -> float:
    """Variance of the noise of one step."""
    return {"langevin": 2 * diffusion * learning_rate, "constant_noise": diffusion**2}[name]


def ar1_variance(step_variance: float, decay: float, num_steps: float = math.inf) -> float:
    """Variance after some steps of theta <- decay * theta + N(0, step_variance) from a fixed start."""
    return step_variance * (1 - decay ** (2 * num_steps)) / (1 - decay**2)


# Closed forms


@pytest.mark.parametrize("learning_rate", [0.01, 0.3, 0.5, 0.9])
def test_sgd_shrinks_by_one_factor_in_every_step(learning_rate):
    theta = descend("sgd", point(3.0), 2.0, 20, learning_rate=learning_rate)
    torch.testing.assert_close(theta, point((1 - 2 * learning_rate) ** 20 * 3), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1, 1.0])
def test_weight_decay_adds_to_the_curvature(weight_decay):
    """lambda theta is the gradient of lambda theta^2 / 2."""
    theta = descend("sgd_weight_decay", point(3.0), 2.0, 20, learning_rate=0.1, weight_decay=weight_decay)
    torch.testing.assert_close(theta, point((1 - 0.1 * (2 + weight_decay)) ** 20 * 3), rtol=1e-12, atol=1e-15)


def test_coupled_weight_decay_of_sgd_is_the_decoupled_one_at_a_fixed_learning_rate():
    """Loshchilov & Hutter (2019), proposition 1."""
    start, rate, decay = point(3.0), 0.1, 0.05
    theta = descend("sgd_weight_decay", start, torch.sin, 20, learning_rate=rate, weight_decay=decay)
    for _ in range(20):
        start = (1 - rate * decay) * start - rate * torch.sin(start)
    torch.testing.assert_close(theta, start, rtol=1e-12, atol=0)


def test_weight_decay_is_no_default():
    assert "sgd_weight_decay" in optimizer_names()
    assert "sgd_weight_decay" not in DEFAULTS


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.99])
def test_momentum_is_a_power_of_the_heavy_ball_matrix(momentum):
    rate, curvature = 0.1, 2.0
    matrix = np.array([[1 - rate * curvature, -rate * momentum], [curvature, momentum]])
    expected = np.linalg.matrix_power(matrix, 30) @ [3.0, 0.0]
    theta = descend("momentum", point(3.0), curvature, 30, learning_rate=rate, momentum=momentum)
    torch.testing.assert_close(theta, point(expected[0]), rtol=1e-11, atol=0)


@pytest.mark.parametrize("gradient", [-1e3, -1.0, 1e-7, 1e-3])
def test_first_adam_step_is_the_sign_of_the_gradient_softened_by_epsilon(gradient):
    theta = descend("adam", point(0.0), point(gradient).add, 1, learning_rate=0.1, beta1=0.9, beta2=0.999)
    torch.testing.assert_close(theta, point(-0.1 * gradient / (abs(gradient) + 1e-8)), rtol=1e-12, atol=0)


@pytest.mark.parametrize("learning_rate", [0.01, 0.1, 0.8])
@pytest.mark.parametrize("name", NOISY)
def test_noisy_descent_is_an_autoregressive_chain(name, learning_rate):
    """Mean and variance at every time, discretisation error included; 0.8 makes the chain swing."""
    start, curvature, diffusion, num_steps = 3.0, 2.0, 0.5, 15
    decay = 1 - learning_rate * curvature
    theta = descend(name, chains(start), curvature, num_steps, learning_rate=learning_rate, diffusion=diffusion)
    variance = ar1_variance(noise_variance(name, learning_rate, diffusion), decay, num_steps)
    assert_moments(theta, decay**num_steps * start, variance)


@pytest.mark.parametrize(("learning_rate", "num_steps"), [(0.9, 20), (0.1, 60), (0.02, 200)])
def test_stationary_variances_part_as_the_learning_rate_falls(learning_rate, num_steps):
    """`langevin` tends to D / lambda, `constant_noise` grows like D^2 / (2 eta lambda)."""
    curvature, diffusion = 1.0, 0.1
    settled = {
        "langevin": 2 * diffusion / (curvature * (2 - learning_rate * curvature)),
        "constant_noise": diffusion**2 / (learning_rate * curvature * (2 - learning_rate * curvature)),
    }
    decay = 1 - learning_rate * curvature
    for name, variance in settled.items():
        assert variance == pytest.approx(ar1_variance(noise_variance(name, learning_rate, diffusion), decay))
        theta = descend(name, chains(0.0), curvature, num_steps, learning_rate=learning_rate, diffusion=diffusion)
        assert_moments(theta, 0.0, variance * (1 - decay ** (2 * num_steps)))


@pytest.mark.parametrize(
    ("name", "limit", "others"),
    [
        ("sgd", 2.0, {}),
        ("momentum", 2.0, {"momentum": 0.0}),
        ("momentum", 3.0, {"momentum": 0.5}),
        ("momentum", 3.8, {"momentum": 0.9}),
        ("langevin", 2.0, {"diffusion": 0.0}),
        ("constant_noise", 2.0, {"diffusion": 0.0}),
    ],
)
def test_learning_rate_times_curvature_has_a_limit(name, limit, others):
    """2 for plain descent, 2 (1 + mu) for the heavy ball."""
    curvature = 4.0
    for factor, stable in ((0.98, True), (1.02, False)):
        theta = descend(name, point(1.0), curvature, 2_000, learning_rate=factor * limit / curvature, **others)
        assert (theta.abs().item() < 1) == stable


def test_minibatch_noise_is_diffusion_of_its_own():
    """Gradient noise of variance s^2 adds eta s^2 to the numerator 2 D; SGD alone has eta s^2."""
    rate, curvature, diffusion, deviation, num_steps = 0.2, 1.0, 0.05, 0.7, 40
    for name, own in (("langevin", {"diffusion": diffusion}), ("sgd", {})):
        (source,) = generators(99)

        def gradient(theta: torch.Tensor, source: torch.Generator = source) -> torch.Tensor:
            return curvature * theta + deviation * torch.randn(theta.shape, generator=source)

        theta = descend(name, chains(0.0), gradient, num_steps, learning_rate=rate, **own)
        numerator = (2 * diffusion if own else 0) + rate * deviation**2
        assert_moments(theta, 0.0, numerator / (curvature * (2 - rate * curvature)))


@pytest.mark.parametrize("name", NOISY)
def test_squared_distance_walked_without_gradient_is_chi_squared(name):
    """Exactly so: |theta_t - theta_0|^2 over the noise variance has d degrees of freedom, mean d 2 D eta t."""
    dimension, num_steps, rate, diffusion = 10, 7, 0.1, 0.01
    start = torch.ones(1, NUM_CHAINS // dimension, dimension, dtype=torch.float64)
    end = descend(name, start, 0.0, num_steps, learning_rate=rate, diffusion=diffusion)
    walked = (end - start).square().sum(dim=-1).flatten() / (noise_variance(name, rate, diffusion) * num_steps)
    assert abs(walked.mean() - dimension) < 5 * math.sqrt(2 * dimension / len(walked))
    assert stats.kstest(walked.numpy(), stats.chi2(dimension).cdf).pvalue > 1e-5


@pytest.mark.parametrize("num_steps", [10, 400])
def test_langevin_pays_excess_loss_in_every_mode(num_steps):
    """A mode pays D (1 - rho^2n) / (2 - eta lambda): stiff ones at once, flat ones hardly at all in a short run."""
    rate, diffusion = 0.5, 0.01
    curvatures = torch.logspace(-4, 0.5, 8)
    start = torch.zeros(1, NUM_CHAINS // 10, len(curvatures))
    end = descend("langevin", start, curvatures.mul, num_steps, learning_rate=rate, diffusion=diffusion)
    excess = (curvatures * end.square() / 2).double().sum(dim=-1).flatten()
    modes = diffusion * (1 - (1 - rate * curvatures.double()) ** (2 * num_steps)) / (2 - rate * curvatures.double())
    # A mode's excess loss is its mean times a chi-squared of one degree of freedom, whose variance is 2.
    standard_error = (2 * modes.square().sum() / len(excess)).sqrt()
    assert abs(excess.mean() - modes.sum()) < 5 * standard_error
    assert modes[0] < 0.05 * modes[-1]


# Reductions, exact


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("langevin", {"diffusion": 0.0}),
        ("constant_noise", {"diffusion": 0.0}),
        ("momentum", {"momentum": 0.0}),
        ("sgd_weight_decay", {"weight_decay": 0.0}),
    ],
)
def test_without_what_it_adds_it_is_sgd(name, others, dtype):
    start = torch.linspace(-1, 1, 1_001, dtype=dtype).view(7, -1)
    ours = descend(name, start, torch.sin, 20, learning_rate=0.1, **others)
    theirs = descend("sgd", start, torch.sin, 20, learning_rate=0.1)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("name", NOISY)
def test_each_replicate_draws_from_its_own_generator(name):
    spec = load_optimizer(name)

    def noise_of(*seeds: int) -> torch.Tensor:
        theta = torch.nn.Parameter(torch.zeros(len(seeds), 50))
        optimizer = spec.build([theta], generators=generators(*seeds), **spec.published)
        theta.grad = torch.zeros_like(theta)
        optimizer.step()
        return theta.detach()

    assert torch.equal(noise_of(1, 2, 3)[1], noise_of(2)[0])
    assert torch.equal(noise_of(1, 2), noise_of(2, 1).flip(0))
    assert not torch.equal(noise_of(1), noise_of(2))


@pytest.mark.parametrize("name", NOISY)
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
@pytest.mark.parametrize("key", ["learning_rate", "diffusion"])
def test_noise_refuses_settings_without_meaning(name, key, value):
    spec = load_optimizer(name)
    with pytest.raises(ValueError, match=rf"{key} must be finite and at least 0, got {value}; mend it"):
        spec.build([torch.nn.Parameter(torch.zeros(1, 2))], generators=generators(0), **{**spec.published, key: value})


def test_a_closure_is_evaluated_with_gradients_before_the_step():
    theta = torch.nn.Parameter(torch.ones(1, 3))
    optimizer = load_optimizer("langevin").build([theta], generators=generators(0), learning_rate=0.1, diffusion=0.0)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = theta.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 3
    torch.testing.assert_close(theta.detach(), torch.full((1, 3), 0.8))


# Registry


def test_listing_the_names_imports_no_torch():
    script = "import sys; from trainables.optimizers import optimizer_names as f; print(f(), 'torch' in sys.modules)"
    root = pathlib.Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == f"{optimizer_names()} False"


def test_all_default_optimizers_exist():
    assert set(DEFAULTS) <= set(optimizer_names())
    assert optimizer_names() == sorted(optimizer_names())


@pytest.mark.parametrize("name", ["adamax", "", "SGD", "../sgd", "__init__"])
def test_an_unknown_optimizer_lists_the_known_ones(name):
    message = rf"Unknown optimizer .*; choose one of {', '.join(optimizer_names())}, or give a file"
    with pytest.raises(ValueError, match=message):
        load_optimizer(name)
    with pytest.raises(ValueError, match=message):
        resolve_optimizer(name, {})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "this is no Python",
            r"mine\.py must be a Python file that defines SPEC, but it raises SyntaxError.*; mend it",
        ),
        ("\0", r"mine\.py must be a Python file that defines SPEC, but it raises (ValueError|SyntaxError)"),
        ("raise SystemExit(3)", r"mine\.py must be a Python file .*, but it raises SystemExit\(3\); mend it"),
        ("1 / 0", r"mine\.py must be a Python file .*, but it raises ZeroDivisionError.*; mend it"),
        ("import no_such_module", r"but it raises ModuleNotFoundError.*no_such_module"),
        ("", r"mine\.py must define SPEC, a trainables\.spec\.OptimizerSpec, got NoneType"),
        ("SPEC = 3", r"mine\.py must define SPEC, a trainables\.spec\.OptimizerSpec, got int"),
    ],
)
def test_a_file_without_spec_is_refused(source, message):
    with pytest.raises(ValueError, match=message):
        load_optimizer_source("mine", source)


@pytest.mark.parametrize("name", ["Mine", "2nd", "my-own", "", "a" * 41, "naïve", "a b", "a\n"])
def test_a_name_that_could_not_name_a_column_is_refused(name):
    with pytest.raises(
        ValueError, match=r"lower-case letters, digits and underscores, a letter first, got .*; rename it"
    ):
        check_user_name(name)


def test_the_name_of_an_optimizer_of_ours_is_taken():
    with pytest.raises(ValueError, match=r"Optimizer 'sgd' is already part of the study program; rename your file"):
        load_optimizer_source("sgd", "")


def test_a_file_may_use_dataclasses_and_postponed_annotations():
    source = """
from __future__ import annotations
from dataclasses import KW_ONLY, dataclass
from trainables.optimizers.sgd import SPEC

@dataclass
class State:
    _: KW_ONLY
    step: int = 0
"""
    assert load_optimizer_source("mine", source) is load_optimizer("sgd")
