"""How well a run classifies in the end."""

from analysis.metrics.base import Run, metric


@metric(unit="fraction", better="lower", diverged=1.0)
def validation_error(run: Run) -> float:
    """Share of the validation subset misclassified after the last epoch."""
    return float(run.trial["validation_error"])


@metric(unit="fraction", better="higher", diverged=0.0)
def test_accuracy(run: Run) -> float:
    """Share of the test images classified correctly after the last epoch."""
    return 1.0 - float(run.trial["test_error"])
