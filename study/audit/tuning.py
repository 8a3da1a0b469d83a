"""Audits of the whole pipeline: optimizers are tuned, confirmed and judged as in a study, and the truth is known.

Errors come from a formula in the place of training; all else is real: the search algorithm asks the points, the winner
is chosen by its validation error, fresh seeds confirm it, and the verdicts rest on several tunings.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from analysis.statistics.tunings import TuningVariance
from analysis.verdicts.evidence import Evidence, PairedSeeds
from analysis.verdicts.evidence_of_tunings import PairedTunings
from study.audit.seeds import ALPHA, FAMILY, LEVEL, SURE, Audit
from study.queue.tuning import Tuning
from study.search import Point, load_search
from study.spec import OptimizerDefinition
from trainables.spec import Hyperparameter

Array = NDArray[np.float64]
Runs = Mapping[str, Array]
"""What runs on fresh seeds score in each metric of `METRICS`."""

PRAISED, RIVALS = ("a", "b"), ("c", "d", "e")
METRICS = ("test error", "log of the swing", "log of the steps")
"""What is claimed, each one family of six; lower is better."""

NUM_TRIALS, NUM_SEEDS, NUM_FRESH, LAG = 24, 2, 12, 8
NUM_TUNINGS = (2, 3)
DIMENSIONS = (2, 3)
"""Hyperparameters of the simulated optimizers."""

PLANTED = 0.2
"""Error by which both praised optimizers are better in the audit of power: what three tunings must find."""


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """What a network scores by a formula, with the sizes that the networks of the default study have.

    The expected error at a point of the unit cube is .55 and `steepness` times the squared distance from the middle.
    The logarithms of the swing of the losses and of the steps to the targets follow the first coordinate, as those of
    real networks follow the learning rate: settings whose errors no tuning tells apart differ in them.

    Args:
        num_hyperparameters: Dimensions of the cube.
        steepness: Of the error.
        deviation: Standard deviation of an error from seed to seed, that of 1,000 test images included.
        swing_slope: Of the logarithm of the swing along the first coordinate.
        steps_slope: The same of the steps.
    """

    num_hyperparameters: int
    steepness: float = 1.5
    deviation: float = 0.025
    swing_slope: float = 2.0
    steps_slope: float = -1.0

    @property
    def definition(self) -> OptimizerDefinition:
        """An optimizer that has this space."""
        names = [f"x{place}" for place in range(self.num_hyperparameters)]
        axis = Hyperparameter(low=0.0, high=1.0, scale="linear", unit="1")
        published = dict.fromkeys(names, 0.9)
        return OptimizerDefinition(equation="", space=dict.fromkeys(names, axis), published=published, reference="")

    def validation_errors(self, random: np.random.Generator, point: Point, num_seeds: int) -> Array:
        """Of `num_seeds` networks."""
        distance = sum((value - 0.5) ** 2 for value in point.values())
        noise = random.normal(scale=self.deviation, size=num_seeds)
        return np.clip(0.55 + self.steepness * distance + noise, 0.0, 1.0)

    def confirm(self, random: np.random.Generator, point: Point) -> Runs:
        """Fresh networks at a point, shape (NUM_FRESH,) each."""
        first = point["x0"] - 0.5
        swing, steps = random.normal(size=(2, NUM_FRESH))
        return {
            METRICS[0]: self.validation_errors(random, point, NUM_FRESH),
            METRICS[1]: self.swing_slope * first + 0.06 * swing,
            METRICS[2]: self.steps_slope * first + 0.1 * steps,
        }


def tune(random: np.random.Generator, landscape: Landscape) -> Runs:
    """One optimizer tuned by the default search, and its winner confirmed."""
    tuning = Tuning(
        load_search("optuna"),
        landscape.definition,
        seed=int(random.integers(2**31)),
        num_trials=NUM_TRIALS,
        num_seeds=NUM_SEEDS,
        lag=LAG,
    )
    while (number := tuning.next_number()) is not None:
        point = tuning.start(number).point
        for replicate, error in enumerate(landscape.validation_errors(random, point, NUM_SEEDS)):
            tuning.record(number, point, replicate, float(error))
    best = tuning.best()
    assert best is not None, "no error of the formula is missing"
    return landscape.confirm(random, best[1])


def simulate(random: np.random.Generator, landscape: Landscape, num_studies: int) -> Iterator[Mapping[str, Array]]:
    """Studies of five identical optimizers, each tuned three times.

    Yields:
        By metric, shape (num_optimizers, num_tunings, num_seeds).
    """
    for _ in range(num_studies):
        runs = [[tune(random, landscape) for _ in range(max(NUM_TUNINGS))] for _ in (*PRAISED, *RIVALS)]
        yield {metric: np.array([[run[metric] for run in own] for own in runs]) for metric in METRICS}


def evidence(values: Array) -> Sequence[Evidence]:
    """The evidence for each claim of the family, as it is made of confirmed runs.

    Args:
        values: Lower is better, shape (num_optimizers, num_tunings, num_seeds); one tuning speaks of its settings.
    """
    by_name = dict(zip((*PRAISED, *RIVALS), values, strict=True))
    claims = [(by_name[a], by_name[b]) for a in PRAISED for b in RIVALS]
    if values.shape[1] == 1:
        return [PairedSeeds.of(theirs - ours, ours, theirs) for ours, theirs in claims]
    pairs = combinations(by_name, 2)
    variance = TuningVariance.of({(a, b): (by_name[b] - by_name[a]).mean(axis=1) for a, b in pairs})
    return [PairedTunings.of(theirs - ours, ours, theirs, variance) for ours, theirs in claims]


def audits(num_studies: int) -> Iterator[Audit]:
    """Every audit of this kind in turn.

    Args:
        num_studies: Simulated studies behind each share.
    """
    for num_hyperparameters in DIMENSIONS:
        random = np.random.default_rng(num_hyperparameters)
        landscape = Landscape(num_hyperparameters=num_hyperparameters)
        studies = list(simulate(random, landscape, num_studies))
        for metric in METRICS:
            values = [study[metric] for study in studies]
            yield of_settings(values, metric, num_hyperparameters)
            for num_tunings in NUM_TUNINGS:
                yield false_verdicts([own[:, :num_tunings] for own in values], metric, num_hyperparameters)
                yield coverage([own[:, :num_tunings] for own in values], metric, num_hyperparameters)
        yield power([study[METRICS[0]] for study in studies], num_hyperparameters)


def of_settings(values: Sequence[Array], metric: str, num_hyperparameters: int) -> Audit:
    """Why several tunings: by the seeds of one, identical optimizers are told apart, as their settings differ."""
    share = np.mean([_is_directional(evidence(own[:, :1])) for own in values])
    return Audit(
        f"A/A tuned once, {num_hyperparameters} hyperparameters, {metric}: settings told apart",
        f"more often than {ALPHA:.1%}: no verdict on optimizers",
        f"{share:.1%} of {len(values):,} studies of {FAMILY} claims",
        bool(share > ALPHA),
    )


def false_verdicts(values: Sequence[Array], metric: str, num_hyperparameters: int) -> Audit:
    """Five identical optimizers: any direction is false."""
    found = sum(_is_directional(evidence(own)) for own in values)
    most = int(binom.ppf(SURE, len(values), ALPHA))
    return Audit(
        f"A/A tuned {values[0].shape[1]} times, {num_hyperparameters} hyperparameters, {metric}: any direction",
        f"at most {ALPHA:.1%} ({most} within chance)",
        f"{found / len(values):.1%} ({found})",
        found <= most,
    )


def coverage(values: Sequence[Array], metric: str, num_hyperparameters: int) -> Audit:
    """The 95 % interval of one claim of each study, which are independent, holds no difference often enough."""
    intervals = [evidence(own)[0].interval(0.95) for own in values]
    found = sum(interval.low <= 0 <= interval.high for interval in intervals)
    least = int(binom.ppf(1 - SURE, len(values), 0.95))
    return Audit(
        f"coverage of 95% intervals, tuned {values[0].shape[1]} times, {num_hyperparameters} hyperparameters, {metric}",
        f"at least 95.0% ({least} within chance)",
        f"{found / len(values):.1%} ({found})",
        found >= least,
    )


def power(values: Sequence[Array], num_hyperparameters: int) -> Audit:
    """An effect of the optimizer itself, in every tuning, is found by three."""
    planted = np.array([PLANTED if name in PRAISED else 0.0 for name in (*PRAISED, *RIVALS)])[:, None, None]
    found = sum(item.interval(LEVEL).low > 0 for own in values for item in evidence(own - planted))
    share = found / (len(values) * FAMILY)
    return Audit(
        f"planted effect of {PLANTED:g}, tuned {values[0].shape[1]} times, {num_hyperparameters} hyperparameters",
        "found in at least 80% of claims",
        f"{share:.1%}",
        share >= 0.8,
    )


def _is_directional(family: Sequence[Evidence]) -> bool:
    intervals = [item.interval(LEVEL) for item in family]
    return any(interval.low > 0 or interval.high < 0 for interval in intervals)
