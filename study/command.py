"""Carries out a request that has passed the checks: trains what is left and reports, or prints the plan."""

import errno
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from statistics import fmean
from typing import Any

from rich.console import Console

from analysis.ledger.study import LedgerError
from analysis.plugins import PluginError
from study.display.announce import announce, print_estimate
from study.display.console import new_console, say
from study.display.report import print_report, report_apart
from study.job import Job, Plan, local_workers
from study.ledger import Ledger
from study.ledger.lock import all_locked
from study.ledger.mirror.mirror import MirrorError
from study.request.changes import has_changed, refuse_changes, runs_with_rows
from study.request.code import code_of
from study.request.options import program
from study.request.output import Output
from study.request.provenance import provenance, resume_command
from study.request.records import Request
from study.request.study import build_studies, study_output
from study.rounds import next_round
from study.signals import StopRequest
from study.tune.step_timing import is_due
from study.watcher import told_if_killed
from trainables.storage.checkpoints import Checkpoints


def carry_out(request: Request, address: str | None, words: Sequence[str], stop: StopRequest) -> int:
    """Do what is asked for.

    Args:
        request: What is asked for.
        address: Ray cluster to join; None for one of this machine.
        words: The command line, for the record and to say how to go on.
        stop: Ends the run early.

    Returns:
        The exit status: 0 for a finished study, 1 for one that is not, 128 + signal if one ended it.

    Raises:
        ValueError: What is asked for is not possible; the message is one line.
        OSError: Something cannot be stored.
    """
    run = request.run
    if run.storage is not None:
        Checkpoints(run.storage).check()
    output = study_output(request)
    if run.dry_run:
        return _estimate(request, output)
    output.check()
    stop.resume = resume = resume_command(words, output.word)
    ended = (
        f"{program()} was ended at once, by a signal or by Ray; all finished epochs are stored. Go on with: {resume}"
    )
    with all_locked(output.directory, request.num_repeats, output.stored_repeats()), told_if_killed(ended):
        stop.watched = True
        try:
            return _complete(request, output, address, words, stop)
        except KeyboardInterrupt:
            return stop.answer()
        except MirrorError as error:
            raise OSError(f"{error}. All that is stored is in {output.directory}; go on with: {resume}") from None
        except OSError as error:
            raise _with_way_on(error, resume) from None


def _with_way_on(error: OSError, resume: str) -> OSError:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        told = "the same command" in str(error)
        return error if told else OSError(f"{str(error).rstrip('.')}. Go on with: {resume}")
    where = f" of {error.filename}" if error.filename else ""
    return OSError(f"the disk{where} is full; what is stored stays. Make room and go on with: {resume}")


def _complete(request: Request, output: Output, address: str | None, words: Sequence[str], stop: StopRequest) -> int:
    """Train and time what is left of the study and its repeats, then report."""
    run = request.run
    output.fetch(request.num_repeats)
    jobs = []
    for study in build_studies(request, output.directory, str(output)):
        ledger = output.ledger(study.directory, study.spec, continues=run.storage is not None)
        notes = ledger.recover()
        jobs.append(Job.open(study, ledger, notes))
    console = new_console()
    rounds = partial(next_round, console) if request.until_decided else None
    if rounds and jobs[0].queue.finished:
        jobs = [rounds(jobs[0]) or jobs[0]]
    for note in [note for job in jobs for note in job.notes]:
        say(console, f"Note: {note}")
    is_trained = all(job.queue.finished for job in jobs)
    is_left = not is_trained or (is_due(jobs[0]) and run.timing)
    origin = _origin(request, words, jobs) if is_left else {}
    restarted = [] if is_trained else [_restarts(job, origin) for job in jobs]
    if any(restarted):
        say(console, "Note: trials that were cut off begin anew: they had begun with other code or other versions.")
    announce(console, jobs, until_decided=request.until_decided)
    if is_left:
        # A signal that comes before Tune listens: what earlier runs have stored is reported all the same.
        with suppress(KeyboardInterrupt):
            from study.tune.driver import train  # here, because Ray takes seconds in which a signal may come

            jobs = train(console, run, address, origin, jobs, stop, rounds)
    return _report(console, words, output, jobs, stop)


def _restarts(job: Job, origin: Mapping[str, Any]) -> bool:
    """Have trials that were cut off begin anew where they would go on with other code; returns whether any do."""
    return has_changed(origin, job.study.directory) and job.ledger.restart_unfinished()


def _origin(request: Request, words: Sequence[str], jobs: Sequence[Job]) -> dict[str, Any]:
    """What the rows to come will say of where they come from.

    Raises:
        ValueError: Rows are to be trained, those that are there were made otherwise, and that is not accepted.
    """
    study = jobs[0].study
    origin = provenance(words, code_of(study.spec))
    if not request.run.accept_changes and not all(job.queue.finished for job in jobs):
        refuse_changes(origin, runs_with_rows([job.study.directory for job in jobs]), study.place)
    return origin


def _estimate(request: Request, output: Output) -> int:
    from trainables.training.probe import seconds_per_image_of  # here, because torch takes seconds

    with output.preview() as directory:
        studies = build_studies(request, directory, str(output))
        jobs = [Job.open(study, Ledger(study.directory, study.spec)) for study in studies]
        _origin(request, (), jobs)
    console = new_console()
    announce(console, jobs, until_decided=request.until_decided)
    identity, names = request.identity, studies[0].spec.extent.optimizers
    if not identity.num_train_images:
        return 0
    seconds = [seconds_per_image_of(name, request.files, identity.num_seeds, identity.batch_size) for name in names]
    resources = request.run.resources
    workers = local_workers(resources.cpus_per_trial, resources.max_concurrent)
    # Until training has ended nothing is due, but will be.
    times = request.run.timing and len(names) > 1 and (is_due(jobs[0]) or not jobs[0].queue.finished)
    print_estimate(console, Plan.of(*jobs), fmean(seconds), workers, times=times)
    return 0


def _report(console: Console, words: Sequence[str], output: Output, jobs: Sequence[Job], stop: StopRequest) -> int:
    first, is_reported = jobs[0], False
    try:
        report = report_apart(first.study.directory)
        repeated = [outcome for job in jobs[1:] for outcome in job.ledger.outcomes()]
        first.ledger.record_look(first.study.spec.extent.num_confirm_seeds, repeated)
        output.put_report()
        print_report(console, report)
        if output.is_mirrored:
            say(console, f"All of it, the report included, is also at {output.word}")
        if len(jobs) > 1:
            say(console, f"The table is that of the first of {len(jobs)} tunings; the report has all of them.")
        is_reported = True
    except LedgerError as error:
        console.print(f"No report: {error}", soft_wrap=True, highlight=False, markup=False)
    except PluginError as error:
        again = f"All rows are stored; then write it with: python -m analysis.report {first.study.directory}"
        console.print(f"No report: {error} {again}", soft_wrap=True, highlight=False, markup=False)
    is_finished = stop.signal is None and all(job.queue.finished for job in jobs)
    if is_finished and is_reported:
        return 0
    if not is_finished:
        resume = resume_command(words, output.word)
        console.print(f"Not finished; go on with: {resume}", soft_wrap=True, highlight=False, markup=False)
    return 1 if stop.signal is None else 128 + stop.signal
