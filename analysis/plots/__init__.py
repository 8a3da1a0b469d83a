"""From a table to a chart. The only package that knows the chart library; it computes no statistic and saves nothing.

Every chart has the parameter `isolated`: the name of the one optimizer to be seen, or null for all.
"""

from analysis.plots.base import DIVERGENCE, Chart, Number, for_page, side_by_side
from analysis.plots.curves import plot_curves, plot_seeds, plot_step_times
from analysis.plots.responses import plot_map, plot_response, plot_sweeps

__all__ = [
    "DIVERGENCE",
    "Chart",
    "Number",
    "for_page",
    "plot_curves",
    "plot_map",
    "plot_response",
    "plot_seeds",
    "plot_step_times",
    "plot_sweeps",
    "side_by_side",
]
