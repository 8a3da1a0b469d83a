"""Runs on fresh seeds by side of a comparison, what paired differences are made of, and every metric of each."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import polars as pl

from analysis.claims.file import Claims
from analysis.claims.landmarks import Landmarks
from analysis.ledger.schema import KEY
from analysis.metrics import METRICS, Run, Setup, measure, runs_of
from analysis.tables.ablations import ablations, trial_of
from analysis.tables.overview import Overview
from analysis.tables.settings import TRIAL
from analysis.tables.study_tables import StudyTables

Made = TypeVar("Made")


@dataclass(frozen=True)
class ConfirmedRuns:
    """One tuning of a study: its winners' runs on the confirmation seeds.

    A side of a comparison is an optimizer, which stands for its winner, or the `side` of an ablation.

    Args:
        overview: The numbers of its report.
        claims: What is fixed about its data set.
    """

    overview: Overview
    claims: Claims
    _runs: dict[str, dict[int, Run]] = field(default_factory=dict, init=False, repr=False)
    _made: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

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

    def of(self, side: str) -> dict[int, Run]:
        """The runs of a side by replicate; none if it has not been trained on fresh seeds."""
        if side not in self._runs:
            runs = runs_of(self._trials(side), self.overview.ledger.epochs, self.setup)
            self._runs[side] = {run.trial["replicate"]: run for run in runs}
        return self._runs[side]

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What is made of these runs under a key, made when it is first asked for."""
        if key not in self._made:
            self._made[key] = make()
        made: Made = self._made[key]
        return made

    def num_failed(self, side: str) -> int:
        """Fresh seeds of a side whose process failed, so that they have no outcome."""
        return self._trials(side).filter(status="failed").height

    def test_accuracies(self, side: str) -> list[float]:
        """Test accuracy of a side at every fresh seed."""
        return [1.0 - float(run.trial["test_error"]) for run in self.of(side).values()]

    def _trials(self, side: str) -> pl.DataFrame:
        """The side's rows of `trials`."""
        ablated = {ablation.side: ablation for ablation in ablations(self.overview.ledger.study)}
        if side in ablated:
            key = trial_of(ablated[side], self.overview)
        else:
            key = self.overview.shown.filter(optimizer=side, setting="tuned", phase="confirm")
        return self.overview.ledger.trials.join(key, on=TRIAL, how="semi")


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
