"""Time of a step in training, on cores that others shared; of steps timed in turns see `analysis/tables/cost.py`."""

import math

from analysis.metrics import Run, metric


@metric(unit="seconds", better="lower", diverged=None)
def seconds_per_step(run: Run) -> float:
    """Wall time of one step of the fused group the replicate belongs to, over all its epochs.

    Not the overhead of the optimizer: other processes shared the cores. NaN for a run without a step.
    """
    steps = run.curve("steps").sum()
    return float(run.curve("seconds").sum() / steps) if steps else math.nan
