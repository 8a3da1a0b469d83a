"""The sections of the report, one file each."""

from analysis.plugins import Plugins
from analysis.report.section import Section
from analysis.report.sections._checked import checked, refuse_shared

_FILES = Plugins(noun="section of the report", package=__name__)


def _load() -> dict[Section, str]:
    own = _FILES.names_in_folder()
    # The folder's own come first, so that of two with one name the message names the intruder last.
    names = [*own, *(name for name in _FILES.names() if name not in own)]
    found = [(_FILES.load(name, "SECTION", Section), _FILES.where(name)) for name in names]
    refuse_shared("title", [(section.title, where) for section, where in found])
    refuse_shared("table", [(name, where) for section, where in found for name in section.tables])
    placed = sorted(found, key=lambda one: one[0].place)
    return {checked(section, where): where for section, where in placed}


ORIGINS = _load()
"""File or package that each section comes from."""

SECTIONS = tuple(ORIGINS)
"""In the order of the page."""
