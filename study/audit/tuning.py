"""Audits of the whole pipeline: optimizers are tuned, confirmed and judged as in a study, and the truth is known.

Networks come from a formula or from a bank of real ones in the place of training; all else is real: the search
algorithm asks the points, the winner is chosen by its validation error, fresh seeds confirm it, and the verdicts rest
on several tunings.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from scipy.stats import binom

from analysis.statistics.tunings import TuningVariance
from analysis.verdicts.evidence import Evidence, PairedSeeds
from analysis.verdicts.evidence_of_tunings import PairedTunings
from study.audit.bank import NUM_POINTS
from study.audit.networks import METRICS, NUM_SEEDS, Array, BankNetworks, Landscape, Networks, Runs, Tuned
from study.audit.seeds import ALPHA, FAMILY, LEVEL, SURE, Audit
from study.queue.tuning import Tuning
from study.search import load_search
from study.spec import OptimizerDefinition

PRAISED, RIVALS = ("a", "b"), ("c", "d", "e")
NUM_TRIALS, LAG = 24, 8
NUM_TUNINGS = (2, 4)
DIMENSIONS = (2, 3)
"""Hyperparameters of the optimizers that a formula stands for."""


PLANTED = 0.15
"""Error by which both praised optimizers are better in the audit of power: what four tunings must find."""


def tune(random: np.random.Generator, definition: OptimizerDefinition, networks: Tuned) -> Runs:
    """One optimizer tuned by the default search, and its winner confirmed."""
    tuning = Tuning(
        load_search("optuna"),
        definition,
        seed=int(random.integers(2**31)),
        num_trials=NUM_TRIALS,
        num_seeds=NUM_SEEDS,
        lag=LAG,
    )
    while (number := tuning.next_number()) is not None:
        point = tuning.start(number).point
        for replicate, error in enumerate(networks.validation_errors(point)):
            tuning.record(number, point, replicate, float(error))
    best = tuning.best()
    assert best is not None, "no error is missing"
    return networks.confirm(best[1])


def simulate(random: np.random.Generator, networks: Networks, num_studies: int) -> Iterator[Mapping[str, Array]]:
    """Studies of five identical optimizers, each tuned four times.

    Yields:
        By metric, shape (num_optimizers, num_tunings, num_seeds).
    """
    definition = networks.definition
    for _ in range(num_studies):
        tunings = networks.tunings(random, max(NUM_TUNINGS))
        runs = [[tune(random, definition, tuned) for tuned in tunings] for _ in (*PRAISED, *RIVALS)]
        yield {metric: np.array([[run[metric] for run in own] for own in runs]) for metric in runs[0][0]}


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
    formulae: list[Networks] = [Landscape(num_hyperparameters=number) for number in DIMENSIONS]
    for place, networks in enumerate((*formulae, *map(BankNetworks, NUM_POINTS))):
        studies = list(simulate(np.random.default_rng(place), networks, num_studies))
        for metric in studies[0]:
            values = [study[metric] for study in studies]
            what = f"{networks.name}, {metric}"
            if isinstance(networks, Landscape):
                yield of_settings(values, what)
            for num_tunings in NUM_TUNINGS:
                yield false_verdicts([own[:, :num_tunings] for own in values], what)
                yield coverage([own[:, :num_tunings] for own in values], what)
        yield power([study[METRICS[0]] for study in studies], networks.name)


def of_settings(values: Sequence[Array], what: str) -> Audit:
    """Why several tunings: by the seeds of one, identical optimizers are told apart, as their settings differ."""
    share = np.mean([_is_directional(evidence(own[:, :1])) for own in values])
    return Audit(
        f"A/A tuned once, {what}: settings told apart",
        f"more often than {ALPHA:.1%}: no verdict on optimizers",
        f"{share:.1%} of {len(values):,} studies of {FAMILY} claims",
        bool(share > ALPHA),
    )


def false_verdicts(values: Sequence[Array], what: str) -> Audit:
    """Five identical optimizers: any direction is false."""
    found = sum(_is_directional(evidence(own)) for own in values)
    most = int(binom.ppf(SURE, len(values), ALPHA))
    return Audit(
        f"A/A tuned {values[0].shape[1]} times, {what}: any direction",
        f"at most {ALPHA:.1%} ({most} within chance)",
        f"{found / len(values):.1%} ({found})",
        found <= most,
    )


def coverage(values: Sequence[Array], what: str) -> Audit:
    """The 95 % interval of one claim of each study, which are independent, holds no difference often enough."""
    intervals = [evidence(own)[0].interval(0.95) for own in values]
    found = sum(interval.low <= 0 <= interval.high for interval in intervals)
    least = int(binom.ppf(1 - SURE, len(values), 0.95))
    return Audit(
        f"coverage of 95% intervals, tuned {values[0].shape[1]} times, {what}",
        f"at least 95.0% ({least} within chance)",
        f"{found / len(values):.1%} ({found})",
        found >= least,
    )


def power(values: Sequence[Array], what: str) -> Audit:
    """An effect of the optimizer itself, in every tuning, is found by as many tunings as a study has."""
    share = share_found(values, PLANTED)
    return Audit(
        f"planted effect of {PLANTED:g} on the error, tuned {values[0].shape[1]} times, {what}",
        "found in at least 80% of claims",
        f"{share:.1%}",
        share >= 0.8,
    )


def share_found(values: Sequence[Array], effect: float) -> float:
    """Share of the claims of studies in which a planted effect of both praised optimizers has a direction."""
    planted = np.array([effect if name in PRAISED else 0.0 for name in (*PRAISED, *RIVALS)])[:, None, None]
    found = sum(item.interval(LEVEL).low > 0 for own in values for item in evidence(own - planted))
    return found / (len(values) * FAMILY)


def _is_directional(family: Sequence[Evidence]) -> bool:
    intervals = [item.interval(LEVEL) for item in family]
    return any(interval.low > 0 or interval.high < 0 for interval in intervals)
