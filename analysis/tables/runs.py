"""Runs on fresh seeds: the tuned ones by optimizer, what paired comparisons are made of, and every metric of each."""

from dataclasses import dataclass, field

import polars as pl

from analysis.claims.file import Claims
from analysis.claims.landmarks import Landmarks
from analysis.ledger.schema import KEY
from analysis.metrics import METRICS, Run, Setup, measure, runs_of
from analysis.tables.overview import Overview
from analysis.tables.settings import TRIAL
from analysis.tables.study_tables import StudyTables


@dataclass(frozen=True)
class ConfirmedRuns:
    """One tuning of a study: its winners' confirmation runs.

    Args:
        overview: The numbers of its report.
        claims: What is fixed about its data set.
    """

    overview: Overview
    claims: Claims
    _runs: dict[str, dict[int, Run]] = field(default_factory=dict, init=False, repr=False)

    @property
    def dataset(self) -> str:
        """Name of the data set; "unknown" if it was not given."""
        return str(self.overview.ledger.study.identity.get("dataset", "unknown"))

    @property
    def landmarks(self) -> Landmarks:
        """What accuracies on the data set are judged by."""
        return self.claims.datasets.get(self.dataset, Landmarks())

    @property
    def setup(self) -> Setup:
        """What the metrics need to know of the study."""
        steps = self.overview.ledger.trials.filter(status="complete")["steps"].drop_nulls().to_list()
        return Setup(
            targets=self.landmarks.targets,
            chance_accuracy=self.landmarks.chance_accuracy,
            num_steps=max(steps, default=0),
            num_evaluation_images=int(self.overview.ledger.study.identity.get("num_evaluation_images") or 0),
        )

    def of(self, optimizer: str) -> dict[int, Run]:
        """The winner's runs by replicate; none if it has not been confirmed."""
        if optimizer not in self._runs:
            shown = self.overview.shown.filter(optimizer=optimizer, setting="tuned", phase="confirm")
            trials = self.overview.ledger.trials.join(shown, on=TRIAL, how="semi")
            runs = runs_of(trials, self.overview.ledger.epochs, self.setup)
            self._runs[optimizer] = {run.trial["replicate"]: run for run in runs}
        return self._runs[optimizer]

    def num_failed(self, optimizer: str) -> int:
        """Fresh seeds of the winner whose process failed, so that they have no outcome."""
        shown = self.overview.shown.filter(optimizer=optimizer, setting="tuned", phase="confirm")
        return self.overview.ledger.trials.join(shown, on=TRIAL, how="semi").filter(status="failed").height

    def test_accuracies(self, optimizer: str) -> list[float]:
        """Test accuracy of the winner at every fresh seed."""
        values = self.overview.accuracies.filter(optimizer=optimizer, setting="tuned")["test_accuracy"]
        return [float(value) for value in values]


def setup_of(tables: StudyTables) -> Setup:
    """What the metrics need to know of a study."""
    return ConfirmedRuns(tables.overview, tables.claims).setup


def run_metrics(overview: Overview, setup: Setup) -> pl.DataFrame:
    """Every metric of every shown run: `optimizer`, `setting`, `replicate`, `status`, `metric`, `unit`, `value`."""
    ledger, shown = overview.ledger, overview.shown
    rows = ledger.trials.join(shown, on=TRIAL, how="semi")
    epochs = ledger.epochs.join(rows, on=KEY, how="semi")
    frames = [
        shown.join(measure(metric, rows, epochs, setup), on=TRIAL, maintain_order="left").select(
            "optimizer", "setting", "replicate", "status", metric=pl.lit(name), unit=pl.lit(metric.unit), value="value"
        )
        for name, metric in sorted(METRICS.items())
        if overview.is_confirmed or not name.startswith("test_")
    ]
    return pl.concat(frames)
