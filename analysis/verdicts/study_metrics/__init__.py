"""The metrics of a whole study, one file each; the file's name is the metric's name."""

from analysis.plugins import Plugins
from analysis.verdicts.study_metric import StudyMetric

_FILES = Plugins(noun="metric of a study", package=__name__)

STUDY_METRICS = {name: _FILES.load(name, "METRIC", StudyMetric) for name in _FILES.names()}

for _name, _metric in STUDY_METRICS.items():
    if _metric.name != _name:
        raise ImportError(f"A metric of a study has the name of its file, {_name}, got {_metric.name!r}.")
