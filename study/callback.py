"""From Tune's events to the ledger. Runs in the driver, the only writer."""

import pathlib
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from study.ledger import Ledger
from study.progress import Progress
from study.router import Router
from study.rows import Record, epoch_rows, failed_rows, outcomes, trial_rows
from study.schedule import Task

LONGEST_MESSAGE = 1000


class LedgerCallback(Callback):
    """Stores every trial that has ended, then tells the schedule and the live view.

    Args:
        ledger: Where rows go.
        router: Knows what each Tune trial trains.
        progress: Live view.

    Attributes:
        error: What kept rows from being stored and ended the study, a full disk for instance; None if all went well.
    """

    def __init__(self, ledger: Ledger, router: Router, progress: Progress) -> None:
        self._ledger, self._router, self._progress = ledger, router, progress
        self._records: dict[str, list[Record]] = {}
        self._attempts: dict[str, int] = {}
        self.error: OSError | None = None

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Begin an attempt; what an earlier one has reported is superseded."""
        self._attempts[trial.trial_id] = self._attempts.get(trial.trial_id, -1) + 1
        self._records[trial.trial_id] = []

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Keep an epoch's records."""
        self._records[trial.trial_id] += result["epochs"]

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Store a trial that has trained to its end; one that Tune has stopped before is left for the next run."""
        result = trial.last_result
        if not result.get("done"):
            return
        task, attempt = self._router.task(trial.trial_id), self._attempts[trial.trial_id]
        self._store(trial, task, trial_rows(task, attempt, self._records[trial.trial_id], result))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Store a trial that has failed for good."""
        task, attempt = self._router.task(trial.trial_id), self._attempts.get(trial.trial_id, 0)
        # Tune would read its copy in the storage, which is written with the snapshots that are switched off.
        text = pathlib.Path(trial.error_file).read_text(encoding="utf-8") if trial.error_file else ""
        message = error_message(text)
        self._store(trial, task, failed_rows(task, attempt, self._records.get(trial.trial_id, []), message))

    def _store(self, trial: Trial, task: Task, rows: list[dict[str, Any]]) -> None:
        attempt = self._attempts.pop(trial.trial_id, 0)
        records = self._records.pop(trial.trial_id, [])
        try:
            self._ledger.commit(task, attempt, rows, epoch_rows(task, attempt, records))
        except OSError as error:  # Tune ends the study and turns the error into text; the caller wants the error
            self.error = error
            raise
        ended = outcomes(task, rows)
        self._router.finish(trial.trial_id, ended)
        self._progress.trial_finished(ended)

    def __reduce__(self) -> tuple[type[object], tuple[()]]:
        # Tune pickles its settings for a `Tuner.restore` that is never used.
        return object, ()


def error_message(text: str) -> str:
    """The last error of Tune's error file in one line: what follows the last, indented, line of its traceback."""
    lines = text.rstrip().splitlines()
    message: list[str] = []
    while lines and lines[-1][:1].strip():
        message.insert(0, lines.pop())
    return " ".join(message)[:LONGEST_MESSAGE] or "the worker ended without a message"
