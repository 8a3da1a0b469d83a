"""What a run says before training."""

import math
from collections.abc import Sequence

from rich.console import Console

from analysis.claims.file import packaged_text, parse_claims
from analysis.ledger.plan import CONFIRM_ROUND
from analysis.ledger.study import NO_MODEL
from analysis.verdicts.default_vocabulary import VOCABULARY
from analysis.wording import count
from study.display.console import say
from study.job import Job, Plan
from study.spec import Extent
from trainables.models.simple_cnn.native import NoLibraryError, library


def compile_convolutions(console: Console) -> None:
    """Compile what the workers of this machine will load, and say so if that cannot be done."""
    try:
        library()
    except NoLibraryError as error:
        say(console, f"Note: {error}; training by torch alone takes two to three times as long.")


def announce(console: Console, jobs: Sequence[Job], *, until_decided: bool = False) -> None:
    """Say what the run will do, and what it can never show.

    Args:
        console: Where to.
        jobs: The study and its repeats.
        until_decided: Whether rounds of confirmation seeds follow.
    """
    spec, place = jobs[0].study.spec, jobs[0].study.place
    identity, extent = spec.identity, spec.extent
    plan = Plan.of(*jobs)
    num_ablations = sum(len(spec.optimizers[name].reduces_to) for name in extent.optimizers)
    ablations = f"{count(num_ablations, 'ablation')}, " if num_ablations and extent.num_confirm_seeds else ""
    say(
        console,
        f"Study {spec.study_hash} in {place}: {count(len(extent.optimizers), 'optimizer')} x "
        f"{count(extent.num_trials, 'trial')} x {count(identity.num_seeds, 'seed')} by {identity.search}, "
        f"{ablations}{count(extent.num_confirm_seeds, 'confirmation seed')}"
        f"{f' of at most {most}' if (most := jobs[0].study.most_confirm_seeds) else ''}, "
        f"{_sweep(extent)}{f', tuned {len(jobs)} times' if len(jobs) > 1 else ''}.",
    )
    num_done = sum(len(job.outcomes) for job in jobs)
    done = f", {num_done:,} {'is' if num_done == 1 else 'are'} done" if num_done else ""
    if identity.model == NO_MODEL:
        work = f"a formula draws their curves of {count(identity.num_epochs, 'epoch')}, nothing is trained"
    else:
        work = f"{count(plan.num_images, 'image')} of {identity.dataset}, batch {identity.batch_size}, "
        work += count(identity.num_epochs, "epoch")
    say(console, f"{count(plan.num_networks, 'network')} to train{done}; {work}.")
    if until_decided:
        most = jobs[0].study.most_confirm_seeds
        say(console, f"Then {CONFIRM_ROUND} more seeds at a time for the winners of open claims, up to {most}.")
    needed, family = _seeds_of_a_verdict(jobs[0]) if len(jobs) == 1 else (0, 0)  # several tunings have another rule
    if 0 < extent.num_confirm_seeds < needed:
        say(
            console,
            f"Note: {count(extent.num_confirm_seeds, 'confirmation seed')} give no verdict on a family of "
            f"{count(family, 'claim')}, which takes {needed}.",
        )


def _sweep(extent: Extent) -> str:
    if not extent.sweep:
        return "without sweep"
    if extent.num_sweep_seeds is None:
        return "with a sweep of nine learning rates"
    return f"{extent.num_sweep_seeds} of them for the sweep of every hyperparameter"


def _seeds_of_a_verdict(job: Job) -> tuple[int, int]:
    """The fewest seeds that can settle a claim of the largest family at its first look, and the size of that family.

    A study that is of no claim needs none.
    """
    text = (job.study.claims or {}).get("text")
    claims = parse_claims(packaged_text() if text is None else str(text), VOCABULARY)
    held, study = set(job.study.spec.extent.optimizers), job.study
    counts_all = bool((study.error_plan or {}).get("counts_every_claim"))
    sizes = [(sum(held >= {*pair} for pair in question.pairs), len(question.pairs)) for question in claims.questions]
    family = max((of_all if counts_all else of_held) if of_held else 0 for of_held, of_all in sizes)
    # The first look has half of alpha, or what the plan of the study spends at so many seeds.
    share = math.sqrt(study.spec.extent.num_confirm_seeds / most) if (most := study.most_confirm_seeds) else 0.5
    # 1e-9 less: rounding must not ask for one more.
    return (math.ceil(1 + math.log2(family / claims.alpha / share) - 1e-9) if family and share else 0), family


def print_estimate(console: Console, plan: Plan, seconds_per_image: float, num_workers: int, *, times: bool) -> None:
    """Say how long a plan takes on this machine.

    Args:
        console: Where to say it.
        plan: What is left to do.
        seconds_per_image: Wall time of a training image.
        num_workers: Trials at once.
        times: Whether steps are timed at the end.
    """
    seconds = plan.seconds(seconds_per_image, num_workers)
    timing = " Timing steps at the end takes up to 30 seconds more." if times else ""
    if not plan.num_networks:
        say(console, f"Nothing is left to train.{timing}")
        return
    say(
        console,
        f"About {_duration(seconds)} on this machine: {seconds_per_image * 1e6:.0f} microseconds for each image of "
        f"each network, just measured on one core, mean over the optimizers; {count(num_workers, 'trial')} at once."
        f"{timing}",
    )


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else count(round(seconds), "second")
