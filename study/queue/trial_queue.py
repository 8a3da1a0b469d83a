"""Which trial comes next: one queue over all optimizers and phases. Pure logic, no Ray."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from analysis.ledger.plan import num_ablations, num_confirmed_settings
from analysis.ledger.schema import TESTED_PHASES, TUNING_PHASES
from study.queue.tasks import Outcome, Task, TrialKey
from study.queue.tuning import Tuning
from study.search import Point, SearchAlgorithm
from study.spec import StudySpec
from trainables.randomness import derive_seed, replicate_seed

CONFIRM_GROUP = 6
"""Fewest replicates that train at once on fresh seeds, if there are as many: larger groups cost less each."""

FOLLOW_UPS = (*TESTED_PHASES, "sweep")
"""Phases after tuning, the most urgent first: without confirmation there is no verdict."""

SWEEP_GROUP = 12
"""The same of a sweep, whose groups are many more than there are workers: none waits for the last one to end."""


class TrialQueue:
    """Chooses the next group of replicates to train, for any number of workers.

    Tuning goes round the optimizers, so their counts differ by at most one. As soon as an optimizer's tuning ends its
    published setting and its winner are confirmed on fresh seeds, the winner is trained on the same seeds with
    hyperparameters at their neutral values (ablation), and the sweep goes through it.

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
        self._winner_seeds = winner_seeds or {}
        self._tunings = {name: self._new_tuning(name, algorithm) for name in spec.extent.optimizers}
        self._points: dict[tuple[str, str], dict[int, Point]] = defaultdict(dict)
        self._finished: dict[TrialKey, set[int]] = defaultdict(set)
        self._follow_ups: dict[str, list[Task]] = {}
        self._num_followed_up: Counter[str] = Counter()
        self._num_planned: dict[str, int] = {}
        self._sweep = spec.sweep
        self._num_running = 0
        for outcome in outcomes:
            self._note(outcome)
        self._queue_follow_ups()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train or in training."""
        return self._num_running == 0 and not any(self._follow_ups.values()) and self._tuned

    @property
    def _tuned(self) -> bool:
        return all(tuning.finished for tuning in self._tunings.values())

    def next_task(self) -> Task | None:
        """The next group of replicates, which now counts as running; None if all that is left waits for results."""
        task = self._next_tuning_task() or self._next_follow_up()
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
        """Start no further round of tuning; every optimizer still gets as many trials as any other has had."""
        num_trials = max(tuning.num_reached for tuning in self._tunings.values())
        for tuning in self._tunings.values():
            tuning.num_trials = min(tuning.num_trials, num_trials)
        self._queue_follow_ups()

    def skip_sweep(self) -> None:
        """Start no further sweep trial."""
        self._sweep = None
        for name, tasks in self._follow_ups.items():
            self._follow_ups[name] = [task for task in tasks if task.key.phase != "sweep"]
            self._num_planned[name] -= _num_replicates(tasks) - _num_replicates(self._follow_ups[name])

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
        # Only the winner shows whether some of it would leave the domain of a hyperparameter.
        num_swept = self._sweep.num_replicates(self._spec.optimizers[name].space) if self._sweep else 0
        return self._num_followed_up[name] + num_swept + self._num_confirmations_to_come(name)

    def _num_confirmations_to_come(self, name: str) -> int:
        if name in self._follow_ups:
            return _num_replicates(task for task in self._follow_ups[name] if task.tests)
        # Only the end of tuning shows whether the winner is published, neutral or has been confirmed before.
        num_settings = num_confirmed_settings(has_published=self._confirms_published, published_won=False)
        num_settings += num_ablations(self._spec.optimizers[name].reduces_to, winner=None)
        return num_settings * self._spec.extent.num_confirm_seeds - len(self._finished[TrialKey(name, "confirm", 0)])

    @property
    def _confirms_published(self) -> bool:
        """A repeat asks what another tuning finds; the published setting would only be measured once more."""
        return not self._spec.identity.own_seeds

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
        self._finished[key].add(outcome.replicate)
        if key.phase in TUNING_PHASES:
            self._tunings[key.optimizer].record(key.number, outcome.point, outcome.replicate, outcome.validation_error)
        else:
            self._points[key.optimizer, key.phase][key.number] = outcome.point
            self._num_followed_up[key.optimizer] += 1

    def _next_tuning_task(self) -> Task | None:
        open_tunings = {name: t for name, t in self._tunings.items() if t.num_started < t.num_trials}
        fewest = min((tuning.num_started for tuning in open_tunings.values()), default=0)
        for name, tuning in open_tunings.items():
            number = tuning.next_number() if tuning.num_started == fewest else None
            if number is not None:
                proposal = tuning.start(number)
                key = TrialKey(name, proposal.phase, number)
                return self._task(key, proposal.sampler, proposal.point, tuning.missing(number))
        return None

    def _next_follow_up(self) -> Task | None:
        """The most urgent phase first, then the longest queue."""
        queues = [queue for queue in self._follow_ups.values() if queue]
        if not queues:
            return None
        return min(queues, key=lambda queue: (FOLLOW_UPS.index(queue[0].key.phase), -len(queue))).pop(0)

    def _queue_follow_ups(self) -> None:
        for name, tuning in self._tunings.items():
            if tuning.finished and name not in self._follow_ups:
                tasks = (*self._confirm_tasks(name), *self._ablation_tasks(name), *self._sweep_tasks(name))
                self._follow_ups[name] = list(tasks)
                self._num_planned[name] = self._num_followed_up[name] + _num_replicates(self._follow_ups[name])

    def _confirm_tasks(self, name: str) -> Iterator[Task]:
        published, best = self._spec.optimizers[name].published, self._tunings[name].best()
        points = {0: published} if self._confirms_published or not best or best[1] == published else {}
        if best and best[1] != published:
            points |= self._numbered(name, "confirm", {1: best[1]}, block=1)
        for number, point in points.items():
            num_seeds = self._spec.extent.num_confirm_seeds
            if best and point == best[1]:
                num_seeds = max(num_seeds, self._winner_seeds.get(name, 0))
            sampler = "published" if number == 0 else "winner"
            yield from self._fresh_tasks(TrialKey(name, "confirm", number), sampler, point, num_seeds)

    def _ablation_tasks(self, name: str) -> Iterator[Task]:
        best = self._tunings[name].best()
        if best is None:
            return
        points = [{**best[1], **at} for at in self._spec.optimizers[name].reduces_to.values()]
        numbered = self._numbered(name, "ablation", dict(enumerate(points)), block=len(points))
        num_seeds = self._spec.extent.num_confirm_seeds
        for number, point in numbered.items():
            if point != best[1]:
                yield from self._fresh_tasks(TrialKey(name, "ablation", number), "ablation", point, num_seeds)

    def _fresh_tasks(self, key: TrialKey, sampler: str, point: Point, num_seeds: int) -> Iterator[Task]:
        """What is missing of a trial on so many confirmation seeds, in groups."""
        missing = [r for r in range(num_seeds) if r not in self._finished[key]]
        size = max(self._spec.identity.num_seeds, CONFIRM_GROUP)
        for start in range(0, len(missing), size):
            yield self._task(key, sampler, point, missing[start : start + size])

    def _sweep_tasks(self, name: str) -> Iterator[Task]:
        best = self._tunings[name].best()
        if self._sweep is None or best is None:
            return
        space = self._spec.optimizers[name].space
        points = {
            number: {**best[1], swept.hyperparameter: swept.value}
            for number, swept in self._sweep.points(space, best[1]).items()
        }
        size = max(self._spec.identity.num_seeds, SWEEP_GROUP)
        for number, point in self._numbered(name, "sweep", points, block=self._sweep.block_size(space)).items():
            key = TrialKey(name, "sweep", number)
            missing = [r for r in range(self._sweep.num_seeds) if r not in self._finished[key]]
            for start in range(0, len(missing), size):
                yield self._task(key, "sweep", point, missing[start : start + size])

    def _numbered(self, name: str, phase: str, points: Mapping[int, Point], *, block: int) -> dict[int, Point]:
        """Points by number, or so many blocks further that no point of a former winner has one of the numbers.

        So a point keeps its number however many of the points around it an earlier run has trained.
        """
        known, numbered = self._points[name, phase], dict(points)
        while any(known.get(number, point) != point for number, point in numbered.items()):
            numbered = {number + block: point for number, point in numbered.items()}
        return numbered

    def _task(self, key: TrialKey, sampler: str, point: Point, replicates: Sequence[int]) -> Task:
        root, fresh = self._spec.identity.replicates_seed, key.phase in TESTED_PHASES
        if key.phase == "sweep" and self._sweep:
            fresh = self._sweep.is_fresh
        seeds = tuple(replicate_seed(root, fresh=fresh, replicate=r) for r in replicates)
        in_order = {name: point[name] for name in self._spec.optimizers[key.optimizer].space}
        shares = self._spec.identity.shared_order and key.phase in TUNING_PHASES
        order_seed = replicate_seed(root, fresh=False, replicate=0) if shares else None
        return Task(
            key=key,
            sampler=sampler,
            point=in_order,
            replicates=tuple(replicates),
            seeds=seeds,
            order_seed=order_seed,
        )


def _num_replicates(tasks: Iterable[Task]) -> int:
    return sum(len(task.replicates) for task in tasks)
