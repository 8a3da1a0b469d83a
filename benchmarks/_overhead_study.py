"""One study that trains nothing, run to its report and timed from within: a process of its own for `overhead`.

`python -m benchmarks._overhead_study RESULT.json OPTIONS...` runs `python -m study.run OPTIONS...`.
"""

import dataclasses
import json
import pathlib
import resource
import sys
import time
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import study.run
from study.search import PointRequest, Proposal, SearchAlgorithm, load_search
from study.tune.callback import LedgerCallback


class TimedCallback(LedgerCallback):
    """Notes when each trial has ended, and what had been spent on choosing points by then."""

    ends: list[tuple[float, float, float]] = []  # noqa: RUF012 # one study per process

    def on_trial_complete(self, *arguments: Any, **info: Any) -> None:
        """Have it stored, then look at the clocks."""
        super().on_trial_complete(*arguments, **info)
        self.ends.append((time.perf_counter(), time.process_time(), TimedSearch.seconds))


class TimedSearch:
    """A search algorithm that adds up the time in which it chooses points."""

    seconds = 0.0

    def __init__(self, algorithm: SearchAlgorithm) -> None:
        self._propose = algorithm.propose

    def __call__(self, request: PointRequest) -> Proposal:
        """Choose a point."""
        start = time.perf_counter()
        proposal = self._propose(request)
        TimedSearch.seconds += time.perf_counter() - start
        return proposal


def timed_search(name: str) -> SearchAlgorithm:
    """The search algorithm of a name, timed."""
    algorithm = load_search(name)
    return dataclasses.replace(algorithm, propose=TimedSearch(algorithm))


def main(words: Sequence[str]) -> int:
    """Run the study and write down what it took."""
    result, *options = words
    with patch("study.tune.callback.LedgerCallback", TimedCallback), patch("study.job.load_search", timed_search):
        status = study.run.main(options)
    wall, cpu, asking = map(list, zip(*TimedCallback.ends, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    pathlib.Path(result).write_text(
        json.dumps({"wall": wall, "cpu": cpu, "asking": asking, "peak_bytes": peak}), encoding="utf-8"
    )
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
