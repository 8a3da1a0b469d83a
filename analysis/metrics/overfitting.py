"""How far training runs ahead of validation."""

import math

from analysis.metrics.base import Run, metric


@metric(unit="nats", better="lower", diverged=None)
def generalization_gap(run: Run) -> float:
    """Validation loss minus training loss after the last epoch, both on fixed subsets; positive means overfitting."""
    gap = run.curve("validation_loss") - run.curve("train_loss")
    return float(gap[-1]) if gap.size else math.nan
