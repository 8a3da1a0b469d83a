"""Kills a real study with SIGKILL at random moments and proves that it ends as if nothing had happened.

    python tests/study/chaos.py --kills 20 --seed 0 [--output DIR]

One small study of `sgd` and `langevin` on real images runs twice: undisturbed, and under kills. A kill ends either the
driver, `python -m study.run`, whereupon the same command is started again, or one worker process of the driver's Ray,
whereupon the study must go on by itself. What was in training may be trained again; nothing else may: the script
compares the two directories row by row and bit by bit, prints one line for each claim, and exits with 1 if one of them
does not hold.

Victims, moments and delays follow from the seed. A moment is a number of commits to wait for and a delay after that:
either some milliseconds, to hit the writing of files and the end of trials, or up to the length of a trial, to hit any
epoch of it. A kill counts only if it hit a running study: at that moment the driver lives and Ray's title of at least
one worker process that descends from it says that it trains an epoch (`ray::...Trainable.train`); a worker that is
killed is one of these. Until a worker trains the script waits.

It kills processes that it has started, identified by number and start time, and no others. It needs Linux. Without
--output the two studies are deleted at the end.
"""

import argparse
import pathlib
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaos_checks import Kill, Summary, Victim, observe, read, summarize
from chaos_processes import PROC, Study

WORDS = (
    *(
        "--search",
        "optuna",
        "--repeats",
        "1",
        "--optimizers",
        "sgd,langevin",
        "--lag",
        "2",
        "--seeds",
        "2",
        "--confirm-seeds",
        "6",
    ),
    *("--train-images", "200", "--batch-size", "20", "--no-timing"),
)

MAX_FAILURES = ("--max-failures", "100")
"""The default lets a trial fail that chance kills three times."""

FEW_KILLS = 6
"""Up to so many kills a study without a sweep is large enough."""

NEAR_SECONDS = 0.03
"""How soon after a commit has begun a kill hits the writing of its files."""


@dataclass(frozen=True, kw_only=True)
class Strike:
    """When to kill whom.

    Args:
        victim: The driver or a worker.
        num_commits: Trials to see stored, from the time on at which a worker trains.
        delay_seconds: Wait after that.
        choice: Fraction of the list of workers at which the victim is.
    """

    victim: Victim
    num_commits: int
    delay_seconds: float
    choice: float


def main(words: Sequence[str] | None = None) -> int:
    """Run the study twice; returns the exit status."""
    arguments = parser().parse_args(words)
    if not PROC.joinpath("self", "stat").exists():
        print("chaos.py needs Linux: it finds the processes of a study in /proc.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # not without ending the study
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as scratch:
        output = arguments.output or pathlib.Path(scratch, "studies")
        if output.exists():
            print(f"--output must be a new directory, {output} exists; choose another.", file=sys.stderr)
            return 2
        output.mkdir(parents=True)
        try:
            summary = wreak_havoc(output.absolute(), scratch, arguments.kills, arguments.seed)
        except (RuntimeError, TimeoutError) as error:
            print(error, file=sys.stderr)
            return 1
    print(summary)
    return 0 if summary.holds else 1


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(prog="chaos.py", description="Kill a real study at random and check its results.")
    result.add_argument(
        "--kills", type=_count, default=20, help="kills that hit a running study (default: %(default)s)"
    )
    result.add_argument("--seed", type=int, default=0, help="root of victims and moments (default: %(default)s)")
    result.add_argument("--output", type=pathlib.Path, metavar="DIR", help="keep the two studies and their logs there")
    return result


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 on, got {text!r}")
    return int(text)


def wreak_havoc(output: pathlib.Path, scratch: str, num_kills: int, seed: int) -> Summary:
    """Train the study undisturbed and under kills, and compare.

    Args:
        output: Where both are kept.
        scratch: Directory for the temporary files of Ray, which a killed driver leaves behind.
        num_kills: How often to kill.
        seed: Root of victims and moments.
    """
    undisturbed, killed = (Study(output / name, study_words(num_kills), scratch) for name in ("undisturbed", "killed"))
    say("undisturbed run")
    with undisturbed.started():
        undisturbed.await_end()
    trial_seconds = read(undisturbed.directory / "trials")["seconds"].mean()
    assert isinstance(trial_seconds, float)
    say(f"a trial trains for {trial_seconds:.2f} s")
    with killed.started():
        kills = [*strike_all(killed, plan(num_kills, seed, trial_seconds))]
        say("no more kills")
        killed.await_end()
    return summarize(undisturbed.directory, killed.directory, kills, num_kills)


def study_words(num_kills: int) -> list[str]:
    """Arguments of a study that takes longer than the kills."""
    if num_kills <= FEW_KILLS:
        size = ["--trials", "4", "--epochs", "4", "--no-sweep"]
    else:
        size = ["--trials", str(num_kills + 4), "--epochs", "6"]
    return [*WORDS, *MAX_FAILURES, *size]


def plan(num_kills: int, seed: int, trial_seconds: float) -> list[Strike]:
    """Draw victims and moments; the victims do not depend on the speed of the machine."""
    chance = random.Random(seed)
    strikes = []
    for _ in range(num_kills):
        victim: Victim = chance.choice(("driver", "worker"))
        num_commits, near = chance.randrange(3), chance.random() < 0.5
        reach = NEAR_SECONDS if near and num_commits else trial_seconds
        delay = chance.uniform(0, reach)
        strikes.append(Strike(victim=victim, num_commits=num_commits, delay_seconds=delay, choice=chance.random()))
    return strikes


def strike_all(study: Study, strikes: Sequence[Strike]) -> Iterator[Kill]:
    """Strike until the study ends, and start it again after the end of a driver; yields the kills that hit."""
    for number, strike in enumerate(strikes, 1):
        if not study.await_moment(strike.num_commits, strike.delay_seconds):
            return
        pid = study.kill_driver() if strike.victim == "driver" else study.kill_worker(strike.choice)
        if pid is None:
            return
        kill = observe(study.directory, strike.victim)
        if strike.victim == "driver":
            study.start()
        say(
            f"kill {number} of {len(strikes)}: {strike.victim} {pid}, {strike.delay_seconds:.3f} s after "
            f"{strike.num_commits} commits; {len(kill.trials)} networks stored, {len(kill.in_training)} in training"
        )
        yield kill


def say(text: str) -> None:
    """Show that the script lives."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
