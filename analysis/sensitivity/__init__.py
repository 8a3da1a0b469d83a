"""How much the outcome of an optimizer depends on its hyperparameters, and on the luck of tuning them.

The loss is the validation error at the last epoch, 1 for a diverged replicate. Curves over the learning rate come from
`sweep` rows, everything about the whole space from `explore` rows. What cannot be said is a `Missing` with its reason.
"""

from analysis.sensitivity.budget import (
    best_so_far,
    expected_best,
    plug_in_best,
    tunability,
    unbiased_best,
)
from analysis.sensitivity.drift import drift
from analysis.sensitivity.importance import fanova, importances, ped_anova
from analysis.sensitivity.luck import chances_of_best, probabilities_best, probability_best
from analysis.sensitivity.responses import responses
from analysis.sensitivity.scale import Cloud, Missing, clouds, pooled_seed_deviation
from analysis.sensitivity.sweep import Sweep, sweeps
from analysis.sensitivity.tables import sensitivity_tables
from analysis.sensitivity.volume import VolumeDifference, good_volume_difference, good_volumes

__all__ = [
    "Cloud",
    "Missing",
    "Sweep",
    "VolumeDifference",
    "best_so_far",
    "chances_of_best",
    "clouds",
    "drift",
    "expected_best",
    "fanova",
    "good_volume_difference",
    "good_volumes",
    "importances",
    "ped_anova",
    "plug_in_best",
    "pooled_seed_deviation",
    "probabilities_best",
    "probability_best",
    "responses",
    "sensitivity_tables",
    "sweeps",
    "tunability",
    "unbiased_best",
]
