"""What follows the tuning of an optimizer: confirmation, ablations and the sweep, as far as it is missing."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from analysis.ledger.plan import num_ablations, num_confirmed_settings
from analysis.ledger.schema import TESTED_PHASES
from study.queue.tasks import Outcome, Task, TrialKey, new_task
from study.search import Point
from study.spec import StudySpec

FOLLOW_UPS = (*TESTED_PHASES, "sweep")
"""Phases after tuning, the most urgent first: without confirmation there is no verdict."""

CONFIRM_GROUP = 6
"""Fewest replicates that train at once on fresh seeds, if there are as many: larger groups cost less each."""

SWEEP_GROUP = 12
"""The same of a sweep, whose groups are many more than there are workers: none waits for the last one to end."""


def urgency(task: Task) -> int:
    """Place of a task's phase among `FOLLOW_UPS`: the lower, the sooner."""
    return FOLLOW_UPS.index(task.key.phase)


class FollowUps:
    """Tasks on the setting that tuning has found.

    Args:
        spec: The study.
        winner_seeds: Fresh seeds of the winners of some optimizers, where these are more than the study plans for all.
    """

    def __init__(self, spec: StudySpec, winner_seeds: Mapping[str, int]) -> None:
        self._spec = spec
        self._winner_seeds = winner_seeds
        self._points: dict[tuple[str, str], dict[int, Point]] = defaultdict(dict)
        self._finished: dict[TrialKey, set[int]] = defaultdict(set)
        self._sweep = spec.sweep

    def record(self, outcome: Outcome) -> None:
        """Take note of a finished replicate that is not one of tuning."""
        key = outcome.key
        self._finished[key].add(outcome.replicate)
        self._points[key.optimizer, key.phase][key.number] = outcome.point

    def skip_sweep(self) -> None:
        """Make no further sweep task."""
        self._sweep = None

    def num_finished(self, name: str) -> int:
        """Replicates of an optimizer that have finished."""
        return sum(len(replicates) for key, replicates in self._finished.items() if key.optimizer == name)

    def tasks(self, name: str, winner: Point | None) -> list[Task]:
        """What is missing for a winner, None if no trial of the tuning can win: the most urgent first."""
        found = [*self._confirm_tasks(name, winner)]
        if winner is not None:
            found += [*self._ablation_tasks(name, winner), *self._sweep_tasks(name, winner)]
        return sorted(found, key=urgency)

    def num_to_come(self, name: str) -> int:
        """Replicates to come after a tuning that goes on; the winner may show that some are not needed."""
        # Only the winner shows whether some of the sweep would leave the domain of a hyperparameter.
        num_swept = self._sweep.num_replicates(self._spec.optimizers[name].space) if self._sweep else 0
        return num_swept + self.num_confirmations_to_come(name)

    def num_confirmations_to_come(self, name: str) -> int:
        """Those of them that are on the confirmation seeds and no sweep."""
        # Only the end of tuning shows whether the winner is published, neutral or has been confirmed before.
        num_settings = num_confirmed_settings(has_published=self._confirms_published, published_won=False)
        num_settings += num_ablations(self._spec.optimizers[name].reduces_to, winner=None)
        return num_settings * self._spec.extent.num_confirm_seeds - len(self._finished[TrialKey(name, "confirm", 0)])

    @property
    def _confirms_published(self) -> bool:
        """A repeat asks what another tuning finds; the published setting would only be measured once more."""
        return not self._spec.identity.own_seeds

    def _confirm_tasks(self, name: str, winner: Point | None) -> Iterator[Task]:
        published = self._spec.optimizers[name].published
        points = {0: published} if self._confirms_published or winner in (None, published) else {}
        if winner is not None and winner != published:
            points |= self._numbered(name, "confirm", {1: winner}, block=1)
        for number, point in points.items():
            num_seeds = self._spec.extent.num_confirm_seeds
            if point == winner:
                num_seeds = max(num_seeds, self._winner_seeds.get(name, 0))
            sampler = "published" if number == 0 else "winner"
            yield from self._fresh_tasks(TrialKey(name, "confirm", number), sampler, point, num_seeds)

    def _ablation_tasks(self, name: str, winner: Point) -> Iterator[Task]:
        points = [{**winner, **at} for at in self._spec.optimizers[name].reduces_to.values()]
        numbered = self._numbered(name, "ablation", dict(enumerate(points)), block=len(points))
        num_seeds = self._spec.extent.num_confirm_seeds
        for number, point in numbered.items():
            if point != winner:
                yield from self._fresh_tasks(TrialKey(name, "ablation", number), "ablation", point, num_seeds)

    def _fresh_tasks(self, key: TrialKey, sampler: str, point: Point, num_seeds: int) -> Iterator[Task]:
        """What is missing of a trial on so many confirmation seeds, in groups."""
        missing = [r for r in range(num_seeds) if r not in self._finished[key]]
        size = max(self._spec.identity.num_seeds, CONFIRM_GROUP)
        for start in range(0, len(missing), size):
            yield new_task(self._spec, key, sampler, point, missing[start : start + size], is_fresh=True)

    def _sweep_tasks(self, name: str, winner: Point) -> Iterator[Task]:
        if self._sweep is None:
            return
        space = self._spec.optimizers[name].space
        points = {
            number: {**winner, swept.hyperparameter: swept.value}
            for number, swept in self._sweep.points(space, winner).items()
        }
        size = max(self._spec.identity.num_seeds, SWEEP_GROUP)
        for number, point in self._numbered(name, "sweep", points, block=self._sweep.block_size(space)).items():
            key = TrialKey(name, "sweep", number)
            missing = [r for r in range(self._sweep.num_seeds) if r not in self._finished[key]]
            for start in range(0, len(missing), size):
                group = missing[start : start + size]
                yield new_task(self._spec, key, "sweep", point, group, is_fresh=self._sweep.is_fresh)

    def _numbered(self, name: str, phase: str, points: Mapping[int, Point], *, block: int) -> dict[int, Point]:
        """Points by number, or so many blocks further that no point of a former winner has one of the numbers.

        So a point keeps its number however many of the points around it an earlier run has trained.
        """
        known, numbered = self._points[name, phase], dict(points)
        while any(known.get(number, point) != point for number, point in numbered.items()):
            numbered = {number + block: point for number, point in numbered.items()}
        return numbered
