"""Ray Tune's view of the queue: a `Searcher` that hands out whatever comes next, of any optimizer and phase."""

import sys
from typing import Any, Protocol

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from study.spec import Identity
from study.tune.assignments import Assignments
from study.tune.checkpoints import Continuation
from study.tune.worker_cache import keep_workers


class FirstPending(FIFOScheduler):
    """Starts the trials as they come, on workers that are kept for them.

    Tune's own order looks through all trials of a run at each of its events.
    """

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        """Before its first trial waits for a worker."""
        keep_workers(tune_controller)

    def choose_trial_to_run(self, tune_controller: TuneController) -> Trial | None:
        """A trial that waits for a worker, among those that have not ended."""
        live: set[Trial] = tune_controller.get_live_trials()  # type: ignore[no-untyped-call]
        return next((trial for trial in live if trial.status == Trial.PENDING), None)


class Settle(Protocol):
    """Takes note of the trials that have been stored; with `wait` also of those that are being stored."""

    def __call__(self, *, wait: bool) -> None:
        """Do so."""


class QueueSearcher(Searcher):
    """Gives every Tune trial the next group of replicates.

    Args:
        assignments: Choose the group, and remember whose it is.
        identity: What all trials have in common.
        settle: Called before a group is chosen, so that the choice rests on all results that are stored.
        continuation: Knows the checkpoints; None without a storage for them.
    """

    def __init__(
        self, assignments: Assignments, identity: Identity, settle: Settle, continuation: Continuation | None = None
    ) -> None:
        super().__init__()
        self._assignments, self._identity, self._settle = assignments, identity, settle
        self._continuation = continuation
        self._num_admitted = sys.maxsize

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train."""
        return self._assignments.finished

    @property
    def places(self) -> int:
        """Trials at once, as far as is known now."""
        return self._assignments.places

    def admit(self, num_trials: int) -> None:
        """Let the next Tuner run so many trials at most."""
        self._num_admitted = num_trials

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Config of the next trial, None while it waits for results or a place, `FINISHED` at the end."""
        # Searcher.FINISHED is a string; the signature of Searcher.suggest leaves it out.
        if self._num_admitted == 0:
            return Searcher.FINISHED  # type: ignore[return-value]
        self._settle(wait=False)
        kind = self._assignments.next_kind()
        if kind is None:
            return None
        task = self._assignments.next_task()
        if task is None:
            # What is being stored may be all that is waited for; Tune would sleep before it asked again.
            self._settle(wait=True)
            task = self._assignments.next_task()
        if task is None:
            return Searcher.FINISHED if self.finished else None  # type: ignore[return-value]
        self._num_admitted -= 1
        self._assignments.hand_out(trial_id, task, kind)
        trial = {
            "optimizer": task.key.optimizer,
            "hyperparameters": dict(task.point),
            "seeds": list(task.seeds),
            "batch_size": self._identity.batch_size,
            "num_epochs": self._identity.num_epochs,
            "order_seed": task.order_seed,
            "precision": self._identity.precision,
        }
        checkpoint = self._continuation.config(task) if self._continuation else None
        resources = self._assignments.resources(trial_id)
        return {"trial": trial, "test": task.reads_test_set, "checkpoint": checkpoint, "resources": resources}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Another trial may have its place."""
        self._assignments.end(trial_id)

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Accept Tune's settings; the search space is the study's."""
        del metric, mode, config, spec
        return True

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a study resumes from its ledger."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a study resumes from its ledger."""

    def __reduce__(self) -> tuple[type[object], tuple[()]]:
        # Tune pickles its settings for a `Tuner.restore` that is never used.
        return object, ()
