"""Runs a schedule on Ray: one Tuner after the other, resources, signals."""

import logging
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray import tune

from study.callback import LedgerCallback, error_message
from study.router import FirstPending, Router
from study.signals import StopRequest
from trainables.data import Dataset
from trainables.ray_trainable import RayTrainable, StepTimer
from trainables.trial import TrialConfig

TRIALS_PER_TUNER = 1000
"""Tune keeps some 35 kB of every trial until its Tuner ends, and writes them all down then."""

TIMING_SECONDS = 29.0
"""For the timing of steps, the start of its worker included; a study promises less than 30."""

TUNE_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the ledger is the only record
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # `StopRequest` has its own
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # the ledger keeps the message
    "TUNE_RESULT_BUFFER_LENGTH": "1",  # an epoch is logged before the next one is asked for
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # nothing resumes from Tune's snapshots
    "RAY_AIR_NEW_OUTPUT": "0",  # the new one prints even when told to be silent
}


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How to run, which may differ from one run of a study to the next.

    Args:
        address: Ray cluster to join; None for one of its own on this machine.
        cpus_per_trial: CPU cores of each trial.
        gpus_per_trial: GPUs of each trial; a fraction shares one.
        max_concurrent: Trials at once; None for as many as the cluster has room for.
        max_failures: Times that a trial whose worker dies or raises is started again.
    """

    address: str | None
    cpus_per_trial: float
    gpus_per_trial: float
    max_concurrent: int | None
    max_failures: int

    @property
    def trains_on_these_cores(self) -> bool:
        """Whether trials run on the CPU of this machine, as far as one can tell."""
        return self.address is None and not self.gpus_per_trial

    @property
    def resources(self) -> dict[str, float]:
        """What one trial takes, in Ray's names."""
        amounts = {"CPU": self.cpus_per_trial, "GPU": self.gpus_per_trial}
        return {name: amount for name, amount in amounts.items() if amount}


def run_schedule(
    router: Router,
    callback: LedgerCallback,
    data: Dataset,
    sources: Mapping[str, str],
    execution: Execution,
    stop: StopRequest,
) -> None:
    """Train until the schedule is finished or a signal comes; Ray must be connected.

    Args:
        router: Hands out the trials.
        callback: Stores them.
        data: The images, put once into the object store.
        sources: Text of each user's own optimizer file by optimizer name.
        execution: Resources.
        stop: Ends the run early.

    Raises:
        OSError: Rows could not be stored.
    """
    os.environ |= TUNE_SETTINGS
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    trainable = tune.with_resources(
        tune.with_parameters(RayTrainable, data=data, sources=dict(sources)),
        {name.lower(): amount for name, amount in execution.resources.items()},
    )
    with stop.tuning():
        while not router.finished and stop.signal is None:
            router.admit(TRIALS_PER_TUNER)
            try:
                _run_tuner(trainable, router, callback, execution)
            except Exception:
                if callback.error is None:
                    raise
                raise callback.error from None
            finally:
                callback.settle(wait=True)


def time_on_cluster(
    configs: Sequence[TrialConfig],
    data: Dataset,
    sources: Mapping[str, str],
    execution: Execution,
    seconds: float = TIMING_SECONDS,
) -> list[dict[str, Any]]:
    """Time steps on one worker, with one CPU core or less if a trial has less; Ray must be connected.

    Args:
        configs: What to time, one for each optimizer.
        data: The images.
        sources: Text of each user's own optimizer file by optimizer name.
        execution: Resources of a trial.
        seconds: Wall time at most, the start of the worker included.

    Returns:
        Rows of `timings`, their blocks numbered from 0.

    Raises:
        RuntimeError: The worker has died, or an optimizer has raised.
    """
    start = time.monotonic()
    resources = {"num_cpus": min(1.0, execution.cpus_per_trial), "num_gpus": execution.gpus_per_trial}
    timer: Any = ray.remote(StepTimer).options(**resources).remote(configs, ray.put(data), dict(sources))
    try:
        place: dict[str, str] = ray.get(timer.place.remote())
        timings: list[dict[str, Any]] = ray.get(timer.time.remote(start + seconds - time.monotonic()))
    except ray.exceptions.RayError as error:
        raise RuntimeError(error_message(str(error))) from None
    finally:
        ray.kill(timer)
    return [{**timing, "replicates": len(configs[0].seeds), **place} for timing in timings]


def _run_tuner(trainable: type[tune.Trainable], router: Router, callback: LedgerCallback, execution: Execution) -> None:
    room = check_room(execution)
    with tempfile.TemporaryDirectory(prefix="study-tune-") as scratch:
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=router,
                scheduler=FirstPending(),  # type: ignore[no-untyped-call]
                num_samples=-1,
                max_concurrent_trials=min(room, execution.max_concurrent or room),
                reuse_actors=True,
                trial_name_creator=lambda trial: trial.trial_id,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=scratch,
                verbose=0,
                callbacks=[callback],
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=execution.max_failures),
            ),
        ).fit()


def check_room(execution: Execution) -> int:
    """Trials that the cluster can run at once; Ray must be connected.

    Raises:
        ValueError: It has not the resources of one.
    """
    available: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    room = min(int(available.get(name, 0) / amount) for name, amount in execution.resources.items())
    if room < 1:
        wanted = ", ".join(f"{amount:g} {name}" for name, amount in execution.resources.items())
        has = ", ".join(f"{available.get(name, 0):g} {name}" for name in execution.resources)
        raise ValueError(
            f"One trial needs {wanted}, but the cluster has {has}; lower --cpus-per-trial or --gpus-per-trial."
        )
    return room
