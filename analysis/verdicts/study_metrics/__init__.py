"""The metrics of a whole study, one file each; the file's name is the metric's name."""

from importlib import import_module
from pkgutil import iter_modules

from analysis.verdicts.study_metric import StudyMetric

_metrics: list[StudyMetric] = [import_module(f"{__name__}.{module.name}").METRIC for module in iter_modules(__path__)]
STUDY_METRICS: dict[str, StudyMetric] = {metric.name: metric for metric in _metrics}

if list(STUDY_METRICS) != (_files := [module.name for module in iter_modules(__path__)]):
    raise ImportError(f"A metric of a whole study has the name of its file: {_files}, got {list(STUDY_METRICS)}.")

__all__ = ["STUDY_METRICS"]
