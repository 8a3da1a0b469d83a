"""The command line `python -m study.run`: arguments -> StudySpec -> launch -> report."""

import argparse
import errno
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from statistics import fmean
from typing import TYPE_CHECKING

from study.cluster.address import cluster_address
from study.request.options import parser
from study.request.provenance import command, resume_command
from study.signals import StopRequest

if TYPE_CHECKING:
    from rich.console import Console

    from study.job import Job
    from study.request.checks import Selection
    from study.request.output import Output


def main(words: Sequence[str] | None = None) -> int:
    """Run a study; returns the exit status: 2 for a bad request, 128 + signal if one ended the study."""
    words = sys.argv[1:] if words is None else words
    stop = StopRequest()
    try:
        arguments = parser().parse_args(words)
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
    from study.request.checks import check  # here, because `--help` needs none of what it imports

    selection = check(arguments)
    address = None if arguments.dry_run else cluster_address(arguments.address)
    if arguments.autoscaling and address is None and not arguments.dry_run:
        raise ValueError("--autoscaling is for a cluster: give its --address, or leave it out.")
    # The arguments are sound; only now the imports that take seconds.
    from study.ledger.lock import all_locked
    from study.ledger.mirror.mirror import MirrorError
    from study.request.request import study_output

    if arguments.storage is not None:
        from trainables.storage.checkpoints import Checkpoints

        Checkpoints(arguments.storage).check()
    output = study_output(arguments, selection)
    if arguments.dry_run:
        return _estimate(arguments, selection, output)
    output.check()
    resume = resume_command(words, output.word)
    with all_locked(output.directory, arguments.repeats, output.stored_repeats()):
        try:
            return _complete(arguments, selection, output, address, words, stop)
        except KeyboardInterrupt:
            return _stopped(stop, resume)
        except MirrorError as error:
            raise OSError(f"{error}. All that is stored is in {output.directory}; go on with: {resume}") from None
        except OSError as error:
            raise (_full_disk(error, resume) if error.errno == errno.ENOSPC else error) from None


def _complete(
    arguments: argparse.Namespace,
    selection: "Selection",
    output: "Output",
    address: str | None,
    words: Sequence[str],
    stop: StopRequest,
) -> int:
    """Train and time what is left of the study and its repeats, then report."""
    from study.display.announce import announce
    from study.display.console import new_console, say
    from study.job import Job
    from study.request.provenance import provenance
    from study.request.request import build_requests
    from study.tune.step_timing import is_due

    output.fetch(arguments.repeats)
    jobs = []
    for request in build_requests(arguments, selection, output.directory, str(output)):
        ledger = output.ledger(request.directory, request.spec, continues=arguments.storage is not None)
        notes = ledger.recover()
        jobs.append(Job.open(request, ledger, notes))
    console = new_console()
    for note in [note for job in jobs for note in job.notes]:
        say(console, f"Note: {note}")
    announce(console, jobs)
    if not all(job.schedule.finished for job in jobs) or (is_due(jobs[0]) and not arguments.no_timing):
        # A signal that comes before Tune listens: what earlier runs have stored is reported all the same.
        with suppress(KeyboardInterrupt):
            from study.tune.driver import train  # here, because its imports take seconds in which a signal may come

            train(console, arguments, address, provenance(words), jobs, stop)
    return _report(console, words, output, jobs, stop)


def _estimate(arguments: argparse.Namespace, selection: "Selection", output: "Output") -> int:
    from study.display.announce import announce, print_estimate
    from study.display.console import new_console
    from study.job import Job, Plan, local_workers
    from study.ledger import Ledger
    from study.request.request import build_requests
    from trainables.training.probe import seconds_per_image

    with output.preview() as directory:
        requests = build_requests(arguments, selection, directory, str(output))
        jobs = [Job.open(request, Ledger(request.directory, request.spec)) for request in requests]
    console = new_console()
    announce(console, jobs)
    identity, optimizers = requests[0].spec.identity, requests[0].optimizers
    if not identity.num_train_images:
        return 0
    seconds = [seconds_per_image(spec, identity.num_seeds, identity.batch_size) for spec in optimizers.values()]
    workers = local_workers(arguments.cpus_per_trial, arguments.max_concurrent)
    times = len(optimizers) > 1 and not arguments.no_timing
    print_estimate(console, Plan.of(*jobs), fmean(seconds), workers, times=times)
    return 0


def _report(
    console: "Console", words: Sequence[str], output: "Output", jobs: Sequence["Job"], stop: StopRequest
) -> int:
    from analysis.ledger.study import LedgerError
    from study.display.console import say
    from study.display.report import print_report, report_apart

    first = jobs[0]
    try:
        report = report_apart(first.request.directory)
        repeated = [outcome for job in jobs[1:] for outcome in job.ledger.outcomes()]
        first.ledger.record_look(first.request.spec.extent.num_confirm_seeds, repeated)
        output.put_report()
        print_report(console, report)
        if output.is_mirrored:
            say(console, f"All of it, the report included, is also at {output.word}")
        if len(jobs) > 1:
            say(console, f"The table is that of the first of {len(jobs)} tunings; the report has all of them.")
    except LedgerError as error:
        console.print(f"No report: {error}", soft_wrap=True, highlight=False, markup=False)
    if stop.signal is None and all(job.schedule.finished for job in jobs):
        return 0
    resume = resume_command(words, output.word)
    console.print(f"Not finished; go on with: {resume}", soft_wrap=True, highlight=False, markup=False)
    return 1 if stop.signal is None else 128 + stop.signal


if __name__ == "__main__":
    sys.exit(main())
