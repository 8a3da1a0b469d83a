"""How much the outcome of an optimizer depends on its hyperparameters, and on the luck of tuning them.

The loss is the validation error at the last epoch, 1 for a diverged replicate. Curves over single hyperparameters come
from `sweep` rows, everything about the whole space from `explore` rows. What cannot be said is a `Missing` with its
reason.
"""

from analysis.tables.sensitivity.drift import drift
from analysis.tables.sensitivity.expected_best import (
    best_so_far,
    expected_best,
    plug_in_best,
    tunability,
    unbiased_best,
)
from analysis.tables.sensitivity.good_volume import VolumeDifference, good_volume_difference, good_volumes
from analysis.tables.sensitivity.importance import fanova, importances, ped_anova
from analysis.tables.sensitivity.imprecision import EVERY, imprecision_costs
from analysis.tables.sensitivity.learning_rate import responses
from analysis.tables.sensitivity.one_at_a_time import OneAtATime, one_at_a_time
from analysis.tables.sensitivity.points import Cloud, Missing, clouds, pooled_seed_deviation
from analysis.tables.sensitivity.pooled import pooled
from analysis.tables.sensitivity.probability_best import chances_of_best, probabilities_best, probability_best
from analysis.tables.sensitivity.sweep import Sweep, sweeps
from analysis.tables.sensitivity.tables import SENSITIVITY_TABLES, sensitivity_tables

__all__ = [
    "EVERY",
    "SENSITIVITY_TABLES",
    "Cloud",
    "Missing",
    "OneAtATime",
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
    "imprecision_costs",
    "one_at_a_time",
    "ped_anova",
    "plug_in_best",
    "pooled",
    "pooled_seed_deviation",
    "probabilities_best",
    "probability_best",
    "responses",
    "sensitivity_tables",
    "sweeps",
    "tunability",
    "unbiased_best",
]
