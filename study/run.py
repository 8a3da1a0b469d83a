"""The command line `python -m study.run`: arguments -> StudySpec -> launch -> report."""

import argparse
import errno
import pathlib
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING

from study.address import cluster_address
from study.arguments import parser
from study.provenance import command, resume_command
from study.signals import StopRequest

if TYPE_CHECKING:
    from rich.console import Console

    from study.job import Job
    from study.selection import Selection


def main(words: Sequence[str] | None = None) -> int:
    """Run a study; returns the exit status: 2 for a bad request, 128 + signal if one ended the study."""
    words = sys.argv[1:] if words is None else words
    arguments = parser().parse_args(words)
    stop = StopRequest()
    try:
        with stop.installed():
            return _run(arguments, words, stop)
    except KeyboardInterrupt:
        return _stopped(stop, command(words))
    except ValueError as error:
        _print_error(error)
        return 2
    except OSError as error:  # a directory that may not be written
        _print_error(error)
        return 1


def _stopped(stop: StopRequest, resume: str) -> int:
    print(f"Stopped; go on with: {resume}", file=sys.stderr)
    return 128 + (stop.signal or signal.SIGINT)


def _full_disk(error: OSError, resume: str) -> OSError:
    where = f" of {error.filename}" if error.filename else ""
    return OSError(f"the disk{where} is full; what is stored stays. Make room and go on with: {resume}")


def _print_error(error: Exception) -> None:
    print(f"python -m study.run: error: {' '.join(str(error).split())}", file=sys.stderr)


def _run(arguments: argparse.Namespace, words: Sequence[str], stop: StopRequest) -> int:
    from study.selection import check  # here, because `--help` needs none of what it imports

    selection = check(arguments)
    address = None if arguments.dry_run else cluster_address(arguments.address)
    # The arguments are sound; only now the imports that take seconds.
    from study.ledger import locked
    from study.request import study_directory

    if arguments.storage is not None:
        from trainables.checkpoints import Checkpoints

        Checkpoints(arguments.storage).check()
    directory = study_directory(arguments, selection)
    if arguments.dry_run:
        return _estimate(arguments, selection, directory)
    resume = resume_command(words, directory)
    with locked(directory):
        try:
            return _complete(arguments, selection, directory, address, words, stop)
        except KeyboardInterrupt:
            return _stopped(stop, resume)
        except OSError as error:
            raise (_full_disk(error, resume) if error.errno == errno.ENOSPC else error) from None


def _complete(
    arguments: argparse.Namespace,
    selection: "Selection",
    directory: pathlib.Path,
    address: str | None,
    words: Sequence[str],
    stop: StopRequest,
) -> int:
    """Train and time what is left of the study, then report."""
    from study.console import new_console, say
    from study.job import Job
    from study.ledger import Ledger
    from study.provenance import provenance
    from study.request import build_request
    from study.summary import announce
    from study.timing import is_due

    request = build_request(arguments, selection, directory)
    ledger = Ledger(directory, request.spec, continues=arguments.storage is not None)
    notes = ledger.recover()
    job = Job.open(request, ledger)
    console = new_console()
    for note in notes:
        say(console, f"Note: {note}")
    announce(console, job)
    if not job.schedule.finished or (is_due(job) and not arguments.no_timing):
        # A signal that comes before Tune listens: what earlier runs have stored is reported all the same.
        with suppress(KeyboardInterrupt):
            _train(console, arguments, address, {**provenance(words), "notes": notes}, job, stop)
    return _report(console, words, job, stop)


def _estimate(arguments: argparse.Namespace, selection: "Selection", directory: pathlib.Path) -> int:
    from study.console import new_console
    from study.job import Job
    from study.ledger import Ledger
    from study.plan import Plan, local_workers
    from study.request import build_request
    from study.summary import announce, print_estimate
    from trainables.probe import seconds_per_image

    request = build_request(arguments, selection, directory)
    job = Job.open(request, Ledger(directory, request.spec))
    console = new_console()
    announce(console, job)
    identity, optimizers = job.request.spec.identity, job.request.optimizers
    if not identity.num_train_images:
        return 0
    seconds = [seconds_per_image(spec, identity.num_seeds, identity.batch_size) for spec in optimizers.values()]
    workers = local_workers(arguments.cpus_per_trial, arguments.max_concurrent)
    times = len(optimizers) > 1 and not arguments.no_timing
    print_estimate(console, Plan.of(job), fmean(seconds), workers, times=times)
    return 0


def _train(
    console: "Console",
    arguments: argparse.Namespace,
    address: str | None,
    provenance: Mapping[str, object],
    job: "Job",
    stop: StopRequest,
) -> None:
    from study.budget import TimeBudget
    from study.callback import LedgerCallback
    from study.console import say
    from study.continuation import Continuation
    from study.launch import Execution, connected, run_schedule, time_on_cluster
    from study.progress import Progress
    from study.router import Router
    from study.summary import compile_convolutions
    from study.timing import is_due, time_winners
    from trainables.data import load_dataset

    spec = job.request.spec
    budget = TimeBudget(arguments.time_budget)
    continuation = Continuation(arguments.storage, spec.study_hash, job.ledger) if arguments.storage else None
    images = load_dataset(arguments.dataset, data_dir=arguments.data_dir, download=arguments.download)
    data = images.subset(spec.identity.num_train_images)
    sources = {name: stored.source for name, stored in spec.optimizers.items() if stored.source}
    execution = Execution(
        address=address,
        cpus_per_trial=arguments.cpus_per_trial,
        gpus_per_trial=arguments.gpus_per_trial,
        max_concurrent=arguments.max_concurrent,
        max_failures=arguments.max_failures,
    )
    if execution.trains_on_these_cores and spec.identity.uses_compiled_code:
        compile_convolutions(console)
    with connected(execution, stop):
        job.ledger.record_run(provenance, job.request.claims)
        if not job.schedule.finished:
            router = Router(job.schedule, spec.identity, budget, continuation)
            with Progress(job.schedule, spec.extent.optimizers, job.outcomes, console) as progress:
                callback = LedgerCallback(job.ledger, router, progress, continuation)
                run_schedule(router, callback, data, sources, execution, stop)
            job.ledger.close(finished=job.schedule.finished)
        if stop.signal is None and not arguments.no_timing and is_due(job):
            measure = partial(time_on_cluster, data=data, sources=sources, execution=execution)
            time_winners(job, measure, partial(say, console))
    if budget.has_cut:
        say(
            console,
            "The time budget has cut the study short, after as many trials for every optimizer; "
            "the same command with a larger one goes on.",
        )


def _report(console: "Console", words: Sequence[str], job: "Job", stop: StopRequest) -> int:
    from analysis.spec import LedgerError
    from study.reporting import report_apart
    from study.summary import print_report

    try:
        report = report_apart(job.request.directory)
        job.ledger.record_look(job.request.spec.extent.num_confirm_seeds)
        print_report(console, report)
    except LedgerError as error:
        console.print(f"No report: {error}", soft_wrap=True, highlight=False, markup=False)
    if stop.signal is None and job.schedule.finished:
        return 0
    resume = resume_command(words, job.request.directory)
    console.print(f"Not finished; go on with: {resume}", soft_wrap=True, highlight=False, markup=False)
    return 1 if stop.signal is None else 128 + stop.signal


if __name__ == "__main__":
    sys.exit(main())
