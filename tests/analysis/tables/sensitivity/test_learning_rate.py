"""The response to the learning rate: V-shaped and flat curves with known numbers, censoring, divergence."""

import numpy as np
import polars as pl
import pytest

from analysis.statistics.intervals import mean_interval
from analysis.tables.sensitivity import Missing, Sweep, sweeps
from analysis.tables.sensitivity.basin import Basin, Headroom, basin, headroom, mean_weights
from analysis.tables.sensitivity.learning_rate import responses
from analysis.tables.sensitivity.resampling import draw_seeds, student_interval

DECADES = np.arange(-4, 0.5, 0.5)
"""log10 of the nine rates of a sweep, 0.01 in the middle."""
RATES = (10.0**DECADES).tolist()


def vee(center=-2.0, steepness=0.1, best=0.3, num_seeds=2):
    """Errors that rise by `steepness` per decade to both sides."""
    return [[best + steepness * abs(decade - center)] * num_seeds for decade in DECADES]


def numbers(ledger, name="a", **options):
    return responses(ledger, **options).row(by_predicate=pl.col("optimizer") == name, named=True)


@pytest.fixture
def sweep_of(side, ledger_of):
    def make(*errors, rates=RATES):
        names = "abc"[: len(errors)]
        sides = {name: side(sweep=rates, sweep_errors=own) for name, own in zip(names, errors, strict=True)}
        return ledger_of(sides, num_seeds=len(errors[0][0]))

    return make


def test_a_v_shaped_response_has_the_known_numbers(sweep_of):
    """Within eps = .02 of the tip at .1 per decade: .2 decades to both sides; mean of .1 |x| over +-1.5: .075."""
    found = numbers(sweep_of(vee()))
    assert found["best_rate"] == pytest.approx(0.01)
    assert found["best_error"] == pytest.approx(0.3)
    assert found["width"] == pytest.approx(0.4)
    assert found["width_own"] == pytest.approx(0.4)
    assert not found["width_is_censored_below"]
    assert not found["width_is_censored_above"]
    assert found["sensitivity_own"] == pytest.approx(0.075)
    assert found["own_decades"] == pytest.approx(3)
    assert found["sensitivity_common"] == pytest.approx(0.1)  # mean of .1 |x| over +-2
    assert (found["common_from"], found["common_to"]) == pytest.approx((1e-4, 1))
    assert found["reason"] is None


def test_a_flat_response_is_insensitive_and_its_basin_is_the_sweep(sweep_of):
    found = numbers(sweep_of(vee(steepness=0)))
    assert found["sensitivity_own"] == pytest.approx(0)
    assert found["width"] == pytest.approx(4)
    assert found["width_is_censored_below"]
    assert found["width_is_censored_above"]
    assert found["width_high"] is None


def test_a_flat_response_that_never_learned_does_not_win(sweep_of):
    ledger = sweep_of(vee(steepness=0, best=0.9), vee())
    flat, good = numbers(ledger), numbers(ledger, "b")
    assert flat["sensitivity_common"] == pytest.approx(0.6)
    assert flat["sensitivity_common"] > good["sensitivity_common"]
    assert flat["width"] == 0
    assert not flat["width_is_censored_below"]
    assert flat["width_own"] == pytest.approx(4)
    assert good["width"] == pytest.approx(0.4)


def test_a_valley_at_the_edge_is_censored_on_its_side(sweep_of):
    found = numbers(sweep_of(vee(center=0.0)))
    assert found["width"] == pytest.approx(0.2)
    assert found["width_is_censored_above"]
    assert not found["width_is_censored_below"]
    assert found["own_decades"] == pytest.approx(1.5)
    found = numbers(sweep_of(vee(center=-4.0)))
    assert found["width_is_censored_below"]
    assert not found["width_is_censored_above"]


def test_only_the_connected_part_of_the_basin_counts():
    means = np.array([0.3, 0.5, 0.29, 0.31, 0.5, 0.3])
    found = basin(np.arange(6.0), means, 0.31)
    assert found == Basin(pytest.approx(1 + 0.02 / 0.21), False, False)


def test_a_basin_ends_where_the_line_crosses_the_level():
    found = basin(np.array([-3.0, -2.0, -1.5]), np.array([0.5, 0.3, 0.7]), 0.4)
    assert found == Basin(pytest.approx(0.5 + 0.125), False, False)


def test_means_over_a_range_are_integrals_of_the_line():
    weights = mean_weights(DECADES, -1.75, -0.2)
    assert weights.sum() == pytest.approx(1)
    assert weights @ DECADES == pytest.approx((-1.75 - 0.2) / 2)
    fine = np.linspace(-1.75, -0.2, 100_001)
    values = np.sin(3 * DECADES)
    assert weights @ values == pytest.approx(np.interp(fine, DECADES, values).mean(), abs=1e-5)


def test_errors_above_those_of_an_untrained_network_are_cut_off(sweep_of):
    """Diverged from 0.1 on: 1 is cut to .9, the line rises from .3 at -1.5 to .9 at -1."""
    errors = [[0.3, 0.3] if decade < -1 else [1.0, 1.0] for decade in DECADES]
    found = numbers(sweep_of(errors), initial_error=0.9)
    low, high = -4.0, 0.0
    assert found["sensitivity_common"] == pytest.approx((0.5 * 0.3 + 1 * 0.6) / (high - low))
    assert numbers(sweep_of(errors))["sensitivity_common"] == pytest.approx((0.5 * 0.35 + 1 * 0.7) / (high - low))


def test_the_common_range_is_what_all_sweeps_cover(side, ledger_of):
    rates = [rate / 100 for rate in RATES]
    ledger = ledger_of({"a": side(sweep=RATES, sweep_errors=vee()), "b": side(sweep=rates, sweep_errors=vee())})
    for name in "ab":
        found = numbers(ledger, name)
        assert (found["common_from"], found["common_to"]) == pytest.approx((1e-4, 1e-2))
        assert found["sensitivity_common"] == pytest.approx(0.1)


def test_sweeps_without_a_common_range_have_no_number_over_it(side, ledger_of):
    rates = [rate / 1e5 for rate in RATES]
    ledger = ledger_of({"a": side(sweep=RATES, sweep_errors=vee()), "b": side(sweep=rates, sweep_errors=vee())})
    found = numbers(ledger)
    assert found["sensitivity_common"] is None
    assert found["common_from"] is None
    assert found["sensitivity_own"] == pytest.approx(0.075)


def test_headroom_reaches_to_the_rate_at_which_half_diverge(sweep_of):
    errors = vee()
    errors[5][1] = 1.0  # one of two seeds at a tenth of the end: half are lost
    found = numbers(sweep_of(errors))
    assert found["headroom"] == pytest.approx(0.5)
    assert not found["headroom_is_censored"]


def test_less_than_half_is_not_the_edge(sweep_of):
    errors = vee(num_seeds=3)
    errors[5][1] = 1.0
    errors[7][:2] = [1.0, 1.0]
    assert numbers(sweep_of(errors))["headroom"] == pytest.approx(1.5)


def test_headroom_without_divergence_is_censored_at_the_end_of_the_sweep(sweep_of):
    errors = vee()
    errors[0] = [1.0, 1.0]  # below the best rate: not headroom
    found = numbers(sweep_of(errors))
    assert found["headroom"] == pytest.approx(2)
    assert found["headroom_is_censored"]
    assert found["headroom_high"] is None


def test_a_best_rate_at_the_end_has_no_room_left():
    assert headroom(DECADES, 8, np.zeros(9)) == Headroom(0.0, True)


def test_collapsed_replicates_are_lost_too(sweep_of):
    ledger = sweep_of(vee())
    collapsed = ledger.trials.filter(phase="sweep", number=6).select("optimizer", "phase", "number", "replicate")
    found = numbers(ledger, collapsed=collapsed)
    assert found["headroom"] == pytest.approx(1)
    assert not found["headroom_is_censored"]


def test_noise_deepens_the_basin(sweep_of):
    """Seeds that differ by .04 have standard deviation .02 sqrt 2, twice that is more than eps = .02."""
    errors = [[error - 0.02, error + 0.02] for error, _ in vee()]
    found = numbers(sweep_of(errors))
    assert found["epsilon"] == pytest.approx(2 * 0.02 * 2**0.5)
    assert found["width"] == pytest.approx(2 * found["epsilon"] / 0.1)


def test_equal_seeds_give_points_for_intervals(sweep_of):
    found = numbers(sweep_of(vee()))
    for name in ("sensitivity_common", "sensitivity_own", "width"):
        assert found[f"{name}_low"] == pytest.approx(found[name])
        assert found[f"{name}_high"] == pytest.approx(found[name])


def test_one_seed_has_no_interval(sweep_of):
    found = numbers(sweep_of(vee(num_seeds=1)))
    assert found["width"] == pytest.approx(0.4)
    assert found["width_low"] is None
    assert found["sensitivity_own_high"] is None


def test_the_interval_over_seeds_is_students_for_a_mean():
    values = np.array([0.31, 0.36, 0.29, 0.4])
    draws = draw_seeds(4) @ values
    found, expected = student_interval(values.mean(), draws, 4, (0, 1)), mean_interval(values.tolist())
    # The standard deviation of 4,000 draws has a relative error of 1 / sqrt(8,000).
    tolerance = 4 * (expected.high - expected.mean) / np.sqrt(8_000)
    assert found.low == pytest.approx(expected.low, abs=tolerance)
    assert found.high == pytest.approx(expected.high, abs=tolerance)


def test_a_better_seed_moves_all_rates_together(sweep_of):
    """Seeds that differ alike at every rate leave the sensitivity without doubt: the best moves with the curve."""
    errors = [[error - 0.05, error + 0.05] for error, _ in vee()]
    found = numbers(sweep_of(errors))
    assert found["sensitivity_own_low"] == pytest.approx(0.075)
    assert found["sensitivity_own_high"] == pytest.approx(0.075)


def test_rates_are_sorted_and_failed_ones_left_out(sweep_of):
    order = [4, 0, 8, 2, 6, 1, 3, 5, 7]
    errors = vee()
    errors[8][0] = np.nan
    rates = [RATES[place] for place in order]
    ledger = sweep_of([errors[place] for place in order], rates=[0.01 if r == 0.01 else r for r in rates])
    # The winner's rate is the one in the middle of the list; its other hyperparameters are none, so all belong to it.
    found = sweeps(ledger)["a"]
    np.testing.assert_allclose(found.rates, RATES[:8])
    np.testing.assert_allclose(found.errors, errors[:8])


def test_an_optimizer_without_a_curve_says_why(side, ledger_of):
    ledger = ledger_of({
        "a": side(), "few": side(sweep=RATES[:4], sweep_errors=vee()[:4]),
        "b": side(space={"momentum": side().space["learning_rate"]}),
    })  # fmt: skip
    found = sweeps(ledger)
    assert found["a"].reason.startswith("a has 0 of the 5 learning rates that a sweep through its winner needs: 5 are")
    assert found["few"] == Missing(
        "few has 4 of the 5 learning rates that a sweep through its winner needs: 1 is missing."
    )
    assert found["b"] == Missing("b searches no learning rate, so it has no response to it.")
    table = responses(ledger)
    assert table["optimizer"].to_list() == ["a", "few", "b"]
    assert table["reason"].to_list() == [found[name].reason for name in ("a", "few", "b")]
    assert table["width"].is_null().all()


def test_a_sweep_knows_who_was_lost(sweep_of):
    errors = vee()
    errors[8] = [1.0, 0.7]
    found = sweeps(sweep_of(errors))["a"]
    assert isinstance(found, Sweep)
    assert found.lost.sum() == 1
    assert found.lost[8, 0]
