"""How far training runs ahead of validation: losses against each other, and the gap."""

from analysis.report.figures.learning_curves import generalization_gap
from analysis.report.figures.overfitting import losses
from analysis.report.section import Section
from analysis.tables.overfitting import mean_losses, run_losses

SECTION = Section(
    title="Overfitting",
    place=3,
    family="overfitting",
    tables={
        "mean_losses": lambda tables: mean_losses(tables.overview.seed_curves),
        "run_losses": lambda tables: run_losses(tables.overview),
    },
    figures=(losses, generalization_gap),
)
