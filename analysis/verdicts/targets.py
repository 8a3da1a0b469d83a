"""Which targets a claim on times to targets rests on: those that at least half of the runs of both sides reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from analysis.metrics import Run
from analysis.metrics.convergence import times_to_targets

TIMES_TO_TARGETS = ("restricted_steps_to_target", "restricted_epochs_to_target", "restricted_seconds_to_target")
"""Metrics in which a target that is missed counts as the whole budget."""


@dataclass(frozen=True, kw_only=True)
class Targets:
    """The targets of a claim.

    A target that most runs miss is the budget in most pairs: a constant, which pulls any relative difference towards
    none. The runs of both sides and of all tunings are counted together, whoever's they are. So the choice is the same
    whichever run of a pair is called a's, and the sign-flip test stays exact; a count for each side would keep a target
    of which luck favours one side more often than another.

    Args:
        kept: In increasing order.
        dropped: Those that fewer than half of the runs reach.
    """

    kept: tuple[float, ...]
    dropped: tuple[float, ...] = ()

    @classmethod
    def reached_by_half(cls, runs: Sequence[Run]) -> Self:
        """The targets of runs of one study, all kept if of any run it is not known which ones it reaches."""
        targets = runs[0].setup.targets
        times = np.array([times_to_targets(run, "epochs") for run in runs])
        if np.isnan(times).any():
            return cls(kept=targets)
        is_kept = 2 * np.isfinite(times).sum(axis=0) >= len(runs)
        kept, dropped = (tuple(np.array(targets)[which].tolist()) for which in (is_kept, ~is_kept))
        return cls(kept=kept, dropped=dropped)

    def of(self, runs: Mapping[int, Run]) -> dict[int, Run]:
        """The same runs with the kept targets alone."""
        return {key: replace(run, setup=replace(run.setup, targets=self.kept)) for key, run in runs.items()}
