"""Runs a queue on Ray: one Tuner after the other, resources, signals."""

import logging
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import ray
from ray import tune

from study.signals import StopRequest
from study.tune.callback import LedgerCallback, error_message
from study.tune.searcher import FirstPending, QueueSearcher
from study.tune.settlement import Settlement
from trainables.data.dataset import Dataset
from trainables.ray_trainable import RayTrainable, StepTimer
from trainables.training.trial import TrialConfig

DatasetRef: TypeAlias = "ray.ObjectRef[Dataset]"
"""Images in Ray's object store."""

TRIALS_PER_TUNER = 1000
"""Tune keeps some 35 kB of every trial until its Tuner ends, and writes them all down then."""

WAVES_PER_TUNER = 20
"""At the end of a Tuner places stand empty until its last trial has ended, and workers start anew."""

MOST_PENDING = 1_000_000
"""`Slots` alone says how many trials there are at once; Tune's own limit for a searcher is one that waits."""

TIMING_SECONDS = 29.0
"""For the timing of steps, the start of its worker included; a study promises less than 30."""

WAITING_SECONDS = 600.0
"""For a node with room for the timing: an autoscaler may have to start one, which then comes too late for this run."""

TUNE_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the ledger is the only record
    "TUNE_MAX_PENDING_TRIALS_PG": str(MOST_PENDING),
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # `StopRequest` has its own
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # the ledger keeps the message
    "TUNE_RESULT_BUFFER_LENGTH": "1",  # an epoch is logged before the next one is asked for
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # nothing resumes from Tune's snapshots
    "RAY_AIR_NEW_OUTPUT": "0",  # the new one prints even when told to be silent
}


def put_dataset(data: Dataset) -> DatasetRef:
    """Put the images where every node fetches them once, for all that is trained and timed; Ray must be connected."""
    return ray.put(data)


def run_queue(
    searcher: QueueSearcher,
    callback: LedgerCallback,
    settlement: Settlement,
    data: DatasetRef,
    sources: Mapping[str, str],
    stop: StopRequest,
) -> None:
    """Train until the queue is finished or a signal comes; Ray must be connected.

    Args:
        searcher: Hands out the trials.
        callback: Logs them.
        settlement: Stores them.
        data: The images.
        sources: Text of each user's own optimizer file by optimizer name.
        stop: Ends the run early.

    Raises:
        OSError: Rows could not be stored.
        ValueError: A node that must not train for us has joined.
    """
    os.environ |= TUNE_SETTINGS
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    trainable = tune.with_parameters(RayTrainable, data=data, sources=dict(sources))
    trainable.__name__ = trainable.__qualname__ = RayTrainable.__name__  # under which its processes are listed
    with stop.tuning():
        while not searcher.finished and stop.signal is None:
            searcher.admit(max(TRIALS_PER_TUNER, WAVES_PER_TUNER * searcher.places))
            try:
                _run_tuner(trainable, searcher, callback)
            except Exception as error:
                if settlement.error is not None:
                    raise settlement.error from None
                # A large result stays on its node until it is read. Where both are lost Tune gives up altogether.
                if not _is_loss(error.__cause__):
                    raise
                callback.put_back_all()
            finally:
                settlement.settle(wait=True)


def time_on_cluster(
    configs: Sequence[TrialConfig],
    data: DatasetRef,
    sources: Mapping[str, str],
    resources: Mapping[str, float],
    seconds: float = TIMING_SECONDS,
) -> list[dict[str, Any]]:
    """Time steps on one worker, with one CPU core or less if a trial has less; Ray must be connected.

    Args:
        configs: What to time, one for each optimizer.
        data: The images.
        sources: Text of each user's own optimizer file by optimizer name.
        resources: What a trial takes, in Ray's names.
        seconds: Wall time at most, the start of the worker included.

    Returns:
        Rows of `timings`, their blocks numbered from 0.

    Raises:
        RuntimeError: The worker has died or found no room, or an optimizer has raised.
    """
    start = time.monotonic()
    amounts = {"num_cpus": min(1.0, resources["CPU"]), "num_gpus": resources.get("GPU", 0.0)}
    timer: Any = ray.remote(StepTimer).options(**amounts).remote(configs, data, dict(sources))
    try:
        place: dict[str, str] = ray.get(timer.place.remote(), timeout=WAITING_SECONDS)
        timings: list[dict[str, Any]] = ray.get(timer.time.remote(start + seconds - time.monotonic()))
    except ray.exceptions.RayError as error:
        raise RuntimeError(error_message(str(error))) from None
    finally:
        ray.kill(timer)
    return [{**timing, "replicates": len(configs[0].seeds), **place} for timing in timings]


def _is_loss(error: BaseException | None) -> bool:
    """Whether an object went with its node. One that cannot be fetched is still there, and stays out of reach."""
    lost, out_of_reach = ray.exceptions.ObjectLostError, ray.exceptions.ObjectFetchTimedOutError
    return isinstance(error, lost) and not isinstance(error, out_of_reach)


def _run_tuner(trainable: type[tune.Trainable], searcher: QueueSearcher, callback: LedgerCallback) -> None:
    # Where the clock jumps Tune may lose patience with its own thread, which then still writes while this is removed.
    with tempfile.TemporaryDirectory(prefix="study-tune-", ignore_cleanup_errors=True) as scratch:
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=FirstPending(),  # type: ignore[no-untyped-call]
                num_samples=-1,
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
                failure_config=tune.FailureConfig(max_failures=0),  # the callback has the searcher hand them out again
            ),
        ).fit()
