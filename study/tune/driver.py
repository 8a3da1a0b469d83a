"""Trains what is left of a study and its repeats, one after the other on one connection to Ray, then times steps."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from rich.console import Console

from study.cluster.connection import Connection, connected
from study.cluster.nodes import describe, find_slots
from study.cluster.slots import Slots
from study.display.announce import compile_convolutions
from study.display.console import say
from study.display.fleet import Fleet
from study.display.progress import Progress
from study.job import Job
from study.ledger.rows import Row
from study.queue.time_budget import TimeBudget, time_budgets
from study.raw_output import raw_output_apart
from study.request.records import RunOptions
from study.signals import StopRequest
from study.tune.assignments import Assignments
from study.tune.callback import LedgerCallback
from study.tune.checkpoints import Continuation
from study.tune.commits import Commits
from study.tune.launch import DatasetRef, put_dataset, run_queue, time_on_cluster
from study.tune.searcher import QueueSearcher
from study.tune.settlement import Settlement
from study.tune.step_timing import Measure, is_due, time_winners
from trainables.data.dataset import load_dataset
from trainables.training.trial import TrialConfig

NextRound = Callable[[Job, TimeBudget], Job | None]
"""What is to be done after a finished job within the rest of its budget; None if that is nothing."""


class _Common(NamedTuple):
    """What all jobs of a command share."""

    console: Console
    run: RunOptions
    connection: Connection
    slots: Slots
    data: DatasetRef
    stop: StopRequest


def train(
    console: Console,
    run: RunOptions,
    address: str | None,
    provenance: Mapping[str, object],
    jobs: Sequence[Job],
    stop: StopRequest,
    next_round: NextRound | None = None,
) -> list[Job]:
    """Train until all jobs are finished or a signal comes; then time the winners of the first.

    Args:
        console: Where to show it.
        run: How it is run: data, resources, budget.
        address: Ray cluster to join; None for one of its own.
        provenance: Where the rows come from.
        jobs: A study and its repeats, in the order in which they are trained.
        stop: Ends the run early.
        next_round: Makes of a finished job what is to be done after it; None if nothing ever is.

    Returns:
        The jobs, or what has been done about them last.

    Raises:
        ValueError: Ray cannot be reached, has no node for a trial, or has one without our packages or with others.
        OSError: Ray cannot start, or rows could not be stored.
    """
    done = list(jobs)
    unfinished = [(place, job) for place, job in enumerate(jobs) if not job.queue.finished]
    identity = jobs[0].study.spec.identity
    budgets = time_budgets(run.time_budget, len(unfinished))
    images = load_dataset(identity.dataset, data_dir=run.data_dir, download=run.download)
    has_cut = False
    with raw_output_apart(), connected(address, stop) as connection:
        slots = find_slots(run.resources, identity.precision, address, connection.nodes)
        if address is not None:
            say(console, describe(connection.dashboard))
        elif "cpu" in slots.kinds and identity.uses_compiled_code:
            compile_convolutions(console)
        data = put_dataset(images.subset(identity.num_train_images, identity.num_evaluation_images))
        common = _Common(console, run, connection, slots, data, stop)
        for (place, job), budget in zip(unfinished, budgets, strict=True):
            if len(jobs) > 1:
                repeat = job.study.spec.identity.repeat
                say(console, f"Repeat {repeat} of the tuning, in {job.study.directory}:")
            _record_run(job, provenance)
            done[place] = _train_in_rounds(common, job, budget, next_round)
            has_cut |= budget.has_cut
            if stop.signal is not None:
                break
        if stop.signal is None and run.timing and is_due(jobs[0]):
            if 0 not in dict(unfinished):
                _record_run(jobs[0], provenance)
            # On one worker, and so on one kind of device.
            resources = slots.share.of(slots.kind_with_room)
            measure = partial(time_on_cluster, data=data, sources=_sources(jobs[0]), resources=resources)
            time_winners(jobs[0], _vouched(measure, connection), partial(say, console))
    if has_cut:
        say(
            console,
            "The time budget has cut the study short, after as many trials for every optimizer; "
            "the same command with a larger one goes on.",
        )
    return done


def _record_run(job: Job, provenance: Mapping[str, object]) -> None:
    job.ledger.record_run({**provenance, "notes": list(job.notes)}, job.study.claims, job.study.error_plan)


def _sources(job: Job) -> dict[str, str]:
    """Text of each user's own optimizer file by optimizer name."""
    return {name: stored.source for name, stored in job.study.spec.optimizers.items() if stored.source}


def _vouched(measure: Measure, connection: Connection) -> Measure:
    def measure_and_vouch(configs: Sequence[TrialConfig]) -> Sequence[Row]:
        rows = measure(configs)
        connection.vouch()
        return rows

    return measure_and_vouch


def _train_in_rounds(common: _Common, job: Job, budget: TimeBudget, next_round: NextRound | None) -> Job:
    """Train a job and what follows from its results; returns the last of these."""
    _train_one(common, job, budget)
    while next_round and job.queue.finished and not budget.has_cut and common.stop.signal is None:
        following = next_round(job, budget)
        if following is None:
            break
        job = following
        _train_one(common, job, budget)
    return job


def _train_one(common: _Common, job: Job, budget: TimeBudget) -> None:
    spec, run = job.study.spec, common.run
    continuation = Continuation(run.storage, spec.study_hash, job.ledger) if run.storage else None
    assignments = Assignments(job.queue, common.slots, budget)
    fleet = Fleet(common.connection.nodes)
    with Progress(job.queue, spec.extent.optimizers, job.outcomes, fleet, common.console) as progress:
        settlement = Settlement(Commits(job.ledger, continuation), assignments, progress)
        searcher = QueueSearcher(assignments, spec.identity, settlement.settle, continuation)
        callback = LedgerCallback(
            job.ledger,
            assignments,
            settlement,
            progress,
            max_failures=run.max_failures,
            continuation=continuation,
            vouch=common.connection.vouch,
        )
        run_queue(searcher, callback, settlement, common.data, _sources(job), common.stop)
    job.ledger.close(finished=job.queue.finished)
