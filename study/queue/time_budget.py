"""How long a run may take, and when tuning has to make room for confirmation."""

import math
import time
from collections.abc import Callable, Iterator

from study.queue.trial_queue import TrialQueue

RESERVE = 1.2
"""Confirmation is expected to take this many times what the throughput so far says."""


class TimeBudget:
    """Stops tuning and sweeps in time, so that every optimizer's winner is still confirmed.

    Args:
        minutes: Wall time of the run; None for no limit.
        clock: Seconds since any fixed moment, never running backwards.

    Attributes:
        has_cut: Whether anything was left out.
    """

    def __init__(self, minutes: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = math.inf if minutes is None else 60 * minutes
        self._clock = clock
        self._start = clock()
        self._first_end = self._last_end = 0.0
        self._num_finished = self._num_in_first = 0
        self._is_over = False
        self.has_cut = False

    @property
    def is_limited(self) -> bool:
        """Whether time may run out."""
        return self._seconds < math.inf

    def record(self, num_replicates: int) -> None:
        """Take note of a group of replicates that has ended now."""
        self._last_end = self._clock()
        if self._num_finished == 0:
            self._first_end, self._num_in_first = self._last_end, num_replicates
        self._num_finished += num_replicates

    def has_room_for(self, num_replicates: int) -> bool:
        """Whether so many replicates are expected to be trained in time, once all before them have ended."""
        needed = RESERVE * self._seconds_per_replicate() * num_replicates
        return self._clock() - self._start + needed < self._seconds

    def apply(self, queue: TrialQueue, num_running: int) -> None:
        """Cut the queue short if what is left of the budget is needed for confirmation.

        Args:
            queue: What is left to do.
            num_running: Replicates in training.
        """
        if self._is_over:
            return
        wanted = num_running + queue.num_confirmation_replicates()
        needed = RESERVE * self._seconds_per_replicate() * wanted
        if self._clock() - self._start + needed >= self._seconds:
            self._is_over = True
            before = queue.num_replicates()
            queue.stop_tuning()
            queue.skip_sweep()
            self.has_cut = queue.num_replicates() < before

    def _seconds_per_replicate(self) -> float:
        """Wall time over replicates since the first group ended, so that starting up does not count."""
        num_replicates = self._num_finished - self._num_in_first
        return (self._last_end - self._first_end) / num_replicates if num_replicates else 0.0


def time_budgets(
    minutes: float | None, num_studies: int, clock: Callable[[], float] = time.monotonic
) -> Iterator[TimeBudget]:
    """Budgets of several studies that are trained in turn: an equal share of what is left when the turn comes.

    Args:
        minutes: Wall time of all of them from now on; None for no limit.
        num_studies: How many there are.
        clock: As of `TimeBudget`.
    """
    end = math.inf if minutes is None else clock() + 60 * minutes
    return (TimeBudget(max(0.0, end - clock()) / 60 / left, clock) for left in range(num_studies, 0, -1))
