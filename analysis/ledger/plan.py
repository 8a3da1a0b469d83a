"""Which trials a study consists of beside those of its tuning: the sweep and the confirmation of each optimizer."""

from collections.abc import Collection

RATE = "learning_rate"
"""The hyperparameter that a sweep goes through."""

SWEEP_DECADES = tuple(step / 2 for step in range(-4, 5))
"""Learning rates of a sweep by number, in decades from the winner's; those of a later winner have the next numbers."""

CONFIRM_ROUND = 6
"""Confirmation seeds that are added at a time where a study goes on until its claims are decided."""


def num_sweep_trials(space: Collection[str], *, has_sweep: bool) -> int:
    """Trials of the sweep through a winner.

    Args:
        space: Hyperparameters of the optimizer.
        has_sweep: Whether the study sweeps at all.
    """
    return len(SWEEP_DECADES) if has_sweep and RATE in space else 0


def num_confirmed_settings(*, has_published: bool, published_won: bool) -> int:
    """Settings that are retrained on fresh seeds: the winner, beside the published one if that is another.

    Args:
        has_published: Whether the optimizer has a published setting.
        published_won: Whether it is the winner.
    """
    return 2 if has_published and not published_won else 1
