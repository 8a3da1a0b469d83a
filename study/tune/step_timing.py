"""The timing phase: what a step costs with each optimizer's winner, measured when all training has ended."""

from collections import Counter
from collections.abc import Callable, Sequence

from study.job import Job
from study.ledger.rows import Row
from trainables.randomness import replicate_seed
from trainables.training.trial import TrialConfig

Measure = Callable[[Sequence[TrialConfig]], Sequence[Row]]
"""Times steps somewhere; returns rows of `timings`, their blocks numbered from 0."""


def contenders(job: Job) -> list[TrialConfig]:
    """What there is to time: a network of each optimizer that has a winner which did not diverge.

    None in a study that trains nothing.
    """
    identity = job.study.spec.identity
    if not identity.num_train_images:
        return []
    winners = {name: job.queue.best(name) for name in job.study.spec.extent.optimizers}
    return [
        TrialConfig(
            optimizer=name,
            hyperparameters=dict(best[1]),
            seeds=(replicate_seed(identity.seed, fresh=False, replicate=0),),
            batch_size=identity.batch_size,
            num_epochs=identity.num_epochs,
            precision=identity.precision,
        )
        for name, best in winners.items()
        if best is not None and best[0] < 1
    ]


def is_due(job: Job) -> bool:
    """Whether training has ended and an optimizer has not been timed beside the others; one alone is not timed."""
    names = {config.optimizer for config in contenders(job)}
    return job.queue.finished and len(names) > 1 and not names <= job.ledger.timed_optimizers()


def time_winners(job: Job, measure: Measure, say: Callable[[str], None]) -> None:
    """Time steps and store what was found.

    Args:
        job: The study, in which `is_due`.
        measure: Times them.
        say: Shows a line.

    Raises:
        OSError: The disk is full or may not be written.
    """
    configs = contenders(job)
    say(f"Timing steps of {len(configs)} optimizers in turn on one worker, for less than 30 seconds.")
    try:
        rows = measure(configs)
    except RuntimeError as error:
        say(f"Note: the steps could not be timed ({error}); the same command tries again, --no-timing leaves it out.")
        return
    if not rows:
        say("Note: 30 seconds were too short to time steps; the same command tries again, --no-timing leaves it out.")
        return
    job.ledger.store_timings(rows)
    blocks = Counter(row["batch_size"] for row in rows if row["optimizer"] == configs[0].optimizer)
    say(f"Timed: {', '.join(f'{number} blocks at batch {size}' for size, number in sorted(blocks.items()))}.")
