"""Ray Tune alone, on trials that train nothing: a process of its own for `overhead`.

`python -m benchmarks._overhead_bare RESULT.json TRIALS EPOCHS WORKERS` runs what a user of Tune would write to spend
little on each trial: actors are reused, loggers and snapshots are off, points are drawn as they are needed, one plain
number is reported per epoch.
"""

import json
import logging
import os
import pathlib
import random
import resource
import sys
import tempfile
import time
from typing import Any

os.environ |= {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "RAY_AIR_NEW_OUTPUT": "0",
}

import ray
from ray import tune


class Nothing(tune.Trainable):
    """Reports as many numbers as there are epochs."""

    def setup(self, config: dict[str, Any]) -> None:
        """Begin a trial."""
        self._epoch, self._num_epochs, self._rate = 0, config["epochs"], config["learning_rate"]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Become another trial without a new process."""
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Pass for an epoch."""
        self._epoch += 1
        return {"error": abs(self._rate - 0.1) / self._epoch, "done": self._epoch == self._num_epochs}


class RandomSearch(tune.search.Searcher):
    """Random points, one at a time as workers become free: Tune's own would queue actors that are never needed."""

    def __init__(self, num_epochs: int) -> None:
        super().__init__()
        self._num_epochs, self._random = num_epochs, random.Random(0)

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """The next point."""
        return {"learning_rate": 10 ** self._random.uniform(-4, 0), "epochs": self._num_epochs}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing is learned."""


class Clock(tune.Callback):
    """Notes when each trial has ended."""

    ends: list[tuple[float, float]] = []  # noqa: RUF012 # one run per process

    def on_trial_complete(self, *_: Any, **__: Any) -> None:
        """Look at the clocks."""
        self.ends.append((time.perf_counter(), time.process_time()))


def main(result: pathlib.Path, trials: int, epochs: int, workers: int) -> None:
    """Run the trials and write down what they took."""
    ray.init(
        address="local", num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
    )
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as scratch:
        tune.Tuner(
            tune.with_resources(Nothing, {"cpu": 1}),
            tune_config=tune.TuneConfig(
                search_alg=RandomSearch(epochs), num_samples=trials, max_concurrent_trials=workers, reuse_actors=True
            ),
            run_config=tune.RunConfig(
                storage_path=scratch,
                verbose=0,
                callbacks=[Clock()],
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        ).fit()
    wall, cpu = map(list, zip(*Clock.ends, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result.write_text(json.dumps({"wall": wall, "cpu": cpu, "peak_bytes": peak}), encoding="utf-8")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:]))
