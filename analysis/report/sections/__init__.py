"""The sections of the report: one file of this folder is one section, found by its name."""

from importlib import import_module
from pkgutil import iter_modules

from analysis.report.section import Section

_modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
SECTIONS: tuple[Section, ...] = tuple(sorted((module.SECTION for module in _modules), key=lambda found: found.place))
