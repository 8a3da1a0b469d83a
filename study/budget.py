"""How long a run may take, and when tuning has to make room for confirmation."""

import time
from collections.abc import Callable

from study.schedule import Schedule

RESERVE = 1.2
"""Confirmation is expected to take this many times what the throughput so far says."""


class TimeBudget:
    """Stops tuning and sweeps in time, so that every optimizer's winner is still confirmed.

    Args:
        minutes: Wall time of the run; None for no limit.
        clock: Seconds since any fixed moment, never running backwards.
    """

    def __init__(self, minutes: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = None if minutes is None else 60 * minutes
        self._clock = clock
        self._start = clock()
        self.exhausted = False

    def apply(self, schedule: Schedule, num_finished: int) -> None:
        """Cut the schedule short if what is left of the budget is needed for confirmation.

        Args:
            schedule: What is left to do.
            num_finished: Replicates that this run has finished, which give its throughput.
        """
        if self._seconds is None or self.exhausted:
            return
        elapsed = self._clock() - self._start
        seconds_per_replicate = elapsed / num_finished if num_finished else 0.0
        needed = RESERVE * seconds_per_replicate * schedule.num_confirmation_replicates()
        if elapsed + needed >= self._seconds:
            self.exhausted = True
            schedule.stop_tuning()
            schedule.skip_sweep()
