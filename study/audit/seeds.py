"""Audits of the verdicts at given settings: simulated seeds, and real optimizers on energies with known answers."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import binom, nct, t

from analysis.ledger.plan import CONFIRM_ROUND
from analysis.statistics.paired import sign_flip_interval
from analysis.statistics.sequential import rejections
from analysis.tables.cost import step_cost_ratio
from analysis.verdicts.evidence import Median, PairedSeeds
from analysis.verdicts.judge import weigh
from analysis.verdicts.rules import Word
from trainables.workloads.energies import double_well_escapes, noisy_gradient_ends, quadratic_losses

ALPHA = 0.05 / 2
"""Of the first look at a study, the only one here."""

FAMILY = 6
"""Claims of one question: two optimizers against three."""

NUM_SEEDS = 12
LOOKS = tuple(range(NUM_SEEDS, 49, CONFIRM_ROUND))
LEVEL = 1 - ALPHA / FAMILY
NUM_BLOCKS = 16
COST_LEVEL = 0.9
"""Not that of a claim, which 16 blocks miss in one study of 1,900: no audit would see whether it does."""

SMALLEST_EFFECT = 0.1
BOUND = 1.10
EFFECTS = (1.5, 2.0, 3.0)
"""Planted effects, in units of the smallest effect of interest, which is also the deviation of the differences."""

DENIALS: tuple[Word, ...] = ("EQUIVALENT", "REFUTED", "WORSE", "NOT BETTER BY WHAT MATTERS")
"""Words that say that no improvement of the smallest effect is there."""

SURE = 0.999
"""Coverage of the binomial intervals that counts are compared with: one audit in a thousand may fail by chance."""

STUDENT_TOLERANCE = 0.05
"""Power of the sign-flip test may differ by so much from that of Student's test, which theory gives."""


@dataclass(frozen=True)
class Audit:
    """One line of the table: what was asked, what had to come out, what came out."""

    name: str
    expected: str
    found: str
    is_passed: bool


def audits(num_studies: int) -> Iterator[Audit]:
    """Every audit in turn.

    Args:
        num_studies: Simulated studies behind each share.
    """
    random = np.random.default_rng(0)
    yield false_verdicts(random, num_studies)
    yield false_denials(random, num_studies)
    for effect in EFFECTS:
        yield power(random, num_studies, effect)
    yield coverage(random, num_studies)
    yield false_costs(random, num_studies)
    yield false_looks(random, num_studies)
    yield from quadratic()
    yield double_well()
    yield without_noise()


def false_verdicts(random: np.random.Generator, num_studies: int) -> Audit:
    """A/A: every optimizer is the same; any verdict for or against one is false."""
    found = 0
    for _ in range(num_studies):
        seeds = random.normal(size=NUM_SEEDS)
        values = seeds + random.normal(size=(5, NUM_SEEDS))
        words = [_judge(values[2 + b] - values[a], 0.0) for a in range(2) for b in range(3)]
        found += any(word in ("SUPPORTED", "REFUTED") for word in words)
    most = int(binom.ppf(SURE, num_studies, ALPHA))
    return Audit(
        f"A/A, {num_studies:,} studies of {FAMILY} claims: any SUPPORTED or REFUTED",
        f"at most {ALPHA:.1%} ({most} within chance)",
        f"{found / num_studies:.1%} ({found})",
        found <= most,
    )


def false_denials(random: np.random.Generator, num_studies: int) -> Audit:
    """Every optimizer is better by the smallest effect: a word that says that it is not is false."""
    found = 0
    for _ in range(num_studies):
        seeds = random.normal(size=NUM_SEEDS)
        values = seeds + random.normal(size=(5, NUM_SEEDS))
        better = [SMALLEST_EFFECT + values[2 + b] - values[a] for a in range(2) for b in range(3)]
        words = [_judge(differences, SMALLEST_EFFECT) for differences in better]
        found += any(word in DENIALS for word in words)
    most = int(binom.ppf(SURE, num_studies, ALPHA))
    return Audit(
        f"better by the smallest effect, {num_studies:,} studies of {FAMILY} claims: any word that denies it",
        f"at most {ALPHA:.1%} ({most} within chance)",
        f"{found / num_studies:.1%} ({found})",
        found <= most,
    )


def power(random: np.random.Generator, num_studies: int, effect: float) -> Audit:
    """A planted effect is SUPPORTED as often as Student's test would find it above the smallest effect."""
    differences = random.normal(effect * SMALLEST_EFFECT, SMALLEST_EFFECT, size=(num_studies, NUM_SEEDS))
    found = sum(_judge(own, SMALLEST_EFFECT) == "SUPPORTED" for own in differences)
    noncentrality = (effect - 1) * np.sqrt(NUM_SEEDS)
    theory = float(nct.sf(t.isf((1 - LEVEL) / 2, NUM_SEEDS - 1), NUM_SEEDS - 1, noncentrality))
    low, high = binom.interval(SURE, num_studies, theory)
    margin = STUDENT_TOLERANCE * num_studies
    return Audit(
        f"planted effect of {effect:g} smallest effects: SUPPORTED",
        f"{theory:.1%} (Student's test)",
        f"{found / num_studies:.1%}",
        bool(low - margin <= found <= high + margin),
    )


def coverage(random: np.random.Generator, num_studies: int) -> Audit:
    """The 95 % interval holds the true mean as often as its exact level says."""
    samples = random.normal(size=(num_studies, NUM_SEEDS))
    intervals = [sign_flip_interval(sample, 0.95) for sample in samples]
    found = sum(interval.low <= 0 <= interval.high for interval in intervals)
    exact = 1 - 2 * int(0.025 * 2**NUM_SEEDS) / 2**NUM_SEEDS
    low, high = binom.interval(SURE, num_studies, exact)
    return Audit("coverage of 95% intervals", f"{exact:.1%}", f"{found / num_studies:.1%}", bool(low <= found <= high))


def false_looks(random: np.random.Generator, num_studies: int) -> Audit:
    """A difference with heavy tails and no mean is looked at until there may be no more seeds."""
    samples = random.standard_t(2, size=(num_studies, LOOKS[-1]))
    found = sum(any(rejections(sample, LOOKS, LOOKS[-1], 2 * ALPHA)) for sample in samples)
    most = int(binom.ppf(SURE, num_studies, 2 * ALPHA))
    return Audit(
        f"{len(LOOKS)} looks at {LOOKS[0]} to {LOOKS[-1]} seeds, t with 2 degrees of freedom: any rejection",
        f"at most {2 * ALPHA:.1%} ({most} within chance)",
        f"{found / num_studies:.1%} ({found})",
        found <= most,
    )


def false_costs(random: np.random.Generator, num_studies: int) -> Audit:
    """A step that costs exactly what the bound allows: any verdict for or against it is false."""
    found = 0
    for _ in range(num_studies):
        seconds = {"sgd": np.exp(0.05 * random.normal(size=NUM_BLOCKS))}
        seconds["langevin"] = BOUND * np.exp(0.05 * random.normal(size=NUM_BLOCKS))
        blocks = [
            pl.DataFrame({"block": range(NUM_BLOCKS), "seconds": own}).with_columns(
                optimizer=pl.lit(name), batch_size=100, steps=1, device=pl.lit("cpu")
            )
            for name, own in seconds.items()
        ]
        ratio = step_cost_ratio(pl.concat(blocks), "langevin", "sgd", 100)
        assert not isinstance(ratio, str), ratio
        values = BOUND - ratio.by_block
        evidence = Median(
            estimate=BOUND - ratio.estimate, value_a=ratio.estimate, value_b=1.0, num_values=len(values), values=values
        )
        found += weigh(evidence, COST_LEVEL, 0.0)[0] in ("SUPPORTED", "REFUTED")
    beyond = binom.cdf(np.arange(NUM_BLOCKS), NUM_BLOCKS, 0.5)
    exact = 2 * float(beyond[beyond <= (1 - COST_LEVEL) / 2].max())
    low, high = binom.interval(SURE, num_studies, exact)
    return Audit(
        f"step cost at the bound, {NUM_BLOCKS} blocks, error {1 - COST_LEVEL:.0%}: SUPPORTED or REFUTED",
        f"{exact:.1%} (binomial law)",
        f"{found / num_studies:.1%} ({found})",
        bool(low <= found <= high),
    )


def quadratic() -> Iterator[Audit]:
    """On a convex quadratic noise only costs: langevin cannot converge faster than sgd."""
    size = {"num_seeds": NUM_SEEDS, "num_dimensions": 1000, "num_steps": 400}
    plain = quadratic_losses("sgd", **size, learning_rate=0.5)
    noisy = quadratic_losses("langevin", **size, learning_rate=0.5, diffusion=1e-3)
    for name, measure in (
        ("area under the loss", lambda losses: losses.mean(axis=1)),
        ("sustained steps to a loss of 1", lambda losses: _sustained(losses, 1.0)),
    ):
        ours, theirs = measure(noisy), measure(plain)
        word = _judge((theirs - ours) / theirs.mean(), SMALLEST_EFFECT)
        yield Audit(
            f"quadratic of 1,000 dimensions, {name}: langevin converges faster", "REFUTED", word, word == "REFUTED"
        )


def double_well() -> Audit:
    """From the shallower of two wells only noise finds the other one."""
    size = {"num_seeds": NUM_SEEDS, "num_particles": 100, "num_steps": 2000}
    ours = double_well_escapes("langevin", **size, learning_rate=0.02, diffusion=0.25)
    theirs = double_well_escapes("sgd", **size, learning_rate=0.02)
    word = _judge(ours - theirs, SMALLEST_EFFECT)
    return Audit(
        "double well: langevin escapes more often than sgd",
        "SUPPORTED",
        f"{word} ({ours.mean():.0%} against {theirs.mean():.0%})",
        word == "SUPPORTED",
    )


def without_noise() -> Audit:
    """With D = 0 langevin is sgd, whatever the gradients are."""
    size = {"num_seeds": NUM_SEEDS, "num_dimensions": 1000, "num_steps": 100}
    ours = noisy_gradient_ends("langevin", **size, learning_rate=0.1, diffusion=0.0)
    theirs = noisy_gradient_ends("sgd", **size, learning_rate=0.1)
    word = _judge((theirs - ours) / theirs.mean(), SMALLEST_EFFECT)
    return Audit("langevin with D = 0 against sgd", "EQUIVALENT", word, word == "EQUIVALENT")


def _judge(differences: NDArray[np.float64], smallest_effect: float) -> Word:
    evidence = PairedSeeds.of(differences[None], differences, np.zeros_like(differences))
    return weigh(evidence, LEVEL, smallest_effect)[0]


def _sustained(losses: NDArray[np.float64], target: float) -> NDArray[np.float64]:
    """Steps from which on the loss stays below the target, censored at the last step; shape (num_seeds,)."""
    above = losses > target
    last_above = losses.shape[1] - np.argmax(above[:, ::-1], axis=1)
    return np.where(above.any(axis=1), last_above, 0).astype(np.float64)
