"""What each Tune trial trains, from the moment it is handed out until its rows are stored."""

from collections import Counter

from study.cluster.slots import Slots
from study.queue.tasks import Outcome, Task
from study.queue.time_budget import TimeBudget
from study.queue.trial_queue import TrialQueue
from trainables.optimizers import worker_owner

AHEAD = 7
"""Tuning trials by which the optimizers of a worker may be ahead of others: to start another worker takes seconds. With
a time budget none is, since all that is begun with one optimizer is completed with all."""


class Assignments:
    """Groups of replicates, each in the hands of one Tune trial.

    Args:
        queue: Chooses the groups.
        slots: How many trials may run, and on what.
        budget: Cuts the queue short when time runs out.
    """

    def __init__(self, queue: TrialQueue, slots: Slots, budget: TimeBudget) -> None:
        self._queue, self._slots, self._budget = queue, slots, budget
        self._tasks: dict[str, Task] = {}
        self._kinds: dict[str, str] = {}
        self._ended: set[str] = set()
        self._returned: list[Task] = []
        self._idle: list[str | None] = []

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train."""
        return self._queue.finished

    @property
    def places(self) -> int:
        """Trials at once, as far as is known now."""
        return self._slots.places

    def next_kind(self) -> str | None:
        """Kind of device for the next trial; None if it has to wait until another one has ended."""
        return self._slots.next_kind(Counter(self._kinds[name] for name in self.running()))

    def next_task(self) -> Task | None:
        """The next group; None while all that is left depends on results to come, and at the end."""
        begun = [*self._tasks.values(), *self._returned]
        self._budget.apply(self._queue, sum(len(task.replicates) for task in begun))
        if self._returned:
            return self._returned.pop()
        if not self._idle:
            return self._queue.next_task()
        free = self._idle[-1]
        ahead = 0 if self._budget.is_limited else AHEAD
        return self._queue.next_task(lambda name: worker_owner(name) == free, ahead)

    def hand_out(self, trial_id: str, task: Task, kind: str) -> None:
        """A Tune trial trains this group on this kind of device."""
        self._tasks[trial_id], self._kinds[trial_id] = task, kind
        if self._idle:
            needed = worker_owner(task.key.optimizer)
            self._idle.remove(needed if needed in self._idle else self._idle[0])

    def resources(self, trial_id: str) -> dict[str, float]:
        """What a Tune trial takes of its node, in Ray's names."""
        return self._slots.share.of(self._kinds[trial_id])

    def task(self, trial_id: str) -> Task:
        """What a Tune trial trains."""
        return self._tasks[trial_id]

    def kind(self, trial_id: str) -> str:
        """Kind of device that a Tune trial was given."""
        return self._kinds[trial_id]

    def running(self) -> set[str]:
        """The Tune trials that have not ended, those included that wait for a worker."""
        return self._tasks.keys() - self._ended

    def end(self, trial_id: str) -> None:
        """Another trial may have its place; its outcome comes with `finish`, once its rows are stored."""
        self._ended.add(trial_id)
        if trial_id in self._tasks:
            self._idle.append(worker_owner(self._tasks[trial_id].key.optimizer))

    def put_back(self, trial_id: str, *, has_lost_node: bool) -> None:
        """Have another Tune trial train what this one has not."""
        task, kind = self._forget(trial_id)
        self._returned.append(task)
        if has_lost_node:
            self._slots.note_loss(kind)

    def finish(self, trial_id: str, outcomes: list[Outcome]) -> None:
        """Tell the queue how a trial ended, after its rows have been stored."""
        self._forget(trial_id)
        self._budget.record(len(outcomes))
        self._queue.record(outcomes)

    def _forget(self, trial_id: str) -> tuple[Task, str]:
        self._ended.discard(trial_id)
        return self._tasks.pop(trial_id), self._kinds.pop(trial_id)
