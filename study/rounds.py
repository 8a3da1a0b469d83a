"""Rounds of confirmation seeds until the claims are decided: between them the rows are asked what is open."""

from rich.console import Console

from analysis.ledger.study import LedgerError
from analysis.plugins import PluginError
from analysis.verdicts.undecided import Undecided, undecided_in
from analysis.wording import count, listing
from study.display.console import say
from study.job import Job
from study.own_process import in_own_process
from study.queue.time_budget import TimeBudget


def next_round(console: Console, job: Job, budget: TimeBudget | None = None) -> Job | None:
    """The same study with more seeds for the winners of claims that are open; None if there is nothing to be done.

    What is asked is a look at the rows, and is stored as one first: no decision to go on may rest on a look that a kill
    could undo.

    Args:
        console: Where to say what is open.
        job: The study, of which all has been trained that was planned so far.
        budget: Time that is left; None for a first round that comes before anything else.
    """
    job.ledger.record_look(job.study.spec.extent.num_confirm_seeds)
    try:
        found = in_own_process(
            undecided_in, job.study.directory, work="judged the claims", remedy="The same command goes on."
        )
    except (LedgerError, PluginError):  # the report will say why
        return None
    if not found.seeds:
        say(console, _outcome(found))
        return None
    following = Job.open(job.study, job.ledger, job.notes, found.seeds)
    if following.queue.finished:
        return None
    if budget is not None and not budget.has_room_for(following.queue.num_confirmation_replicates()):
        say(
            console,
            f"{_open(found)}, and the time budget has no room for another round of seeds; the same command with a "
            "larger one goes on.",
        )
        return None
    goes = "goes" if len(found.seeds) == 1 else "go"
    say(console, f"{_open(found)}: {listing(list(found.seeds))} {goes} on to {max(found.seeds.values())} seeds.")
    return following


def _open(found: Undecided) -> str:
    are = "is" if found.num_open == 1 else "are"
    return f"{found.num_open} of {count(found.num_claims, 'claim')} on pairs of seeds {are} open"


def _outcome(found: Undecided) -> str:
    if not found.num_claims:
        return "No claim of the file rests on pairs of seeds of this study: more seeds decide nothing."
    if found.num_given_up:
        return (
            f"Of {count(found.num_claims, 'claim')} on pairs of seeds {found.num_given_up} cannot be decided by more "
            "seeds, the others are."
        )
    return f"{count(found.num_claims, 'claim')} on pairs of seeds: all are decided."
