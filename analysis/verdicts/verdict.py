"""From evidence to a verdict on each claim: NOT TESTABLE where the rows cannot answer, else by the rules."""

import math
from dataclasses import dataclass
from typing import Any

from analysis.metrics import METRICS, PAIR_METRICS
from analysis.statistics.intervals import Interval
from analysis.statistics.paired import hodges_lehmann, standardised_mean, superiority
from analysis.verdicts.claim import Claim
from analysis.verdicts.evidence import About, Evidence, PairedSeeds
from analysis.verdicts.evidence_of_tunings import PairedTunings
from analysis.verdicts.image_error import ImageError
from analysis.verdicts.rules import Word
from analysis.verdicts.schedule import Schedule
from analysis.verdicts.study_metrics import STUDY_METRICS


@dataclass(frozen=True, kw_only=True)
class Verdict(Claim):
    """What the rows say about a claim.

    Args:
        word: The verdict.
        reason: Why it is not testable; empty otherwise.
        level: Level of the interval; where looks have a schedule, of those of all looks up to now together.
        look: How often the two sides have been looked at, this time included.
        schedule: Of these looks, where the study has fixed how many seeds there may be and the claim rests on them.
        evidence: What it rests on; None if not testable.
        interval: Of the improvement; None if not testable.
        smallest_effect: Smallest improvement of interest.
        p_value: Of the test that belongs to the evidence, None without one; it knows of all looks, unless the study is
            of before that was so.
        p_holm: Adjusted for the family.
        seeds_needed: Pairs at which the next look would decide if mean and spread stayed as they are, None if none
            would; at which there is a verdict at all, if they are too few.
        tunings_needed: The same of tunings, where the verdict is about optimizers.
        at_settings: The verdict on the settings alone that the tunings have found, beside one on the optimizers; None
            where there is none or too few seeds.
    """

    word: Word
    level: float
    smallest_effect: float
    look: int = 0
    schedule: Schedule | None = None
    reason: str = ""
    evidence: Evidence | None = None
    interval: Interval | None = None
    p_value: float | None = None
    p_holm: float | None = None
    seeds_needed: int | None = None
    tunings_needed: int | None = None
    at_settings: Word | None = None

    @property
    def about(self) -> About | None:
        """What it is about; None if not testable."""
        return self.evidence.about if self.evidence else None

    @property
    def pairs(self) -> PairedSeeds | None:
        """The differences seed by seed that it rests on, if it does."""
        return self.evidence.pairs if self.evidence else None

    @property
    def num_tunings(self) -> int:
        """Tunings that found the settings of its pairs; 0 without pairs."""
        if isinstance(self.evidence, PairedTunings | PairedSeeds):
            return len(self.evidence.by_repeat)
        return 0

    @property
    def hodges_lehmann(self) -> float | None:
        """Centre of the paired differences that outliers hardly move."""
        return hodges_lehmann(self.pairs.differences) if self.pairs else None

    @property
    def effect_size(self) -> float | None:
        """Mean over standard deviation of the paired differences."""
        return standardised_mean(self.pairs.differences) if self.pairs else None

    @property
    def dropped_targets(self) -> tuple[float, ...]:
        """Targets that were left out since fewer than half of both sides' runs reach them."""
        return self.pairs.dropped_targets if self.pairs else ()

    @property
    def image_error(self) -> ImageError | None:
        """What the sampling of the test images alone brings to the estimate; None unless it is one of test errors."""
        return self.pairs.image_error if self.pairs else None

    @property
    def superiority(self) -> float | None:
        """Share of the pairs, of all repeats, in which the run of a is better than that of b, ties counted half."""
        if self.pairs is None:
            return None
        name = self.question.metric
        metric = STUDY_METRICS.get(name) or METRICS.get(name) or PAIR_METRICS[name]
        larger = self.pairs.ours - self.pairs.theirs
        return superiority(larger if metric.better == "higher" else -larger)

    def as_dict(self) -> dict[str, Any]:
        """One entry of `verdicts.json`; an end of an interval that is infinite is null."""
        found, ends = self.evidence, self.interval
        return {
            **self.entry(self.word),
            "about": self.about,
            "at_settings": self.at_settings,
            "tunings": self.num_tunings,
            "tunings_needed": self.tunings_needed,
            "estimate": _finite(found.estimate) if found else None,
            "low": _finite(ends.low) if ends else None,
            "high": _finite(ends.high) if ends else None,
            "p_holm": self.p_holm,
            "seeds": found.num_values if found else 0,
            "seeds_needed": self.seeds_needed,
        }

    def as_row(self) -> dict[str, Any]:
        """Its row of the table of verdicts: the entry with everything that was computed for it."""
        return {
            **self.as_dict(),
            "level": self.level,
            "smallest_effect": self.smallest_effect,
            "p": self.p_value,
            "hodges_lehmann": self.hodges_lehmann,
            "effect_size": self.effect_size,
            "superiority": self.superiority,
            "value_a": self.evidence.value_a if self.evidence else None,
            "value_b": self.evidence.value_b if self.evidence else None,
            "image_error": self.image_error.standard_error if self.image_error else None,
            "dropped_targets": " ".join(f"{target:g}" for target in self.dropped_targets) or None,
            "reason": self.reason,
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
