"""Who decides that a trial is trained once more: after the loss of its machine always, after a failure a few times."""

import re
from collections import Counter
from dataclasses import dataclass

from study.queue.tasks import TrialKey

LOST_NODE = re.compile(r"because its node has died|The actor \w+ is unavailable: ")
"""What Ray says of a trial whose node has ended, was preempted or cannot be reached any more."""

TERMINATED = "The process receives a SIGTERM."
"""What Ray says of a worker that was asked to end, as all are when their machine is switched off."""

MOST_TERMINATIONS = 10
"""Of one trial, that are not its failures: something else than a lack of machines asks for more."""

Group = tuple[TrialKey, tuple[int, ...]]
"""Replicates that train at once."""


@dataclass(frozen=True)
class Retry:
    """A group is to be trained once more.

    Args:
        has_lost_node: Whether its machine went, or was about to.
    """

    has_lost_node: bool


class Retries:
    """Counts how often each group has ended early. The loss of a node is no failure of the trial that it trained.

    Args:
        max_failures: Times that a group whose worker dies or raises is started again.
    """

    def __init__(self, max_failures: int) -> None:
        self._max_failures = max_failures
        self._num_failures: Counter[Group] = Counter()
        self._num_terminations: Counter[Group] = Counter()

    def after(self, group: Group, text: str) -> Retry | None:
        """What follows an early end of a group; None once it has failed for good.

        Args:
            group: Replicates that trained at once.
            text: What Ray says of the end.
        """
        has_lost_node = self._has_lost_node(group, text)
        self._num_failures[group] += not has_lost_node
        if has_lost_node or self._num_failures[group] <= self._max_failures:
            return Retry(has_lost_node)
        return None

    def _has_lost_node(self, group: Group, text: str) -> bool:
        if TERMINATED in text:
            self._num_terminations[group] += 1
            return self._num_terminations[group] <= MOST_TERMINATIONS
        return bool(LOST_NODE.search(text))
