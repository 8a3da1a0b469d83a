"""The metrics of a whole study, one file each; the file's name is the metric's name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis.claims.questions import Question
from analysis.metrics import METRICS, PAIR_METRICS
from analysis.plugins import PluginError, Plugins, blamed
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.evidence import Draws, Evidence, Median, NotTestableError, PairedSeeds
from analysis.verdicts.evidence_of_tunings import PairedTunings
from analysis.verdicts.study_metric import StudyMetric

_FILES = Plugins(noun="metric of a study", package=__name__)

VALUES: Mapping[type[Evidence], str] = {
    PairedSeeds: "differences", PairedTunings: "by_repeat", Median: "values", Draws: "draws"
}  # fmt: skip
"""Of each of our kinds of evidence: the numbers of one axis that its interval rests on."""


def checked(name: str, metric: StudyMetric, where: str) -> StudyMetric:
    """The metric, whose evidence is what it should be or a `PluginError`.

    Args:
        name: Its name.
        metric: What its file declares.
        where: File or package that it comes from.

    Raises:
        PluginError: It is declared to be another one.
    """
    if metric.name != name:
        raise PluginError(
            f"A metric of a study has the name of its file, {name!r}, {where} gives {metric.name!r}; mend it."
        )
    duty = f"The metric of a study {name!r} must gather evidence"

    def gather(question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns]) -> Evidence:
        with blamed(duty, where, passes=(NotTestableError,)):
            found = metric.gather(question, a, b, repeats)
        if not isinstance(found, Evidence):
            raise PluginError(f"{duty}, an Evidence, {where} gives {type(found).__name__}; mend it.")
        with blamed(f"{duty}, numbers and values of one axis", where):
            float(found.estimate), float(found.value_a), float(found.value_b), int(found.num_values)
            for name in [name for kind, name in VALUES.items() if isinstance(found, kind)]:
                shape = getattr(found, name).shape
                if len(shape) != 1 or not shape[0]:
                    raise ValueError(f"{name} of the shape {shape}")
        return found

    return replace(metric, gather=gather)


def _load() -> dict[str, StudyMetric]:
    own = _FILES.names_in_folder()
    for name in _FILES.names():
        run_metric = METRICS.get(name) or PAIR_METRICS.get(name)
        if run_metric and (name not in own or not run_metric.function.__module__.startswith("analysis.metrics.")):
            raise PluginError(
                f"A metric of a study needs a name that no metric of a run has, {name!r} is {_FILES.where(name)} and "
                f"in {run_metric.function.__module__}; rename one."
            )
    return {
        name: checked(name, _FILES.load(name, "METRIC", StudyMetric), _FILES.where(name)) for name in _FILES.names()
    }


STUDY_METRICS = _load()
