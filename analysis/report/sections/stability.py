"""How often runs go wrong, where, and how much seeds differ."""

from analysis.report.figures.hyperparameters import divergence
from analysis.report.figures.stability import divergence_rates as rates_figure
from analysis.report.section import Section
from analysis.tables.stability import divergence_rates, seed_spread, shown_outcomes

SECTION = Section(
    title="Stability",
    place=2,
    family="stability",
    tables={
        "seed_spread": lambda tables: seed_spread(tables["run_metrics"], ["optimizer", "setting", "metric", "unit"]),
        "divergence_rates": lambda tables: divergence_rates(tables.overview, tables.once(shown_outcomes)),
    },
    figures=(rates_figure, divergence),
)
