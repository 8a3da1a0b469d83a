"""The sections of the report, one file each."""

from analysis.plugins import Plugins
from analysis.report.section import Section

_FILES = Plugins(noun="section of the report", package=__name__)

SECTIONS = tuple(sorted((_FILES.load(name, "SECTION", Section) for name in _FILES.names()), key=lambda one: one.place))
"""In the order of the page."""
