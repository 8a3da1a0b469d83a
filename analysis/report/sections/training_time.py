"""What the study itself cost: seconds per step of training. It answers no question."""

from analysis.report.figures.cost import step_times
from analysis.report.section import Section

SECTION = Section(title="Seconds per step", place=6, family=None, figures=(step_times,))
