"""Which trials a study consists of beside those of its tuning and its sweep: the confirmation of each optimizer."""

RATE = "learning_rate"
"""The hyperparameter that almost every optimizer has."""

CONFIRM_ROUND = 6
"""Confirmation seeds that are added at a time where a study goes on until its claims are decided."""


def num_confirmed_settings(*, has_published: bool, published_won: bool) -> int:
    """Settings that are retrained on fresh seeds: the winner, beside the published one if that is another.

    Args:
        has_published: Whether the optimizer has a published setting.
        published_won: Whether it is the winner.
    """
    return 2 if has_published and not published_won else 1
