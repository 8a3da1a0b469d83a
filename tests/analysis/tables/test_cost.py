"""What a step costs: planted ratios, the interval of their median, and the reasons for no answer."""

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import binom

from analysis.ledger.load import load
from analysis.ledger.schema import timings_schema
from analysis.ledger.study import LedgerError
from analysis.statistics.intervals import LEVEL
from analysis.statistics.median import median_interval
from analysis.statistics.paired import fewest_pairs
from analysis.tables.cost import FEWEST_BLOCKS, StepCostRatio, cost_table, step_cost_ratio


def timings_of(costs, *, batch_size=32, device="cpu", first=0, steps=7):
    """Rows from the seconds per step of each block, by optimizer; None where a block lacks the optimizer."""
    rows = [
        {"optimizer": name, "block": first + block, "batch_size": batch_size, "replicates": 1, "steps": steps + block,
         "seconds": cost * (steps + block), "device": device, "node": "127.0.0.1"}
        for name, blocks in costs.items()
        for block, cost in enumerate(blocks)
        if cost is not None
    ]  # fmt: skip
    return pl.DataFrame(pl.from_arrow(pa.Table.from_pylist(rows, schema=timings_schema())))


def drifting(ratio, num_blocks=20, noise=0.02, seed=1):
    """A machine that becomes three times slower, a rival, and an optimizer that costs `ratio` times as much."""
    random = np.random.default_rng(seed)
    slow = np.linspace(1, 3, num_blocks)
    cost = {"rival": 0.01, "ours": 0.01 * ratio}
    return timings_of(
        {name: (slow * one * np.exp(noise * random.normal(size=num_blocks))).tolist() for name, one in cost.items()}
    )


def ends_of(found):
    interval = median_interval(found.by_block, 0.95)
    return interval.low, interval.high


@pytest.mark.parametrize("ratio", [0.8, 1.0, 1.1, 2.5])
def test_a_planted_ratio_is_found_although_the_machine_slows_down(ratio):
    found = step_cost_ratio(drifting(ratio), "ours", "rival", 32)
    assert found.by_block.shape == (20,)
    assert found.estimate == pytest.approx(ratio, rel=0.02)
    low, high = ends_of(found)
    assert low < found.estimate < high
    assert high - low < 0.06 * ratio


def test_without_noise_the_ratio_is_exact_and_its_interval_a_point():
    found = step_cost_ratio(drifting(1.25, noise=0.0), "ours", "rival", 32)
    assert found.estimate == pytest.approx(1.25, rel=1e-12)
    assert ends_of(found) == pytest.approx((1.25, 1.25), rel=1e-12)


def test_the_interval_covers_the_planted_ratio_as_often_as_the_binomial_law_says():
    """Of 20 blocks 5 lie beyond each end: 2 P(Binomial(20, 1/2) <= 5) = 4.1 %."""
    num_studies = 400
    hits = sum(
        low <= 1.1 <= high
        for seed in range(num_studies)
        for low, high in [ends_of(step_cost_ratio(drifting(1.1, seed=seed), "ours", "rival", 32))]
    )
    least, most = binom.interval(0.999, num_studies, 1 - 2 * binom.cdf(5, 20, 0.5))
    assert least <= hits <= most


def test_estimate_and_interval_are_the_middle_of_the_ratios_of_the_blocks():
    ratios = [1.0, 1.1, 1.3, 1.4, 1.7, 2.0, 2.1, 2.2, 9.0]
    found = step_cost_ratio(timings_of({"ours": ratios, "rival": [1.0] * 9}), "ours", "rival", 32)
    assert found.estimate == pytest.approx(1.7)
    assert ends_of(found) == pytest.approx((1.1, 2.2))


def test_the_blocks_may_come_in_any_order():
    timings = drifting(1.1)
    renamed = timings.with_columns(block=(7 * pl.col("block") % 20).cast(pl.Int32))
    one, *others = (step_cost_ratio(rows, "ours", "rival", 32) for rows in (timings, timings.reverse(), renamed))
    for other in others:
        assert (one.estimate, ends_of(one)) == (other.estimate, ends_of(other))
    assert np.array_equal(one.by_block, others[0].by_block)


def test_only_blocks_that_hold_both_count():
    timings = timings_of({"ours": [None, None, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, None], "rival": [9.0, 9.0, *[1.0] * 6, 9]})
    found = step_cost_ratio(timings, "ours", "rival", 32)
    assert (len(found.by_block), found.estimate) == (6, 2.0)


def test_one_batch_size_says_nothing_about_another():
    timings = pl.concat([drifting(2.0), timings_of({"ours": [3.0] * 8, "rival": [1.0] * 8}, batch_size=500)])
    assert step_cost_ratio(timings, "ours", "rival", 500).estimate == 3.0
    assert step_cost_ratio(timings, "ours", "rival", 32).estimate == pytest.approx(2.0, rel=0.02)


EIGHT = {"ours": [2.0] * 8, "rival": [1.0] * 8}
NO_ANSWER = {
    "nothing timed": (timings_of({}), "no steps were timed"),
    "one is missing": (timings_of({"rival": [1.0] * 8}), "no steps of ours were timed at batch 32"),
    "both are missing": (timings_of(EIGHT, batch_size=100), "no steps of ours and rival were timed at batch 32"),
    "two devices": (
        pl.concat([timings_of(EIGHT), timings_of(EIGHT, device="a GPU", first=8)]),
        "steps were timed on a GPU and cpu, which cannot be compared",
    ),
    "no common block": (
        timings_of({"ours": [2.0] * 5 + [None] * 3, "rival": [None] * 5 + [1.0] * 3}),
        "no timing block holds both ours and rival",
    ),
}


@pytest.mark.parametrize("case", NO_ANSWER)
def test_a_ratio_that_cannot_be_had_says_why(case):
    timings, reason = NO_ANSWER[case]
    assert step_cost_ratio(timings, "ours", "rival", 32) == reason


def test_the_table_compares_all_with_sgd_at_every_batch_size():
    costs = {"adam": [1.5] * 8, "sgd": [1.0] * 8, "langevin": [3.0] * 8}
    timings = pl.concat([timings_of(costs, batch_size=batch_size) for batch_size in (500, 32)])
    table = cost_table(timings, ["langevin", "adam", "unknown", "sgd"])
    assert table.select("batch_size", "optimizer").rows() == [
        (batch_size, name) for batch_size in (32, 500) for name in ("langevin", "adam", "sgd")
    ]
    assert set(table["baseline"]) == {"sgd"}
    assert table["ratio"].to_list() == table["low"].to_list() == table["high"].to_list() == [3.0, 1.5, 1.0] * 2
    assert table["seconds_per_step"].to_list() == pytest.approx([3.0, 1.5, 1.0] * 2)
    assert set(table["num_blocks"]) == {8}


def test_without_sgd_the_first_optimizer_is_the_baseline():
    table = cost_table(timings_of({"b": [2.0] * 8, "a": [1.0] * 8}), ["b", "a"])
    assert table.select("optimizer", "baseline", "ratio").rows() == [("b", "b", 1.0), ("a", "b", 0.5)]


def test_a_ratio_that_cannot_be_had_is_null_in_the_table():
    few = FEWEST_BLOCKS - 1
    table = cost_table(timings_of({"sgd": [1.0] * 8, "adam": [2.0] * few}), ["sgd", "adam"])
    assert table.filter(optimizer="adam").select("seconds_per_step", "ratio", "low", "high", "num_blocks").rows() == [
        (pytest.approx(2.0), None, None, None, few)
    ]


def test_the_table_has_an_interval_from_the_fewest_blocks_on():
    assert fewest_pairs(LEVEL) == FEWEST_BLOCKS
    table = cost_table(timings_of({"sgd": [1.0] * 8, "adam": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}), ["sgd", "adam"])
    assert table.filter(optimizer="adam").select("ratio", "low", "high").rows() == [pytest.approx((3.5, 1.0, 6.0))]


def test_no_timings_make_an_empty_table():
    assert cost_table(timings_of({}), ["sgd"]).shape == (0, 8)


# --- from a ledger


def write(study_dir, timings, stem="a"):
    (study_dir / "timings").mkdir(exist_ok=True)
    pq.write_table(timings.to_arrow().cast(timings_schema()), study_dir / "timings" / f"{stem}.parquet")


@pytest.fixture
def study_dir(synthetic, tmp_path):
    return synthetic(num_trials=2).write(tmp_path / "study")


def test_a_study_without_timings_has_none(study_dir):
    timings = load(study_dir).timings
    assert timings.height == 0
    assert timings.columns == timings_schema().names


def test_timings_are_read_and_sorted(study_dir):
    both = {"sgd": [1.0] * 8, "momentum": [2.0] * 8}
    write(study_dir, timings_of(both, batch_size=100).reverse())
    write(study_dir, timings_of(both), "b")
    timings = load(study_dir).timings
    assert timings.select("optimizer", "block", "batch_size").rows() == sorted(
        (name, block, batch_size) for name in both for block in range(8) for batch_size in (32, 100)
    )
    assert isinstance(found := step_cost_ratio(timings, "momentum", "sgd", 100), StepCostRatio)
    assert found.estimate == 2.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: pl.concat([rows, rows[:1]]),
            r"each key must stand once, 1 stand more often, the first is optimizer='sgd', block=0, batch_size=32 \(2 ",
        ),
        (lambda rows: rows.with_columns(optimizer=pl.lit("x")), r"optimizer must be one of sgd, momentum, got 'x'"),
        (
            lambda rows: rows.with_columns(seconds=pl.lit(0.0)),
            r"a row must hold at least 1 step and more than 0 seconds, 8 rows do not; mend the writer",
        ),
        (
            lambda rows: rows.with_columns(seconds=pl.lit(float("nan"))),
            r"seconds must be finite or null, it is NaN or infinite in 8 rows",
        ),
        (lambda rows: rows.with_columns(steps=pl.lit(0, pl.Int64)), r"a row must hold at least 1 step"),
    ],
)
def test_timings_that_break_the_schema_are_refused(study_dir, change, message):
    write(study_dir, change(timings_of({"sgd": [1.0] * 8})))
    with pytest.raises(LedgerError, match=f"timings: {message}"):
        load(study_dir)


def test_a_damaged_file_of_timings_is_named(study_dir):
    write(study_dir, timings_of({"sgd": [1.0] * 8}))
    path = study_dir / "timings" / "a.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(LedgerError, match=r"timings/a\.parquet' is damaged"):
        load(study_dir)
