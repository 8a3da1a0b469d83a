"""From Tune's events to the ledger. Runs in the driver, the only writer."""

import pathlib
from collections.abc import Callable
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from study.display.progress import Progress
from study.ledger import Attempt, Ledger
from study.ledger.rows import TrialEnd, failed_rows, trial_rows
from study.tune.assignments import Assignments
from study.tune.checkpoints import Continuation
from study.tune.commits import Commit
from study.tune.retries import Group, Retries
from study.tune.settlement import Settlement

LONGEST_MESSAGE = 1000


class LedgerCallback(Callback):
    """Logs every epoch, and has every trial that has ended stored or trained once more.

    Args:
        ledger: Where rows go.
        assignments: Know what each Tune trial trains.
        settlement: Takes the trials that are to be stored.
        progress: Live view.
        max_failures: Times that a trial whose worker dies or raises is started again.
        continuation: Knows the checkpoints; None without a storage for them.
        vouch: Called with the address of a node, None if unknown, before rows from there are stored for good; raises
            a ValueError if they are not to be.
    """

    def __init__(
        self,
        ledger: Ledger,
        assignments: Assignments,
        settlement: Settlement,
        progress: Progress,
        *,
        max_failures: int,
        continuation: Continuation | None = None,
        vouch: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        self._ledger, self._assignments, self._settlement = ledger, assignments, settlement
        self._progress, self._continuation = progress, continuation
        self._retries, self._vouch = Retries(max_failures), vouch
        self._attempts: dict[str, Attempt] = {}
        self._put_back: dict[Group, Attempt] = {}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Begin an attempt."""
        self._begin(trial)

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Log an epoch; Tune asks for the next one afterwards."""
        with self._settlement.storing():
            self._attempts[trial.trial_id].append(result["epochs"])

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Store a trial that has trained to its end; one that Tune has stopped before is left for the next run."""
        if trial.last_result.get("done"):
            end = TrialEnd.of(trial.last_result)
            with self._settlement.storing():
                self._vouch(end.node)
            attempt = self._attempts[trial.trial_id]
            self._commit(trial, trial_rows(attempt.task, attempt.number, attempt.rows, end))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Have a trial trained once more, or store it as failed for good. The loss of a node is no failure of it."""
        if trial.trial_id not in self._attempts:  # its worker never came up
            self._begin(trial)
        attempt = self._attempts[trial.trial_id]
        group = attempt.task.key, attempt.task.replicates
        # Tune would read its copy in the storage, which is written with the snapshots that are switched off.
        text = pathlib.Path(trial.error_file).read_text(encoding="utf-8") if trial.error_file else ""
        retry = self._retries.after(group, text)
        if retry is not None:
            self._start_again(trial.trial_id, has_lost_node=retry.has_lost_node)
            return
        with self._settlement.storing():
            self._vouch(None)
        self._commit(trial, failed_rows(attempt.task, attempt.number, attempt.rows, error_message(text)))

    def put_back_all(self) -> None:
        """Have all trials that have not ended trained once more: a node was lost and their Tuner ended with it."""
        self._progress.say("A result was lost with its node: all trials that were running start again.")
        for trial_id in self._assignments.running():
            if trial_id in self._attempts:
                self._start_again(trial_id, has_lost_node=True)
            else:
                self._assignments.put_back(trial_id, has_lost_node=True)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Settle what has been stored in the meantime."""
        self._settlement.settle(wait=False)
        with self._settlement.storing():
            self._progress.refresh()

    def _start_again(self, trial_id: str, *, has_lost_node: bool) -> None:
        attempt = self._attempts.pop(trial_id)
        self._put_back[attempt.task.key, attempt.task.replicates] = attempt
        self._assignments.put_back(trial_id, has_lost_node=has_lost_node)
        self._progress.trial_retried()

    def _begin(self, trial: Trial) -> None:
        task = self._assignments.task(trial.trial_id)
        checkpoint = self._continuation.name(task) if self._continuation else None
        earlier = self._put_back.pop((task.key, task.replicates), None)
        with self._settlement.storing():
            self._attempts[trial.trial_id] = self._ledger.begin(task, checkpoint=checkpoint, earlier=earlier)

    def _commit(self, trial: Trial, rows: list[dict[str, Any]]) -> None:
        self._settlement.add(Commit(trial.trial_id, self._attempts.pop(trial.trial_id), rows))

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
