"""Which optimizers need more confirmation seeds, in a study that goes on until its claims are decided."""

import math
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from analysis.ledger.join import load_studies
from analysis.ledger.plan import CONFIRM_ROUND
from analysis.tables.overview import overview_of
from analysis.verdicts.claims_of_study import judge_claims
from analysis.verdicts.evidence_of_looks import PairedLooks
from analysis.verdicts.judge import is_decided
from analysis.verdicts.schedule import Schedule
from analysis.verdicts.verdict import Verdict

NEGLIGIBLE = 0.05
"""Probability of a decision at the last look below which a claim is given up."""

WAITING = ("INCONCLUSIVE", "NOT TESTABLE")
"""Verdicts that decide nothing."""

NODES = ndtri((np.arange(200) + 0.5) / 200)
"""Quantiles of the normal law that stand for all of it."""


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """What more seeds can still do.

    Args:
        seeds: Seeds that each optimizer should have next, of those that need more.
        num_open: Claims that more seeds may decide.
        num_given_up: Claims without a decision that more seeds can hardly bring one.
        num_claims: Claims on pairs of seeds.
    """

    seeds: Mapping[str, int]
    num_open: int
    num_given_up: int
    num_claims: int


def undecided_in(study_dir: pathlib.Path) -> Undecided:
    """What more seeds can still do for the study in a folder.

    Raises:
        LedgerError: It holds no ledger that can be judged.
    """
    overviews = [overview_of(ledger) for ledger in load_studies([study_dir]).repeats]
    return undecided(judge_claims(overviews).verdicts)


def undecided(verdicts: Sequence[Verdict]) -> Undecided:
    """What is open, and the next round of seeds for the two sides of each open claim."""
    of_seeds = [(verdict, verdict.schedule) for verdict in verdicts if verdict.schedule is not None]
    waiting = [(verdict, schedule) for verdict, schedule in of_seeds if verdict.word in WAITING]
    still_open = [
        (verdict, schedule) for verdict, schedule in waiting if chance_of_decision(verdict, schedule) >= NEGLIGIBLE
    ]
    seeds: dict[str, int] = {}
    for verdict, schedule in still_open:
        for name in (verdict.a, verdict.b):
            seeds[name] = max(seeds.get(name, 0), min(schedule.looks[-1] + CONFIRM_ROUND, schedule.most_seeds))
    return Undecided(
        seeds=seeds, num_open=len(still_open), num_given_up=len(waiting) - len(still_open), num_claims=len(of_seeds)
    )


def chance_of_decision(verdict: Verdict, schedule: Schedule) -> float:
    """Probability that an open claim on pairs of seeds is decided at the last look, foretold by the normal law.

    The mean of all pairs will lie around that of those so far with variance s^2 (1/n - 1/n_max): what is not known of
    the true mean is in it. Claims that have too few seeds for a verdict have every chance.
    """
    evidence = verdict.evidence
    if not isinstance(evidence, PairedLooks):
        return 1.0 if verdict.seeds_needed is not None and verdict.seeds_needed <= schedule.most_seeds else 0.0
    looks = list(evidence.later(verdict.level))
    if not looks:
        return 0.0
    last = looks[-1]
    spread = float(evidence.differences.std(ddof=1)) * math.sqrt(1 / evidence.num_values - 1 / last.number)
    estimates = (evidence.estimate + spread * NODES).tolist()
    return sum(is_decided(estimate, last, verdict.smallest_effect) for estimate in estimates) / len(estimates)
