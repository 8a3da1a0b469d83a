"""Workers between two trials: which of them are kept, in the place of Tune's own choice.

Tune ends every idle worker as soon as a trial waits that none of them suits, and keeps no further one until that trial
has started. Where trials of several owners alternate, hardly any worker would be used twice.
"""

from collections import Counter
from collections.abc import Generator
from typing import Any

from ray.tune.execution.tune_controller import TuneController
from ray.tune.utils.object_cache import _ObjectCache


class WorkerCache(_ObjectCache):
    """Keeps all idle workers, and ends one for each trial that has to be given a new one.

    Keys are requests for resources; they are equal for trials that may share workers.
    """

    def __init__(self) -> None:
        super().__init__()
        self._unserved: Counter[Any] = Counter()

    def increase_max(self, key: Any, by: int = 1) -> None:
        """A trial waits for a worker."""
        super().increase_max(key, by)
        self._unserved[key] += by

    def decrease_max(self, key: Any, by: int = 1) -> None:
        """One that has waited has its worker, or waits no more."""
        super().decrease_max(key, by)
        self._unserved[key] = min(self._unserved[key], self._max_num_objects[key])

    def cache_object(self, key: Any, obj: Any) -> bool:
        """Keep a worker."""
        self._cached_objects[key].append(obj)
        self._num_cached_objects += 1
        return True

    def pop_cached_object(self, key: Any) -> Any:
        """A worker for a trial that waits, None if there is none."""
        worker = super().pop_cached_object(key)
        if worker is not None:
            self._unserved[key] = max(0, self._unserved[key] - 1)
        return worker

    def flush_cached_objects(self, force_all: bool = False) -> Generator[Any, None, None]:
        """Workers to be ended: each frees what a waiting trial needs; of one with other resources nobody knows that."""
        if force_all:
            yield from super().flush_cached_objects(force_all=True)
            return
        # A trial is given an idle worker of its own kind next; only those beyond them need the place of another.
        for key, waiting in list(self._unserved.items()):
            for _ in range(waiting - len(self._cached_objects[key])):
                spare: list[Any] = [
                    other for other, idle in self._cached_objects.items() if len(idle) > self._unserved[other]
                ]
                if not spare:
                    break  # those that still wait ask again, when a worker is free
                self._unserved[key] -= 1
                equal = [other for other in spare if other.required_resources == key.required_resources]
                for other in equal[:1] or spare:
                    for _ in range(1 if equal else len(self._cached_objects[other])):
                        self._num_cached_objects -= 1
                        yield self._cached_objects[other].pop(0)


def keep_workers(controller: Any) -> None:
    """Have Tune keep workers in this way from now on.

    Args:
        controller: As schedulers are given it.
    """
    inner: TuneController = controller._tune_controller
    if not isinstance(inner._actor_cache, WorkerCache):
        inner._actor_cache = WorkerCache()
