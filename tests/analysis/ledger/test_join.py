"""Several ledgers as one study: what is joined, what stands side by side, what is refused."""

import dataclasses
import json
import shutil

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from analysis.ledger.join import load_studies
from analysis.ledger.load import load
from analysis.ledger.schema import KEY, timings_schema
from analysis.ledger.study import ErrorPlan, FixedClaims, LedgerError


@pytest.fixture
def write(synthetic, tmp_path):
    """Writes the tuning rows of a study, with the fields given, into a folder of this name."""

    def make(name, **changes):
        return synthetic(**{"num_trials": 3, "phases": ("tuning",), **changes}).write(tmp_path / name)

    return make


def only(synthetic, name):
    return {name: synthetic().optimizers[name]}


def test_one_ledger_is_a_study_of_one_tuning(write):
    folder = write("study")
    studies = load_studies([folder])
    assert len(studies.repeats) == 1
    assert_frame_equal(studies.first.trials, load(folder).trials)


def test_parts_of_a_study_make_the_study(synthetic, write):
    phases = ("tuning", "sweep", "confirm")
    parts = [write(name, optimizers=only(synthetic, name), phases=phases) for name in ("sgd", "momentum")]
    whole = load(write("whole", phases=phases))
    joined = load_studies(parts).first
    assert joined.study.optimizers == whole.study.optimizers
    assert list(joined.study.optimizers) == ["sgd", "momentum"]
    for table in ("trials", "epochs"):
        assert_frame_equal(getattr(joined, table), getattr(whole, table), check_column_order=False)


def test_sweeps_of_two_designs_make_no_report(synthetic, write):
    phases = ("tuning", "sweep", "confirm")
    old = write("old", optimizers=only(synthetic, "sgd"), phases=phases)
    new = write("new", optimizers=only(synthetic, "momentum"), phases=phases, num_sweep_seeds=3)
    with pytest.raises(LedgerError, match="one sweeps every hyperparameter and the other one nine learning rates"):
        load_studies([old, new])


def test_parts_of_a_study_that_sweeps_every_hyperparameter_keep_its_seeds(synthetic, write):
    phases = ("tuning", "sweep", "confirm")
    parts = [
        write(name, optimizers=only(synthetic, name), phases=phases, num_sweep_seeds=3) for name in ("sgd", "momentum")
    ]
    assert load_studies(parts).first.study.num_sweep_seeds == 3


def test_rows_that_two_ledgers_share_stand_once_and_the_larger_extent_counts(write):
    small, large = write("small", num_trials=3), write("large", num_trials=6)
    joined = load_studies([small, large]).first
    assert_frame_equal(joined.trials, load(large).trials)
    assert_frame_equal(joined.epochs, load(large).epochs)
    assert joined.study.num_trials == 6
    assert joined.trials.select(KEY).is_unique().all()


def test_each_row_keeps_its_run(write, monkeypatch):
    """A copy that went on by itself: the first run is in both, the second one of each is its own."""
    first, second, third = ({"command": f"run {number}"} for number in range(3))
    ledgers = {}
    for name, number, runs in (("mine", 3, (first, second)), ("theirs", 6, (first, third))):
        ledger = load(write(name, num_trials=number))
        own = pl.when(pl.col("number") < 3).then(0).otherwise(1).cast(pl.Int32)
        study = dataclasses.replace(ledger.study, runs=runs)
        ledgers[name] = dataclasses.replace(ledger, study=study, trials=ledger.trials.with_columns(run=own))
    monkeypatch.setattr("analysis.ledger.join.load", lambda folder: ledgers[folder.name])
    here = write("x").parent
    joined = load_studies([here / "mine", here / "theirs"]).first
    assert joined.study.runs == (first, second, third)
    assert joined.trials.filter(pl.col("number") < 3)["run"].unique().to_list() == [0]
    assert joined.trials.filter(pl.col("number") >= 3)["run"].unique().to_list() == [2]


@pytest.mark.parametrize(
    ("mine", "theirs", "kept"),
    [
        (ErrorPlan(most_confirm_seeds=48), ErrorPlan(most_confirm_seeds=48), ErrorPlan(most_confirm_seeds=48)),
        (ErrorPlan(most_confirm_seeds=48), ErrorPlan(most_confirm_seeds=24), ErrorPlan()),
        (ErrorPlan(counts_every_claim=True), ErrorPlan(), ErrorPlan(counts_every_claim=True)),
    ],
)
def test_of_two_plans_of_error_the_stricter_holds(write, mine, theirs, kept):
    folders = []
    for name, plan in (("one", mine), ("other", theirs)):
        folders.append(write(name))
        content = json.loads((folders[-1] / "study.json").read_text(encoding="utf-8"))
        content["error_plan"] = dataclasses.asdict(plan)
        (folders[-1] / "study.json").write_text(json.dumps(content), encoding="utf-8")
    assert load_studies(folders).first.study.error_plan == kept


@pytest.mark.parametrize(
    ("mine", "theirs", "kept"),
    [("a", "a", FixedClaims(text="a", known=("adam", "sgd"))), ("a", "b", None), ("a", None, None), (None, None, None)],
)
def test_claims_that_were_not_the_same_for_all_rows_were_not_fixed_before_them(write, monkeypatch, mine, theirs, kept):
    ledgers = {}
    for name, text, known in (("mine", mine, "sgd"), ("theirs", theirs, "adam")):
        ledger = load(write(name))
        claims = text and FixedClaims(text=text, known=(known,))
        ledgers[name] = dataclasses.replace(ledger, study=dataclasses.replace(ledger.study, claims=claims))
    monkeypatch.setattr("analysis.ledger.join.load", lambda folder: ledgers[folder.name])
    here = write("x").parent
    assert load_studies([here / "mine", here / "theirs"]).first.study.claims == kept


def test_a_key_with_other_rows_is_refused_and_named(write):
    folders = [write("one"), write("other", group_size=1)]
    with pytest.raises(
        LedgerError,
        match=r"^trials: a key that stands in two ledgers must have equal rows, optimizer='momentum', phase='explore', "
        r"number=1, replicate=0 differs in group_size; leave one ledger out\.$",
    ):
        load_studies(folders)


def test_epochs_of_a_shared_trial_must_be_equal_too(write):
    one, other = write("one"), write("other")
    for path in (other / "epochs").glob("*.parquet"):
        rows = pq.read_table(path)
        place = rows.column_names.index("weight_norm")
        pq.write_table(rows.set_column(place, rows.schema.field(place), pa.array([11.0] * rows.num_rows)), path)
    with pytest.raises(LedgerError, match=r"epochs: .* epoch=1 differs in weight_norm; leave one ledger out\."):
        load_studies([one, other])
    shutil.rmtree(other / "epochs")
    with pytest.raises(LedgerError, match=r"epochs: .* one of them has \d+ and the other 0 of those they share"):
        load_studies([one, other])


MOVED = {
    "sgd": {"space": {"learning_rate": {"low": 0.1, "high": 1.0, "scale": "log"}}, "published": {"learning_rate": 0.2}}
}
OWN = {"sgd": {**MOVED["sgd"], "source": "SPEC = 1"}}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"num_epochs": 4}, r"num_epochs is 4, not 3"),
        ({"identity": {"seed": 1, "dataset": "cifar10"}}, r"dataset is cifar10, not cifar10-mini; seed is 1, not 0"),
        ({"identity": {"shared_order": True}}, r"shared_order is True, not False"),
        ({"identity": {"repeat": 1, "lag": 3}}, r"lag is 3, not 8"),
        ({"identity": {"extra": None, "lag": 8, "colour": "red"}}, r"colour is red, not not stored"),
        ({"optimizers": MOVED}, r"sgd\.space is .*; sgd\.published is \{'learning_rate': 0\.2\}, not .*"),
        ({"optimizers": OWN}, r"sgd\.space is .*; sgd\.source is SPEC = 1, not not stored"),
    ],
)
def test_another_study_is_refused_and_its_fields_are_named(write, changes, fields):
    folders = [write("one"), write("other", **changes)]
    with pytest.raises(LedgerError, match=rf"'.*/other' is not of that of '.*/one': {fields}; put two studies side by"):
        load_studies(folders)


def test_equal_fields_with_another_hash_are_another_study(write):
    folders = [write("one"), write("other")]
    path = folders[1] / "study.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "study_hash": "fedcba987654"}))
    with pytest.raises(LedgerError, match=r"study_hash is fedcba987654, not 0123456789ab;"):
        load_studies(folders)


def test_a_corrected_reference_and_a_field_of_a_later_release_are_no_difference(synthetic, write):
    optimizers = {"sgd": {**synthetic().optimizers["sgd"], "reference": "corrected"}}
    folders = [write("one"), write("other", optimizers=optimizers, identity={"shared_order": False, "repeat": 0})]
    assert load_studies(folders).first.study.optimizers["sgd"].reference != "corrected"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_part_of_an_old_release_takes_over_what_its_optimizers_reduce_to(synthetic, write, order):
    new = {"momentum": {**synthetic().optimizers["momentum"], "reduces_to": {"sgd": {"momentum": 0.0}}}}
    folders = [write("old", optimizers=only(synthetic, "momentum")), write("new", optimizers=new)]
    joined = load_studies([folders[place] for place in order]).first.study
    assert joined.optimizers["momentum"].reduces_to == {"sgd": {"momentum": 0.0}}


def test_repeats_stand_by_number_wherever_they_lie(write):
    later, first = write("c", identity={"repeat": 2}), write("a")
    write("a/repeats/1", identity={"repeat": 1})
    studies = load_studies([later, first])
    assert [ledger.study.repeat for ledger in studies.repeats] == [0, 1, 2]
    assert studies.first.study.repeat == 0
    points = [
        tuple(ledger.trials.filter(phase="explore")["learning_rate"].unique().sort()) for ledger in studies.repeats
    ]
    assert len(set(points)) == 3


def test_parts_of_one_repeat_are_joined(synthetic, write):
    parts = [write(name, optimizers=only(synthetic, name), identity={"repeat": 1}) for name in ("sgd", "momentum")]
    studies = load_studies([write("study"), *parts])
    assert [set(ledger.study.optimizers) for ledger in studies.repeats] == [{"sgd", "momentum"}] * 2


def test_a_repeat_without_rows_is_left_out_unless_it_is_named(write):
    study, repeat = write("study"), write("study/repeats/1", identity={"repeat": 1}, phases=())
    (study / "repeats" / "notes").mkdir()
    assert len(load_studies([study]).repeats) == 1
    with pytest.raises(LedgerError, match=r"a report needs at least one finished trial"):
        load_studies([repeat])


@pytest.mark.parametrize("again", ["study", "other/../study", "link", "study/repeats/1"])
def test_a_folder_given_twice_is_refused(write, again):
    study = write("study")
    write("study/repeats/1", identity={"repeat": 1})
    (study.parent / "link").symlink_to(study)
    (study.parent / "other").mkdir()
    with pytest.raises(LedgerError, match=r"each folder may be given once, '.*' is given twice; leave one out\.$"):
        load_studies([study, study.parent / again])


def timing_rows(blocks, seconds):
    rows = [
        {"optimizer": name, "block": block, "batch_size": 32, "replicates": 1, "steps": 10, "seconds": seconds,
         "device": "cpu", "node": "127.0.0.1"}
        for block in blocks for name in ("sgd", "momentum")
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=timings_schema())


def test_blocks_of_two_machines_never_mix(write):
    """The second ledger is a copy of the first whose steps were timed once more, elsewhere."""
    one, other = write("one"), write("other")
    for folder, blocks, seconds in ((one, (0, 1), 1.0), (other, (0, 1), 1.0), (other, (2, 3), 7.0)):
        (folder / "timings").mkdir(exist_ok=True)
        pq.write_table(timing_rows(blocks, seconds), folder / "timings" / f"{seconds}.parquet")
    joined = load_studies([one, other]).first.timings
    assert joined.select("block", "seconds").unique().sort("block").rows() == [(0, 1.0), (1, 1.0), (4, 7.0), (5, 7.0)]
    assert joined.select("optimizer", "block").is_unique().all()
    pq.write_table(timing_rows((0,), 3.0), one / "timings" / "1.0.parquet")
    rows = load_studies([one, other]).first.timings.select("block", "seconds").unique().sort("block").rows()
    assert rows == [(0, 3.0), (1, 1.0), (2, 1.0), (3, 7.0), (4, 7.0)]


def test_a_repeat_that_has_rows_but_does_not_say_of_what_is_refused(write):
    study = write("study")
    write("study/repeats/1", identity={"repeat": 1}).joinpath("study.json").unlink()
    with pytest.raises(LedgerError, match=r"every repeat holds a study\.json, '.*repeats/1' holds rows without one"):
        load_studies([study])


def test_a_repeat_in_the_folder_of_another_is_refused(write):
    study = write("study")
    write("study/repeats/2", identity={"repeat": 1})
    message = r"the folder of a repeat bears its number, '.*repeats/2' holds repeat 1"
    with pytest.raises(LedgerError, match=message):
        load_studies([study])


def test_rows_of_one_tuning_under_the_number_of_another_are_refused(write):
    """The synthetic study draws the same seeds for every repeat, as a folder does whose rows were copied."""
    study = write("study")
    write("study/repeats/1", identity={"repeat": 1, "own_seeds": True})
    message = r"every tuning has seeds of its own, repeats 0 and 1 both hold seed \d+: rows of one were copied"
    with pytest.raises(LedgerError, match=message):
        load_studies([study])
