"""What the error is likely to be between the settings that were trained: a Gaussian process."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.ledger.load import Ledger
from analysis.ledger.schema import TESTED_PHASES
from analysis.ledger.study import Optimizer
from analysis.tables.sensitivity.points import MIN_POINTS, Missing, lacking, unit
from analysis.tables.settings import setting_column, settings

SEED = 0
RESTARTS = 2


@dataclass(frozen=True, kw_only=True)
class Surrogate:
    """A Gaussian process over the unit cube of an optimizer's search space.

    Args:
        optimizer: Name.
        num_points: Settings that it was fitted to.
        mean: Mean error of these, to which it returns far from all of them.
        process: The fitted process of errors above that mean, of scikit-learn.
    """

    optimizer: str
    num_points: int
    mean: float
    process: Any

    def predict(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean error and its standard deviation at points of the unit cube, each of shape (num_points,).

        The deviation is that of the mean over many seeds, not of a single network.
        """
        above, deviation = self.process.predict(points, return_std=True)
        return self.mean + above, deviation

    def draw(self, points: NDArray[np.float64], num_draws: int) -> NDArray[np.float64]:
        """Errors at points of the unit cube as they may be, shape (num_points, num_draws)."""
        return self.mean + np.asarray(self.process.sample_y(points, num_draws, random_state=SEED))


def fitted(optimizer: Optimizer, points: pl.DataFrame) -> Surrogate | Missing:
    """The surrogate of an optimizer, from all settings that were trained: tuning trials and sweep.

    Unlike shares of the space it needs no points that are spread evenly, and the sweep knows best what lies around the
    winner. Noise of a setting is the variance over seeds, pooled over all settings without divergence, over its seeds.

    Args:
        optimizer: Which one.
        points: What `with_spread` returns.
    """
    own = points.filter(pl.col("failed") == 0, ~pl.col("phase").is_in(TESTED_PHASES), optimizer=optimizer.name)
    if own.height < MIN_POINTS:
        return Missing(
            f"{optimizer.name} has {own.height} of the {MIN_POINTS} settings that its map needs: "
            f"{lacking(own.height, MIN_POINTS)}."
        )
    # Importing scikit-learn takes a second, which only this function needs.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    places = _places(optimizer, own)
    errors = own["validation_error"].to_numpy()
    variance = own.filter(pl.col("diverged") == 0)["spread"].pow(2).mean()
    noise = (variance if isinstance(variance, float) else 0.0) / own["replicates"].to_numpy() + 1e-6
    size = places.shape[1]
    smooth = Matern(np.full(size, 0.3), [(0.05, 10.0)] * size, nu=2.5)
    kernel = ConstantKernel(0.05, (1e-4, 1.0)) * smooth + WhiteKernel(1e-4, (1e-6, 1e-2))
    process = GaussianProcessRegressor(kernel, alpha=noise, n_restarts_optimizer=RESTARTS, random_state=SEED)
    with warnings.catch_warnings():
        # A length scale at the end of its range is that of a hyperparameter which does nothing.
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(places, errors - errors.mean())
    return Surrogate(optimizer=optimizer.name, num_points=own.height, mean=float(errors.mean()), process=process)


def with_spread(ledger: Ledger) -> pl.DataFrame:
    """What `settings` returns, with `spread`: the standard deviation over the seeds of each setting."""
    key = ["optimizer", "phase", "number"]
    spread = ledger.trials.group_by(key).agg(spread=pl.col("validation_error").std())
    return settings(ledger.study, ledger.trials).join(spread, on=key, how="left", maintain_order="left")


def _places(optimizer: Optimizer, own: pl.DataFrame) -> NDArray[np.float64]:
    """Settings on the unit cube; a sweep may lie beyond it."""
    columns = [unit(axis, own[setting_column(name)].to_numpy()) for name, axis in optimizer.space.items()]
    return np.stack(columns, axis=1)
