"""Ray Tune's view of the schedule: a `Searcher` that hands out whatever comes next, of any optimizer and phase."""

import sys
from collections import Counter
from typing import Any, Protocol

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from study.cluster.slots import Slots
from study.queue.tasks import Outcome, Task
from study.queue.time_budget import TimeBudget
from study.queue.trial_queue import Schedule
from study.spec import Identity
from study.tune.checkpoints import Continuation


class FirstPending(FIFOScheduler):
    """Starts the trials as they come. Tune's own order looks through all trials of a run at each of its events."""

    def choose_trial_to_run(self, tune_controller: TuneController) -> Trial | None:
        """A trial that waits for a worker, among those that have not ended."""
        live: set[Trial] = tune_controller.get_live_trials()  # type: ignore[no-untyped-call]
        return next((trial for trial in live if trial.status == Trial.PENDING), None)


class Settle(Protocol):
    """Takes note of the trials that have been stored; with `wait` also of those that are being stored."""

    def __call__(self, *, wait: bool) -> None:
        """Do so."""


def _nothing_to_settle(*, wait: bool) -> None:
    del wait


class Router(Searcher):
    """Gives every Tune trial the next group of replicates.

    Args:
        schedule: Chooses them.
        identity: What all trials have in common.
        slots: How many trials may run, and on what.
        budget: Cuts the schedule short when time runs out.
        continuation: Knows the checkpoints; None without a storage for them.

    Attributes:
        before_suggestion: Called before a group is chosen, so that the choice rests on all results that are stored.
    """

    def __init__(
        self,
        schedule: Schedule,
        identity: Identity,
        slots: Slots,
        budget: TimeBudget,
        continuation: Continuation | None = None,
    ) -> None:
        super().__init__()
        self._schedule, self._identity, self._slots = schedule, identity, slots
        self._budget, self._continuation = budget, continuation
        self._tasks: dict[str, Task] = {}
        self._kinds: dict[str, str] = {}
        self._ended: set[str] = set()
        self._returned: list[Task] = []
        self._num_admitted = sys.maxsize
        self.before_suggestion: Settle = _nothing_to_settle

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train."""
        return self._schedule.finished

    @property
    def places(self) -> int:
        """Trials at once, as far as is known now."""
        return self._slots.places

    def admit(self, num_trials: int) -> None:
        """Let the next Tuner run so many trials at most."""
        self._num_admitted = num_trials

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Config of the next trial, None while it waits for results or a place, `FINISHED` at the end."""
        # Searcher.FINISHED is a string; the signature of Searcher.suggest leaves it out.
        if self._num_admitted == 0:
            return Searcher.FINISHED  # type: ignore[return-value]
        self.before_suggestion(wait=False)
        kind = self._slots.next_kind(Counter(self._kinds[name] for name in self.running()))
        if kind is None:
            return None
        task = self._next_task()
        if task is None:
            # What is being stored may be all that is waited for; Tune would sleep before it asked again.
            self.before_suggestion(wait=True)
            task = self._next_task()
        if task is None:
            return Searcher.FINISHED if self._schedule.finished else None  # type: ignore[return-value]
        self._num_admitted -= 1
        self._tasks[trial_id], self._kinds[trial_id] = task, kind
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
        return {"trial": trial, "test": task.tests, "checkpoint": checkpoint, "resources": self._slots.share.of(kind)}

    def _next_task(self) -> Task | None:
        begun = [*self._tasks.values(), *self._returned]
        self._budget.apply(self._schedule, sum(len(task.replicates) for task in begun))
        return self._returned.pop() if self._returned else self._schedule.next_task()

    def task(self, trial_id: str) -> Task:
        """What a Tune trial trains."""
        return self._tasks[trial_id]

    def kind(self, trial_id: str) -> str:
        """Kind of device that a Tune trial was given."""
        return self._kinds[trial_id]

    def running(self) -> set[str]:
        """The Tune trials that have not ended, those included that wait for a worker."""
        return self._tasks.keys() - self._ended

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Another trial may have its place; its outcome comes with `finish`, once its rows are stored."""
        self._ended.add(trial_id)

    def put_back(self, trial_id: str, *, has_lost_node: bool) -> None:
        """Have another Tune trial train what this one has not."""
        task, kind = self._forget(trial_id)
        self._returned.append(task)
        if has_lost_node:
            self._slots.note_loss(kind)

    def finish(self, trial_id: str, outcomes: list[Outcome]) -> None:
        """Tell the schedule how a trial ended, after its rows have been stored."""
        self._forget(trial_id)
        self._budget.record(len(outcomes))
        self._schedule.record(outcomes)

    def _forget(self, trial_id: str) -> tuple[Task, str]:
        self._ended.discard(trial_id)
        return self._tasks.pop(trial_id), self._kinds.pop(trial_id)

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
