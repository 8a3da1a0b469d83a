"""How well a run classifies in the end."""

import math

from analysis.metrics import Run, metric


@metric(unit="fraction", better="lower", diverged=1.0)
def validation_error(run: Run) -> float:
    """Share of the validation subset misclassified after the last epoch."""
    return float(run.trial["validation_error"])


@metric(unit="fraction", better="higher", diverged=0.0)
def test_accuracy(run: Run) -> float:
    """Share of the test images classified correctly after the last epoch."""
    return 1.0 - float(run.trial["test_error"])


@metric(unit="fraction", better="lower", diverged=1.0)
def test_error(run: Run) -> float:
    """Share of the test images misclassified after the last epoch; NaN for a run that was not tested."""
    return _number(run, "test_error")


@metric(unit="nats", better="lower", diverged=None)
def test_loss(run: Run) -> float:
    """Mean loss of the test images after the last epoch; NaN for a run that was not tested.

    No finite number is the worst, so that a diverged replicate has none: it is counted beside.
    """
    return _number(run, "test_loss")


def _number(run: Run, column: str) -> float:
    value = run.trial[column]
    return math.nan if value is None else float(value)
