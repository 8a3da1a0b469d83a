"""Which trial comes next: one queue over all optimizers and phases. Pure logic, no Ray."""

from collections.abc import Callable, Iterable, Mapping

from analysis.ledger.schema import TUNING_PHASES
from study.queue.follow_ups import FollowUps, urgency
from study.queue.tasks import Outcome, Task, TrialKey, new_task
from study.queue.tuning import Tuning
from study.search import Point, SearchAlgorithm
from study.spec import StudySpec
from trainables.randomness import derive_seed


class TrialQueue:
    """Chooses the next group of replicates to train, for any number of workers.

    Tuning goes round the optimizers, so their counts differ by at most one, unless some may be ahead. As soon as an
    optimizer's tuning ends its published setting and its winner are confirmed on fresh seeds, the winner is trained on
    the same seeds with hyperparameters at their neutral values (ablation), and the sweep goes through it.

    Args:
        spec: The study.
        algorithm: The search algorithm that `spec` names.
        outcomes: What earlier runs have finished.
        winner_seeds: Fresh seeds of the winners of some optimizers, where these are more than the study plans for all.
    """

    def __init__(
        self,
        spec: StudySpec,
        algorithm: SearchAlgorithm,
        outcomes: Iterable[Outcome] = (),
        winner_seeds: Mapping[str, int] | None = None,
    ) -> None:
        self._spec = spec
        self._tunings = {name: self._new_tuning(name, algorithm) for name in spec.extent.optimizers}
        self._follow_ups = FollowUps(spec, winner_seeds or {})
        self._queues: dict[str, list[Task]] = {}
        self._num_planned: dict[str, int] = {}
        self._num_running = 0
        for outcome in outcomes:
            self._note(outcome)
        self._queue_follow_ups()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train or in training."""
        return self._num_running == 0 and not any(self._queues.values()) and self._tuned

    @property
    def _tuned(self) -> bool:
        return all(tuning.finished for tuning in self._tunings.values())

    def next_task(self, suits: Callable[[str], bool] = lambda _: True, ahead: int = 0) -> Task | None:
        """The next group of replicates, which now counts as running; None if all that is left waits for results.

        Args:
            suits: Whether an optimizer suits the worker that is free: of tasks that are as good, it gets such a one.
            ahead: Tuning trials by which those that suit may be ahead of others that do not.
        """
        task = self._next_tuning_task(suits, ahead) or self._next_follow_up(suits)
        if task is not None:
            self._num_running += 1
        return task

    def record(self, outcomes: Iterable[Outcome]) -> None:
        """Take note of a running task that has ended, by the outcomes of its replicates."""
        self._num_running -= 1
        for outcome in outcomes:
            self._note(outcome)
        self._queue_follow_ups()

    def stop_tuning(self) -> None:
        """End the tuning once every optimizer has had as many trials as the one furthest ahead has begun."""
        num_trials = max(tuning.num_reached for tuning in self._tunings.values())
        for tuning in self._tunings.values():
            tuning.num_trials = min(tuning.num_trials, num_trials)
        self._queue_follow_ups()

    def skip_sweep(self) -> None:
        """Start no further sweep trial."""
        self._follow_ups.skip_sweep()
        for name, tasks in self._queues.items():
            self._queues[name] = [task for task in tasks if task.key.phase != "sweep"]
            self._num_planned[name] -= _num_replicates(tasks) - _num_replicates(self._queues[name])

    def best(self, optimizer: str) -> tuple[float, Point] | None:
        """Lowest objective of an optimizer so far and its point."""
        return self._tunings[optimizer].best()

    def num_replicates(self) -> int:
        """Replicates of the whole study: stored, in training and still to come; those of former winners count too."""
        return sum(self._num_tuning_replicates(name) + self._num_follow_ups(name) for name in self._tunings)

    def num_confirmation_replicates(self) -> int:
        """Replicates on the confirmation seeds, ablations included, that have not started; none is ever left out.

        Those of optimizers still in tuning are counted as well.
        """
        return sum(self._num_confirmations_to_come(name) for name in self._tunings)

    def _num_tuning_replicates(self, name: str) -> int:
        return self._spec.identity.num_seeds * self._tunings[name].num_trials

    def _num_follow_ups(self, name: str) -> int:
        if name in self._num_planned:
            return self._num_planned[name]
        return self._follow_ups.num_finished(name) + self._follow_ups.num_to_come(name)

    def _num_confirmations_to_come(self, name: str) -> int:
        if name in self._queues:
            return _num_replicates(task for task in self._queues[name] if task.reads_test_set)
        return self._follow_ups.num_confirmations_to_come(name)

    def _new_tuning(self, name: str, algorithm: SearchAlgorithm) -> Tuning:
        definition, identity = self._spec.optimizers[name], self._spec.identity
        return Tuning(
            algorithm,
            definition,
            seed=derive_seed(identity.seed, identity.search_stream(name)),
            num_trials=self._spec.extent.num_trials,
            num_seeds=identity.num_seeds,
            lag=identity.lag,
        )

    def _note(self, outcome: Outcome) -> None:
        key = outcome.key
        if key.phase in TUNING_PHASES:
            self._tunings[key.optimizer].record(key.number, outcome.point, outcome.replicate, outcome.validation_error)
        else:
            self._follow_ups.record(outcome)

    def _next_tuning_task(self, suits: Callable[[str], bool], ahead: int) -> Task | None:
        open_tunings = {name: t for name, t in self._tunings.items() if t.num_started < t.num_trials}
        fewest = min((tuning.num_started for tuning in open_tunings.values()), default=0)
        suitable = {name for name in open_tunings if suits(name)}
        most = fewest + (ahead if len(suitable) < len(open_tunings) else 0)
        for name, tuning in sorted(
            open_tunings.items(), key=lambda entry: (entry[0] not in suitable, entry[1].num_started)
        ):
            number = tuning.next_number() if tuning.num_started <= (most if name in suitable else fewest) else None
            if number is not None:
                proposal = tuning.start(number)
                key = TrialKey(name, proposal.phase, number)
                missing = tuning.missing(number)
                return new_task(self._spec, key, proposal.sampler, proposal.point, missing, is_fresh=False)
        return None

    def _next_follow_up(self, suits: Callable[[str], bool]) -> Task | None:
        """The most urgent first, of one that suits and then of the longest queue if several are."""
        queues = [(name, queue) for name, queue in self._queues.items() if queue]
        if not queues:
            return None
        return min(queues, key=lambda entry: (urgency(entry[1][0]), not suits(entry[0]), -len(entry[1])))[1].pop(0)

    def _queue_follow_ups(self) -> None:
        for name, tuning in self._tunings.items():
            if tuning.finished and name not in self._queues:
                best = tuning.best()
                self._queues[name] = self._follow_ups.tasks(name, best[1] if best else None)
                num_finished = self._follow_ups.num_finished(name)
                self._num_planned[name] = num_finished + _num_replicates(self._queues[name])


def _num_replicates(tasks: Iterable[Task]) -> int:
    return sum(len(task.replicates) for task in tasks)
