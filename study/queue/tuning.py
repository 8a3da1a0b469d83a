"""The tuning of one optimizer: which points are chosen, trained and best. Pure logic, no Ray."""

from collections import defaultdict
from statistics import fmean

from study.queue.proposals import ask, learns
from study.search import Observation, Point, PointRequest, Proposal, SearchAlgorithm
from study.spec import OptimizerDefinition


class Tuning:
    """The tuning trials of one optimizer.

    Args:
        algorithm: Chooses the points.
        definition: The optimizer.
        seed: Root of the optimizer's random streams.
        num_trials: Number of points.
        num_seeds: Replicates of each.
        lag: A point that depends on results sees those of numbers at least this much smaller, and waits for them.
    """

    def __init__(
        self,
        algorithm: SearchAlgorithm,
        definition: OptimizerDefinition,
        *,
        seed: int,
        num_trials: int,
        num_seeds: int,
        lag: int,
    ) -> None:
        self.num_trials = num_trials
        self._algorithm, self._definition = algorithm, definition
        self._seed, self._num_seeds, self._lag = seed, num_seeds, lag
        self._errors: dict[int, dict[int, float | None]] = defaultdict(dict)
        self._points: dict[int, Point] = {}
        self._started: set[int] = set()
        self._best: tuple[float, int] | None = None
        self._next = 0
        self._num_done_in_a_row = 0

    @property
    def num_started(self) -> int:
        """Points trained or in training, those of earlier runs included."""
        return len(self._started)

    @property
    def num_reached(self) -> int:
        """One more than the highest number begun: what `num_started` is once the gaps below it are filled."""
        return max((*self._started, *self._errors), default=-1) + 1

    @property
    def finished(self) -> bool:
        """Whether every point has been trained."""
        return self._num_done_in_a_row >= self.num_trials

    def next_number(self) -> int | None:
        """Smallest number that has not been started, or None if there is none or it has to wait for results."""
        while self._next in self._started:
            self._next += 1
        if self._next >= self.num_trials:
            return None
        waits = learns(self._algorithm, self._next) and self._num_done_in_a_row <= self._next - self._lag
        return None if waits else self._next

    def start(self, number: int) -> Proposal:
        """Choose point `number`; a learning algorithm sees the results of numbers up to number - lag, in order.

        Raises:
            PluginError: As of `ask`.
        """
        self._started.add(number)
        observations = []
        if learns(self._algorithm, number):
            scored = [(self._points.get(n), self.objective(n)) for n in range(number - self._lag + 1)]
            observations = [Observation(point, value) for point, value in scored if point and value is not None]
        request = PointRequest(
            number=number,
            space=self._definition.space,
            published=self._definition.published,
            seed=self._seed,
            observations=observations,
            values=self._definition.values,
        )
        return ask(self._algorithm, request)

    def record(self, number: int, point: Point, replicate: int, validation_error: float | None) -> None:
        """Take note of a finished replicate; the error is 1 if it diverged and None if it failed."""
        self._points[number] = point
        self._errors[number][replicate] = validation_error
        if not self.missing(number):
            self._started.add(number)
            objective = self.objective(number)
            if objective is not None:
                self._best = min(self._best or (objective, number), (objective, number))
        while not self.missing(self._num_done_in_a_row):
            self._num_done_in_a_row += 1

    def missing(self, number: int) -> tuple[int, ...]:
        """Replicates of point `number` that have not finished."""
        return tuple(r for r in range(self._num_seeds) if r not in self._errors.get(number, {}))

    def objective(self, number: int) -> float | None:
        """Mean validation error over the replicates; None if the trial is not finished or a replicate failed.

        Rounded to 12 decimal places, as the report does: equal counts of errors are a tie, whatever their floats.
        """
        errors = [self._errors.get(number, {}).get(r) for r in range(self._num_seeds)]
        return None if None in errors else round(fmean(error for error in errors if error is not None), 12)

    def best(self) -> tuple[float, Point] | None:
        """Lowest objective and its point, the earliest if several share it; None if there is none yet."""
        if self._best is None:
            return None
        objective, number = self._best
        return objective, self._points[number]
