"""From a table to a chart. The only package that knows the chart library; it computes no statistic and saves nothing.

Every chart has the parameter `isolated`: the name of the one optimizer to be seen, or null for all.
"""

from analysis.report.charts.chart import DIVERGENCE, Chart, Number, for_page, side_by_side, unchecked
from analysis.report.charts.curves import plot_curves, plot_seeds, plot_step_times
from analysis.report.charts.hyperparameters import plot_map, plot_response, plot_sweeps
from analysis.report.charts.intervals import plot_effects, plot_importance, plot_shares
from analysis.report.charts.lines import Axes, plot_cloud, plot_lines, plot_marked_lines
from analysis.report.charts.sweeps import plot_joint_map, plot_one_at_a_time

__all__ = [
    "DIVERGENCE",
    "Axes",
    "Chart",
    "Number",
    "for_page",
    "plot_cloud",
    "plot_curves",
    "plot_effects",
    "plot_importance",
    "plot_joint_map",
    "plot_lines",
    "plot_map",
    "plot_marked_lines",
    "plot_one_at_a_time",
    "plot_response",
    "plot_seeds",
    "plot_shares",
    "plot_step_times",
    "plot_sweeps",
    "side_by_side",
    "unchecked",
]
