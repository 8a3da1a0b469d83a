"""The evidence for a claim, gathered from confirmed runs: seed by seed unless its metric is one of the whole study."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from analysis.claims.questions import Question
from analysis.metrics import METRICS, PAIR_METRICS
from analysis.statistics.paired import fewest_pairs
from analysis.statistics.tunings import TuningVariance
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.evidence import Evidence, NotTestableError, PairedSeeds
from analysis.verdicts.evidence_of_tunings import PairedTunings
from analysis.verdicts.image_error import image_error
from analysis.verdicts.refusals import (
    STEPS_TO_TARGET,
    Pairs,
    refuse_misses,
    refuse_sides,
    refuse_unlike_devices,
    require_runs,
    why_lacking,
)
from analysis.verdicts.study_metrics import STUDY_METRICS
from analysis.verdicts.targets import TIMES_TO_TARGETS, Targets
from analysis.wording import count, listing, percent


def gather(question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns], level: float) -> Evidence:
    """The evidence for "a ... than b".

    Args:
        question: What is claimed.
        a: The optimizer that the claim praises.
        b: Its rival.
        repeats: The repeats of the tuning, the first one first.
        level: Level that the interval will have; too few seeds for it are refused, and too many looks.

    Raises:
        NotTestableError: The rows cannot answer.
    """
    # A repeat that has just begun has nothing to say yet.
    repeats = [repeats[0], *(confirmed for confirmed in repeats[1:] if confirmed.of(a) and confirmed.of(b))]
    refuse_sides(question, a, b, repeats, level)
    if study_metric := STUDY_METRICS.get(question.metric):
        evidence = study_metric.gather(question, a, b, repeats)
        if evidence.num_values < (needed := evidence.fewest_values(level)):
            found = count(evidence.num_values, study_metric.counted)
            raise NotTestableError(f"{found}, and a verdict needs {needed}")
        return evidence
    return _paired(question, a, b, repeats, level)


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """Two optimizers at the seeds that they share, shape (num_repeats, num_seeds) each, and what was left out."""

    improvement: NDArray[np.float64]
    ours: NDArray[np.float64]
    theirs: NDArray[np.float64]
    seeds: Sequence[int]
    targets: Targets | None

    @property
    def dropped_targets(self) -> tuple[float, ...]:
        """Targets that were left out since too few runs reach them."""
        return self.targets.dropped if self.targets else ()


def _paired(question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns], level: float) -> Evidence:
    targets = targets_of(a, b, repeats) if question.metric in TIMES_TO_TARGETS else None
    found = _compared(question, a, b, repeats, targets)
    num_seeds, rests_on_tunings = len(found.seeds), len(repeats) > 1 and have_own_seeds(repeats)
    if rests_on_tunings and not num_seeds:
        raise NotTestableError("the two sides share no seed")
    if not rests_on_tunings and num_seeds < (needed := fewest_pairs(level)):
        raise NotTestableError(f"{count(num_seeds, 'common seed')}, and a verdict needs {needed}", seeds_needed=needed)
    values = found.improvement, found.ours, found.theirs
    dropped, images = found.dropped_targets, image_error(question, a, b, repeats, found.seeds)
    if rests_on_tunings:
        variance = tuning_variance(question, repeats, found.theirs, targets)
        return PairedTunings.of(*values, variance, dropped_targets=dropped, image_error=images)
    return PairedSeeds.of(*values, dropped_targets=dropped, image_error=images)


def have_own_seeds(repeats: Sequence[ConfirmedRuns]) -> bool:
    """Whether no two repeats share a seed, so that each is a tuning on its own: those of old studies share all."""
    seeds = [set(confirmed.overview.ledger.trials["seed"].unique()) for confirmed in repeats]
    return all(one.isdisjoint(other) for one, other in combinations(seeds, 2))


def tuning_variance(
    question: Question, repeats: Sequence[ConfirmedRuns], over: NDArray[np.float64], targets: Targets | None
) -> TuningVariance:
    """How far mean differences vary from tuning to tuning, over all pairs of optimizers that can be measured.

    All pairs are measured alike, whatever their order: on the scale of the claim that is judged and by its targets.

    Args:
        question: Says what is measured.
        repeats: At least two, with seeds of their own; at least one pair of optimizers can be measured in all.
        over: The metric of the rival in the claim.
        targets: Those of the claim; None for a metric without.
    """
    found = {}
    for pair in combinations(repeats[0].overview.ledger.study.optimizers, 2):
        with suppress(NotTestableError):
            compared = _compared(question, *pair, repeats, targets, over)
            if compared.seeds:
                found[pair] = compared.improvement.mean(axis=1)
    return TuningVariance.of(found)


def _compared(
    question: Question,
    a: str,
    b: str,
    repeats: Sequence[ConfirmedRuns],
    targets: Targets | None,
    over: NDArray[np.float64] | None = None,
) -> _Compared:
    found = [measured(question, a, b, confirmed, targets) for confirmed in repeats]
    seeds = sorted(set.intersection(*(set(pairs) for pairs in found)))
    (values,) = paired_values([found])
    ours, theirs = values[..., 0], values[..., 1]
    metric = METRICS.get(question.metric) or PAIR_METRICS[question.metric]
    improvement = ours  # as empty as both sides, where they share no seed
    if seeds:
        improvement = question.improvement.measure(ours, theirs, metric=metric.name, better=metric.better, over=over)
    return _Compared(
        improvement=improvement,
        ours=ours,
        theirs=theirs,
        seeds=seeds,
        targets=targets,
    )


def targets_of(a: str, b: str, repeats: Sequence[ConfirmedRuns]) -> Targets:
    """The targets that count for two sides.

    Raises:
        NotTestableError: A side has no runs, or no target is left.
    """
    runs = [run for confirmed in repeats for name in (a, b) for run in require_runs(name, confirmed.of(name)).values()]
    targets = Targets.reached_by_half(runs)
    if targets.dropped and not targets.kept:
        every = listing([percent(target) for target in targets.dropped])
        raise NotTestableError(f"of the targets {every} none is reached by half of the {count(len(runs), 'run')}")
    return targets


def paired_values(comparisons: Sequence[Sequence[Pairs]]) -> list[NDArray[np.float64]]:
    """The values of several comparisons at the seeds that all of them have.

    Args:
        comparisons: Of each the pairs in every repeat of the tuning.

    Returns:
        One array for each comparison, shape (num_repeats, num_seeds, 2).
    """
    seeds = sorted(set.intersection(*(set(pairs) for repeats in comparisons for pairs in repeats)))
    return [
        np.array([[pairs[seed] for seed in seeds] for pairs in repeats]).reshape(len(repeats), len(seeds), 2)
        for repeats in comparisons
    ]


def measured(question: Question, a: str, b: str, confirmed: ConfirmedRuns, targets: Targets | None) -> Pairs:
    """The metric of both sides by replicate: one seed made both runs of a pair.

    Every claim of a question needs the pairs of all optimizers, for the luck of tunings: they are measured once.

    Raises:
        NotTestableError: A side has no runs, or a run no value.
    """
    key = (question.metric, a, b, targets.kept if targets else None)
    return confirmed.once(key, lambda: _measured(question, a, b, confirmed, targets))


def _measured(question: Question, a: str, b: str, confirmed: ConfirmedRuns, targets: Targets | None) -> Pairs:
    ours, theirs = (require_runs(name, confirmed.of(name)) for name in (a, b))
    if targets:
        ours, theirs = targets.of(ours), targets.of(theirs)
    for name in (a, b):
        if failed := confirmed.num_failed(name):
            raise NotTestableError(
                f"{count(failed, 'fresh seed')} of {name} failed, and which seeds fail may depend on the optimizer"
            )
    refuse_unlike_devices(question, [*ours.values(), *theirs.values()])
    found: dict[int, tuple[float | None, float | None]] = {}
    for seed in sorted(set(ours) & set(theirs)):
        if metric := METRICS.get(question.metric):
            found[seed] = metric(ours[seed]), metric(theirs[seed])
        else:
            found[seed] = PAIR_METRICS[question.metric](ours[seed], theirs[seed]) or (None, None)
    pairs = {seed: (x, y) for seed, (x, y) in found.items() if x is not None and y is not None and _finite(x, y)}
    if len(pairs) < len(found):
        # A pair without a value may not be left out: which pairs lack one depends on the optimizers.
        raise NotTestableError(why_lacking(question, {a: ours, b: theirs}, len(found) - len(pairs), len(found)))
    if question.metric == STEPS_TO_TARGET:
        refuse_misses((a, b), pairs, confirmed.setup.num_steps)
    return pairs


def _finite(*values: float) -> bool:
    return all(math.isfinite(value) for value in values)
