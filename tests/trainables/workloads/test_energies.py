"""Optimizers on energies whose answers are known."""

import numpy as np
import pytest

from trainables.workloads.energies import double_well_escapes, noisy_gradient_ends, normal_start, quadratic_losses


def test_sgd_shrinks_each_mode_by_its_own_factor():
    rate, num_steps = 0.3, 7
    losses = quadratic_losses("sgd", num_seeds=2, num_dimensions=5, num_steps=num_steps, learning_rate=rate)
    curvature = np.logspace(-2, 0, 5)
    start = normal_start(2, 5).numpy()
    theta = start * (1 - rate * curvature) ** num_steps
    np.testing.assert_allclose(losses[:, -1], (0.5 * curvature * theta**2).sum(axis=1))


def test_langevin_pays_d_over_2_minus_eta_lambda_for_each_mode():
    rate, diffusion, num_steps = 0.5, 1e-3, 400
    size = {"num_seeds": 12, "num_dimensions": 1000, "num_steps": num_steps, "learning_rate": rate}
    noisy = quadratic_losses("langevin", **size, diffusion=diffusion)[:, -1]
    plain = quadratic_losses("sgd", **size)[:, -1]
    curvature = np.logspace(-2, 0, 1000)
    shrink = 1 - rate * curvature
    excess = (diffusion * (1 - shrink ** (2 * num_steps)) / (2 - rate * curvature)).sum()
    spread = noisy.std(ddof=1) / np.sqrt(12)
    assert np.mean(noisy - plain) == pytest.approx(excess, abs=4 * spread)


def test_only_noise_leaves_the_well():
    size = {"num_seeds": 3, "num_particles": 50, "num_steps": 1000, "learning_rate": 0.02}
    assert double_well_escapes("sgd", **size).max() == 0
    assert double_well_escapes("langevin", **size, diffusion=0.3).min() > 0.1


def test_without_noise_of_its_own_langevin_is_sgd():
    size = {"num_seeds": 3, "num_dimensions": 10, "num_steps": 20, "learning_rate": 0.1}
    np.testing.assert_array_equal(
        noisy_gradient_ends("langevin", **size, diffusion=0.0), noisy_gradient_ends("sgd", **size)
    )
