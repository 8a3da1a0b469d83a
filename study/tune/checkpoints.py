"""How trials that were cut off go on: from checkpoints that workers keep in a storage they share."""

import re
import uuid
from contextlib import suppress
from typing import Any

from study.ledger import Ledger
from study.queue.tasks import Task, TrialKey
from trainables.storage.checkpoints import Checkpoints

NAME = re.compile(r"[0-9a-f]{12}/[0-9a-f]{32}/\w+-\w+-\d+-\d+", re.ASCII)
"""Name of a checkpoint. A log may come from anywhere; no name in it leads out of the storage."""


class Continuation:
    """The checkpoints of one run.

    Args:
        storage: Folder or URI that every worker reaches.
        study_hash: Keeps studies apart in it.
        ledger: Knows what earlier runs have begun.

    Raises:
        ValueError: The storage is neither an absolute path nor a URI.
    """

    def __init__(self, storage: str, study_hash: str, ledger: Ledger) -> None:
        self._storage, self._ledger = storage, ledger
        self._checkpoints = Checkpoints(storage)
        # Two runs never write the same file, not even those of two studies with the same hash.
        self._folder = f"{study_hash}/{uuid.uuid4().hex}"
        self._earlier: dict[tuple[TrialKey, tuple[int, ...]], str] = {}

    def name(self, task: Task) -> str:
        """Name of the checkpoint that a task's worker writes."""
        key = task.key
        return f"{self._folder}/{key.optimizer}-{key.phase}-{key.number:05d}-{task.replicates[0]:03d}"

    def config(self, task: Task) -> dict[str, Any]:
        """What the worker has to know, see `trainables.ray_trainable`."""
        earlier = self._ledger.unfinished(task)
        if earlier is None or not NAME.fullmatch(earlier[0]):
            return {"storage": self._storage, "name": self.name(task), "earlier": None}
        name, num_epochs = earlier
        self._earlier[task.key, task.replicates] = name
        return {
            "storage": self._storage,
            "name": self.name(task),
            "earlier": {"name": name, "num_epochs": num_epochs},
        }

    def discard(self, task: Task) -> None:
        """Delete the checkpoints of a task whose rows are stored."""
        for name in (self.name(task), self._earlier.pop((task.key, task.replicates), None)):
            if name is not None:
                with suppress(OSError):  # what stays takes room and does no harm
                    self._checkpoints.discard(name)
