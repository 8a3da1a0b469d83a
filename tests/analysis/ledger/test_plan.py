"""Which trials follow the tuning of an optimizer."""

from analysis.ledger.plan import num_ablations, seeds_in_order

WINNER = {"learning_rate": 0.1, "momentum": 0.0, "decay": 0.01}
REDUCES_TO = {"a": {"momentum": 0.0}, "b": {"decay": 0}, "c": {"momentum": 0.0, "decay": 0.0}}


def test_an_ablation_for_every_reduction_that_changes_the_winner():
    assert num_ablations(REDUCES_TO, WINNER) == 2
    assert num_ablations(REDUCES_TO, {**WINNER, "momentum": 0.5}) == 3
    assert num_ablations(REDUCES_TO, {**WINNER, "decay": 0.0}) == 0


def test_as_many_as_there_may_be_while_the_winner_is_not_known():
    assert num_ablations(REDUCES_TO, None) == 3


def test_none_for_an_optimizer_that_reduces_to_nothing():
    assert num_ablations({}, WINNER) == num_ablations({}, None) == 0


def test_seeds_count_up_to_the_first_gap():
    assert seeds_in_order([]) == seeds_in_order([1, 2]) == 0
    assert seeds_in_order([2, 0, 1, 4]) == 3
    assert seeds_in_order(range(12)) == 12
