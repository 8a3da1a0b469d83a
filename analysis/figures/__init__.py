"""The figures of the report, one family per file, in the order of the page."""

from collections.abc import Callable

from analysis.figures.accuracy import accuracy
from analysis.figures.base import Figure, Panel
from analysis.figures.cost import step_times
from analysis.figures.curves import generalization_gap, learning_curves
from analysis.figures.responses import divergence, learning_rate, sensitivity
from analysis.findings import Findings
from analysis.palette import Palette

FIGURES: tuple[Callable[[Findings, Palette], Figure], ...] = (
    accuracy,
    learning_curves,
    learning_rate,
    sensitivity,
    divergence,
    generalization_gap,
    step_times,
)
"""The first belongs to the answer at the top of the page."""


def figures(findings: Findings) -> list[Figure]:
    """All figures of a report."""
    palette = Palette.of(findings.ledger.study.optimizers)
    return [make(findings, palette) for make in FIGURES]


__all__ = ["FIGURES", "Figure", "Panel", "figures"]
