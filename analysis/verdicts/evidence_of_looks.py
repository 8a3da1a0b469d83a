"""Paired seeds that have been looked at as they came: what all looks together say."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Self

from analysis.ledger.plan import CONFIRM_ROUND
from analysis.statistics.intervals import Interval
from analysis.statistics.sequential import nominal_errors, sequential_interval, sequential_p, spent_share
from analysis.verdicts.evidence import Later, PairedSeeds
from analysis.verdicts.schedule import Schedule


@dataclass(frozen=True, kw_only=True)
class PairedLooks(PairedSeeds):
    """Paired seeds that have been looked at as they came, of at most so many.

    A level is that of all looks up to now together, so that what one of them has excluded stays excluded.
    """

    schedule: Schedule

    @classmethod
    def at(cls, pairs: PairedSeeds, schedule: Schedule) -> Self:
        """The first of the pairs, as many as the schedule says.

        Args:
            pairs: All that there are, in the order of their seeds, of one tuning.
            schedule: Of looks at the first seeds.
        """
        number = schedule.looks[-1]
        improvement, ours, theirs = (values[:number] for values in (pairs.differences, pairs.ours, pairs.theirs))
        first = PairedSeeds.of(
            improvement.reshape(1, -1),
            ours,
            theirs,
            dropped_targets=pairs.dropped_targets,
            image_error=pairs.image_error,
        )
        return cls(**{field.name: getattr(first, field.name) for field in fields(first)}, schedule=schedule)

    def interval(self, level: float) -> Interval:
        """All that no look has rejected."""
        looks, most = self.schedule.looks, self.schedule.most_seeds
        return sequential_interval(self.differences, looks, most, min(self._error(level), 1 - 1e-9))

    def p_value(self) -> float:
        """Of all looks, those at earlier winners included."""
        looks, most = self.schedule.looks, self.schedule.most_seeds
        return min(1.0, sequential_p(self.differences, looks, most) / self.schedule.left)

    def later(self, level: float) -> Iterator[Later]:
        """After each further round of seeds."""
        looks, most = self.schedule.looks, self.schedule.most_seeds
        rounds = [*range(looks[-1] + CONFIRM_ROUND, most, CONFIRM_ROUND), most] if looks[-1] < most else []
        errors = nominal_errors((*looks, *rounds), most, self._error(level))[len(looks) :]
        for number, error in zip(rounds, errors, strict=True):
            yield from self.later_with([number], error)

    def _error(self, level: float) -> float:
        """Of all looks that there may be."""
        return (1 - level) / spent_share(self.schedule.looks[-1], self.schedule.most_seeds)
