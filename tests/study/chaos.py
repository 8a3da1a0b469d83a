"""Strikes real studies with faults at random moments and proves that they end as if nothing had happened.

    python tests/study/chaos.py --faults 48 --seed 0 [--studies folder,uri,hosts] [--kinds KINDS] [--output DIR]

One small study of `sgd` and `langevin` on real images runs undisturbed, and then under faults: in a folder, at a URI,
and on three hosts that share no network but a switch. The kinds of faults are those of `chaos_faults.py`: SIGKILL or
SIGSTOP of driver, worker or raylet, a partition, full and slow disks, clocks that jump, too little memory, a dead
object store. A run that a fault ends must say so in a line with the way on, and the same command is started again; all
others must go on by themselves. What was in training may be trained again; nothing else may: the script compares the
directories row by row and bit by bit, prints one line for each claim and a table by kind of fault, and exits with 1 if
one of them does not hold.

Kinds, victims, moments, lengths and delays follow from the seed; kinds that end a run, whose start takes most of the
time, strike once where the others strike twice. A moment is a number of commits to wait for and a delay after that:
either some milliseconds, to hit the writing of files and the end of trials, or up to the length of a trial, to hit any
epoch of it. A fault counts only if it hit a running study: at that
moment the driver lives and Ray's title of at least one worker process that descends from it or its hosts says that it
trains an epoch (`ray::...Trainable.train`). Until a worker trains the script waits.

It signals processes that it has started, identified by number and start time, and no others; clocks are wrong for them
alone. It needs Linux, and for most kinds root, gcc, iproute2 and util-linux: without these it says what it leaves out.
Without --output the studies are deleted at the end.
"""

import argparse
import pathlib
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chaos_checks import Finding, Hit, Summary, logged, observe, read, summarize, tally
from chaos_faults import FAULTS, Fault
from chaos_hosts import Hosts
from chaos_places import Folder, Uri
from chaos_processes import PROC
from chaos_study import Study
from chaos_tools import reason_against_tools

PLACES = {place.name: place for place in (Folder, Uri, Hosts)}

WORDS = (
    *("--search", "optuna", "--repeats", "1", "--optimizers", "sgd,langevin", "--lag", "2", "--seeds", "2"),
    *("--confirm-seeds", "6", "--train-images", "60", "--batch-size", "20", "--epochs", "8", "--no-timing"),
)

MAX_FAILURES = ("--max-failures", "100")
"""The default lets a trial fail that chance kills three times."""

NEAR_SECONDS = 0.03
"""How soon after a commit has begun a fault hits the writing of its files."""

LOOK_SECONDS = 0.05
"""Between looks at what is in training while a fault lasts."""


@dataclass(frozen=True, kw_only=True)
class Strike:
    """When to strike with what.

    Args:
        fault: The fault.
        num_commits: Trials to see stored, from the time on at which a worker trains.
        delay_seconds: Wait after that.
    """

    fault: Fault
    num_commits: int
    delay_seconds: float


def main(words: Sequence[str] | None = None) -> int:
    """Run the studies; returns the exit status."""
    arguments = parser().parse_args(words)
    if not PROC.joinpath("self", "stat").exists():
        print("chaos.py needs Linux: it finds the processes of a study in /proc.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # not without ending the study
    names, kinds = possible(arguments.studies, arguments.kinds)
    if not all(any(FAULTS[kind].fits(PLACES[name]) for kind in kinds) for name in names) or not names:
        print("Each of --studies must be able to meet one of --kinds here; choose others.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as scratch:
        output = arguments.output or pathlib.Path(scratch, "studies")
        if output.exists():
            print(f"--output must be a new directory, {output} exists; choose another.", file=sys.stderr)
            return 2
        output.mkdir(parents=True)
        try:
            holds = wreak_havoc(
                output.absolute(), pathlib.Path(scratch), names, kinds, arguments.faults, arguments.seed
            )
        except (RuntimeError, TimeoutError) as error:
            print(error, file=sys.stderr)
            return 1
    return 0 if holds else 1


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(prog="chaos.py", description="Strike real studies and check their results.")
    result.add_argument(
        "--faults", type=_count, default=20, help="faults that hit a running study, all together (default: %(default)s)"
    )
    result.add_argument("--seed", type=int, default=0, help="root of faults and moments (default: %(default)s)")
    result.add_argument("--studies", type=_names(PLACES), default=[*PLACES], help=f"of {', '.join(PLACES)}")
    result.add_argument("--kinds", type=_names(FAULTS), default=[*FAULTS], help=f"of {', '.join(FAULTS)}")
    result.add_argument("--output", type=pathlib.Path, metavar="DIR", help="keep the studies and their logs there")
    return result


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 on, got {text!r}")
    return int(text)


def _names(allowed):  # type: ignore[no-untyped-def]
    def names(text: str) -> list[str]:
        found = text.split(",")
        if unknown := sorted({*found} - {*allowed}):
            raise argparse.ArgumentTypeError(f"must be of {', '.join(allowed)}, got {', '.join(unknown)}")
        return found

    return names


def possible(names: Sequence[str], kinds: Sequence[str]) -> tuple[list[str], list[str]]:
    """Studies and kinds of faults that this machine allows; says which it does not."""
    names, kinds = list(names), list(kinds)
    if reason := reason_against_tools():
        left_out = [kind for kind in kinds if FAULTS[kind].needs_root]
        kinds = [kind for kind in kinds if kind not in left_out]
        if left_out:
            say(f"left out: {'; '.join(left_out)} ({reason})")
    if "hosts" in names and (reason := reason or Hosts.reason_against()):
        names.remove("hosts")
        say(f"left out: three hosts ({reason})")
    return names, kinds


def wreak_havoc(
    output: pathlib.Path, scratch: pathlib.Path, names: Sequence[str], kinds: Sequence[str], num_faults: int, seed: int
) -> bool:
    """Train the study undisturbed, then each disturbed one, and compare; returns whether all claims hold.

    Args:
        output: Where all are kept.
        scratch: Directory for the temporary files of Ray, which a killed driver leaves behind.
        names: Of the places.
        kinds: Of the faults.
        num_faults: How many strike.
        seed: Root of faults and moments.
    """
    shares = [num_faults // len(names) + (index < num_faults % len(names)) for index in range(len(names))]
    words = study_words(max(shares))
    undisturbed = Study(Folder(output / "undisturbed", scratch, faults=False), words)
    say("undisturbed run")
    with undisturbed.place.opened(), undisturbed.started():
        undisturbed.await_end()
    trial_seconds = read(undisturbed.directory / "trials")["seconds"].mean()
    assert isinstance(trial_seconds, float)
    say(f"a trial trains for {trial_seconds:.2f} s")
    holds = True
    for index, (name, share) in enumerate(zip(names, shares, strict=True)):
        own = [kind for kind in kinds if FAULTS[kind].fits(PLACES[name])]
        strikes = plan(share, own, seed + index, trial_seconds)
        needs_root = name == "hosts" or any(FAULTS[kind].needs_root for kind in own)
        place = PLACES[name](output / name, scratch, faults=needs_root)
        try:
            holds &= disturb(place, words, undisturbed.directory, strikes)
        except (RuntimeError, TimeoutError) as error:  # the other studies can tell all the same
            print(error, file=sys.stderr)
            holds = False
    return holds


def disturb(place: Folder, words: Sequence[str], undisturbed: pathlib.Path, strikes: Sequence[Strike]) -> bool:
    """Run a study under faults, compare it with the undisturbed one and print that; returns whether all holds."""
    say(f"study under faults: {place.name}")
    study = Study(place, words)
    begun = time.monotonic()
    with place.opened(), study.started():
        hits = [*strike_all(study, strikes)]
        say("no more faults")
        study.await_end()
    summary = summarize(undisturbed, study.directory, hits, len(strikes))
    if isinstance(place, Uri):
        summary = Summary(overview=[*summary.overview, same_at_uri(place)])
    print(f"study: {place.name}, {time.monotonic() - begun:.0f} s")
    print(summary)
    ended = Counter(kind for kind, _ in study.ends)
    print(f"{'fault':<26}{'faults':>8}{'ended':>8}{'rows':>8}{'lost':>8}{'doubled':>8}{'changed':>8}")
    for kind, (num_faults, *counts) in tally(study.directory, hits).items():
        print(f"{kind:<26}{num_faults:>8}{ended[kind]:>8}" + "".join(f"{count:>8}" for count in counts))
    for kind, line in sorted(set(study.ends)):
        print(f"said after {kind}: {line}", file=sys.stderr)
    sys.stdout.flush()
    return summary.holds


def same_at_uri(place: Uri) -> Finding:
    """Whether the URI has what the folder has."""
    tables = ("trials", "epochs")
    here, there = (
        {path.relative_to(root): path.read_bytes() for table in tables for path in (root / table).glob("*.parquet")}
        for root in (place.directory, place.storage)
    )
    return Finding(holds=here == there, text=f"files at the URI equal to those of the folder: {len(there)}")


def study_words(num_faults: int) -> list[str]:
    """Arguments of a study that takes longer than the faults."""
    return [*WORDS, *MAX_FAILURES, "--trials", str(4 * num_faults + 10)]


def plan(num_faults: int, kinds: Sequence[str], seed: int, trial_seconds: float) -> list[Strike]:
    """Draw faults and moments; the faults do not depend on the speed of the machine."""
    chance = random.Random(seed)
    drawn: list[str] = []
    while len(drawn) < num_faults:
        deck = [kind for kind in kinds for _ in range(1 if FAULTS[kind].is_costly else 2)]
        drawn += chance.sample(deck, len(deck))
    strikes = []
    for kind in drawn[:num_faults]:
        num_commits, near = chance.randrange(3), chance.random() < 0.5
        reach = NEAR_SECONDS if near and num_commits else trial_seconds
        delay = chance.uniform(0, reach)
        strikes.append(Strike(fault=FAULTS[kind](chance), num_commits=num_commits, delay_seconds=delay))
    return strikes


def strike_all(study: Study, strikes: Sequence[Strike]) -> Iterator[Hit]:
    """Strike until the study ends; yields the faults that hit."""
    for number, strike in enumerate(strikes, 1):
        text = ""
        while not text:
            if not study.await_moment(strike.num_commits, strike.delay_seconds):
                return
            study.expect(strike.fault.kind)
            before = logged(study.directory)
            text = strike.fault.strike(study)
        hit = observe(study.directory, strike.fault.kind)
        seen = {*before, *hit.in_training, *outlast(study, strike.fault)}
        strike.fault.heal(study)
        say(
            f"fault {number} of {len(strikes)}: {strike.fault.kind} ({text}), {strike.delay_seconds:.3f} s after "
            f"{strike.num_commits} commits; {len(hit.trials)} networks stored, {len(seen)} in training"
        )
        yield replace(hit, in_training=frozenset(seen))


def outlast(study: Study, fault: Fault) -> set[tuple[object, ...]]:
    """Wait until a fault is over, or has ended the run; returns what was in training meanwhile."""
    seen: set[tuple[object, ...]] = set()
    until = time.monotonic() + fault.seconds
    while time.monotonic() < until and study.process.poll() is None:
        fault.press_on(study)
        seen |= logged(study.directory)
        time.sleep(LOOK_SECONDS)
    if fault.ends_run and study.process.poll() is None:
        raise RuntimeError(f"The driver has outlived {fault.seconds:.0f} s of: {fault.kind}.")
    return seen | logged(study.directory)


def say(text: str) -> None:
    """Show that the script lives."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
