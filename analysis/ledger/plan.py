"""Which trials a study has beside its tuning and its sweep: the confirmation and the ablations of each optimizer."""

from collections.abc import Collection, Mapping

RATE = "learning_rate"
"""The hyperparameter that almost every optimizer has."""

MOST_REPEATS = 100
"""Tunings of a study: each keeps a lock while its command runs."""

CONFIRM_ROUND = 6
"""Confirmation seeds that are added at a time where a study goes on until its claims are decided."""


def num_confirmed_settings(*, has_published: bool, published_won: bool) -> int:
    """Settings that are retrained on fresh seeds: the winner, beside the published one if that is another.

    Args:
        has_published: Whether the optimizer has a published setting.
        published_won: Whether it is the winner.
    """
    return 2 if has_published and not published_won else 1


def num_ablations(reduces_to: Mapping[str, Mapping[str, float]], winner: Mapping[str, float] | None) -> int:
    """Trials of the winner with hyperparameters at their neutral values.

    Args:
        reduces_to: The neutral values at which the optimizer becomes a simpler one, by the name of that.
        winner: None if it is not known yet. One that has these values is its own ablation.
    """
    return sum(winner is None or {**winner, **at} != dict(winner) for at in reduces_to.values())


def seeds_in_order(replicates: Collection[int]) -> int:
    """How many of the first seeds are there, without a gap.

    Groups of a study that was interrupted may have ended in any order. A look is at the first seeds alone, or it would
    not be one of the looks that the error was planned for.
    """
    held = set(replicates)
    return next(number for number in range(len(held) + 1) if number not in held)
