"""What a ledger must fulfil to be read, and what is said when it does not."""

import json
import math
import pathlib
import shutil
import zlib

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.ledger.load import load
from analysis.ledger.schema import KEY as RUN
from analysis.ledger.study import LedgerError


@pytest.fixture
def copied(ledger_dir, tmp_path):
    return pathlib.Path(shutil.copytree(ledger_dir, tmp_path / "copy"))


def rewrite(study_dir, table, change):
    """Pass the first file of a table through `change`."""
    path = sorted((study_dir / table).glob("*.parquet"))[0]
    changed = change(pq.read_table(path))
    pq.write_table(changed, path)
    return path


def set_column(name, value):
    def change(table):
        place = table.schema.get_field_index(name)
        field = table.schema.field(name)
        return table.set_column(place, field, pa.array([value] * table.num_rows, field.type))

    return change


def test_every_row_is_read(ledger_dir):
    ledger = load(ledger_dir)
    paths = list((ledger_dir / "trials").glob("*.parquet"))
    assert ledger.trials.height == sum(pq.read_metadata(path).num_rows for path in paths)
    assert ledger.trials["number"].dtype == pl.Int32
    assert ledger.num_orphans == 0


def test_a_hyperparameter_column_that_a_file_lacks_is_null_there(copied):
    for path in (copied / "trials").glob("0-*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["momentum"]), path)
    assert load(copied).trials.filter(optimizer="sgd")["momentum"].null_count() > 0


def test_rows_of_a_running_trial_are_left_out_and_counted(copied):
    sorted((copied / "trials").glob("*.parquet"))[0].unlink()
    ledger = load(copied)
    assert ledger.num_orphans == 3 * 3


def test_duplicated_keys_are_refused(copied):
    path = sorted((copied / "trials").glob("*.parquet"))[0]
    shutil.copy(path, path.with_name("again.parquet"))
    with pytest.raises(
        LedgerError, match=r"trials: each key must stand once, 3 stand more often, the first is optimizer="
    ):
        load(copied)


@pytest.mark.parametrize(
    ("change", "ends"),
    [(lambda rows: rows.slice(1), "2 to 3"), (lambda rows: rows.filter(rows["epoch"] != 2), "1 to 3")],
)
def test_curves_with_a_gap_are_refused(copied, change, ends):
    def first_curve(rows):
        frame = pl.DataFrame(pl.from_arrow(rows))
        return change(frame.filter(replicate=frame["replicate"][0])).to_arrow().cast(rows.schema)

    rewrite(copied, "epochs", first_curve)
    with pytest.raises(LedgerError, match=rf"numbered 1, 2, 3, \.\.\., 1 have a gap, the first is .* from {ends};"):
        load(copied)


def test_a_column_that_stands_twice_is_refused(copied):
    rewrite(copied, "trials", lambda rows: rows.append_column(rows.schema.field("seed"), rows["seed"]))
    with pytest.raises(LedgerError, match=r"has twice the columns seed;"):
        load(copied)


def test_a_folder_that_is_no_study_is_refused(tmp_path):
    with pytest.raises(LedgerError, match=r"has no study\.json; give the folder that `python -m study\.run` printed"):
        load(tmp_path)
    with pytest.raises(LedgerError, match=r"is not a folder"):
        load(tmp_path / "missing")


def test_an_empty_ledger_is_refused(copied):
    shutil.rmtree(copied / "trials")
    with pytest.raises(LedgerError, match=r"a report needs at least one finished trial"):
        load(copied)


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"format_version": 2}', "\udcff"])
def test_a_broken_description_is_refused_in_one_line(copied, content):
    (copied / "study.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(LedgerError) as refused:
        load(copied)
    assert "study.json" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_rows_of_an_unknown_optimizer_are_refused(copied):
    description = json.loads((copied / "study.json").read_text())
    del description["optimizers"]["sgd"]
    description["extent"]["optimizers"] = ["momentum"]
    (copied / "study.json").write_text(json.dumps(description))
    with pytest.raises(LedgerError, match=r"optimizer must be one of momentum, got 'sgd'"):
        load(copied)


def test_a_damaged_file_is_named(copied):
    path = sorted((copied / "epochs").glob("*.parquet"))[0]
    path.write_bytes(b"PAR1 no parquet")
    with pytest.raises(LedgerError, match=path.name):
        load(copied)


def test_a_flipped_bit_is_noticed(copied):
    for path in (copied / "trials").glob("*.parquet"):
        pq.write_table(pq.read_table(path), path, write_page_checksum=True, compression="none")
    path = sorted((copied / "trials").glob("*.parquet"))[0]
    content = bytearray(path.read_bytes())
    content[30] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(LedgerError, match=rf"{path.name}' is damaged"):
        load(copied)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns(["seed"]), r"lacks the columns seed"),
        (lambda table: table.append_column("extra", [[1] * table.num_rows]), r"has unknown columns extra"),
        (lambda table: table.cast(_retyped(table, "seed", pa.int32())), r"has columns of another type: seed"),
        (set_column("status", "lost"), r"status must be one of complete, diverged, failed, got 'lost'"),
        (set_column("phase", "warmup"), r"phase must be one of published, .* got 'warmup'"),
        (
            set_column("validation_error", float("nan")),
            r"validation_error must be finite or null, it is NaN or infinite",
        ),
        (set_column("validation_error", None), r"a complete replicate must have an error"),
        (set_column("test_error", None), r"a complete replicate must have an error"),
        (set_column("status", "diverged"), r"a diverged replicate must have validation error 1"),
        (set_column("status", "failed"), r"a failed replicate must have no error"),
        (set_column("seed", None), r"seed must be given in every row, it is null in 3"),
        (lambda table: table.replace_schema_metadata({"schema_version": "5"}), r"has version 5; use the release"),
    ],
)
def test_rows_that_break_the_schema_are_refused(copied, change, message):
    rewrite(copied, "trials", lambda table: change(_nullable(table)))
    with pytest.raises(LedgerError, match=message):
        load(copied)


def _retyped(table, name, kind):
    return pa.schema([field.with_type(kind) if field.name == name else field for field in table.schema])


def _nullable(table):
    schema = pa.schema([field.with_nullable(True) for field in table.schema], metadata=table.schema.metadata)
    return table.cast(schema)


def test_step_losses_are_those_of_confirmation_runs_and_null_elsewhere(ledger_dir):
    epochs = load(ledger_dir).epochs
    is_confirm = epochs["phase"] == "confirm"
    assert epochs.filter(is_confirm)["step_losses"].to_list() == [pytest.approx([2.3, 2.0])] * int(is_confirm.sum())
    assert epochs.filter(~is_confirm)["step_losses"].null_count() == int((~is_confirm).sum()) > 0


def test_a_file_of_several_phases_and_row_groups_keeps_each_step_loss_in_its_row(copied, monkeypatch):
    monkeypatch.setattr("analysis.ledger.parts.BATCH_ROWS", 3)
    tables = [pq.read_table(path) for path in sorted((copied / "epochs").glob("*.parquet"))]
    for path in (copied / "epochs").glob("*.parquet"):
        path.unlink()
    table = pa.concat_tables(tables)
    losses = pa.array([[float(row)] * (row % 3) for row in range(table.num_rows)], pa.list_(pa.float32()))
    table = table.set_column(table.schema.get_field_index("step_losses"), "step_losses", losses)
    rows = table.append_column("row", pa.array(range(table.num_rows))).to_pylist()
    pq.write_table(table, copied / "epochs" / "all.parquet", row_group_size=7)
    found = {tuple(row[name] for name in (*RUN, "epoch")): row["step_losses"] for row in load(copied).epochs.to_dicts()}
    assert len({row["phase"] for row in rows}) > 2
    assert found == {
        tuple(row[name] for name in (*RUN, "epoch")): row["step_losses"] if row["phase"] == "confirm" else None
        for row in rows
    }


def test_step_losses_of_ablations_are_read_too(planted, tmp_path):
    epochs = load(planted().write(tmp_path / "study")).epochs
    counts = {phase: rows["step_losses"].count() for (phase,), rows in epochs.group_by("phase")}
    assert counts == {"published": 0, "explore": 0, "confirm": 4 * 12 * 8, "ablation": 12 * 8}


def test_an_ablation_needs_its_test_error(planted, tmp_path):
    folder = planted().write(tmp_path / "study")
    (path,) = (folder / "trials").glob("*.parquet")
    table = pq.read_table(path)
    errors = [None if row["phase"] == "ablation" else row["test_error"] for row in table.to_pylist()]
    field = table.schema.field("test_error")
    pq.write_table(table.set_column(table.schema.get_field_index("test_error"), field, pa.array(errors)), path)
    with pytest.raises(LedgerError, match=r"of the test too on confirmation seeds\), 12 rows do not"):
        load(folder)


def test_neutral_values_are_read_and_an_old_description_has_none(planted, ledger_dir, tmp_path):
    study = load(planted().write(tmp_path / "study")).study
    assert study.optimizers["langevin"].reduces_to == {"sgd": {"diffusion": 0.0}}
    assert all(optimizer.reduces_to == {} for optimizer in load(ledger_dir).study.optimizers.values())


@pytest.mark.parametrize(
    "reduces_to",
    [
        *({"sgd": 0.0}, {"sgd": {}}, {"sgd": {"momentum": 0.0}}, {"sgd": {"diffusion": math.inf}}),
        {"sgd": {"diffusion": 0.0, "learning_rate": 0.1}},
    ],
)
def test_neutral_values_without_meaning_are_refused(planted, tmp_path, reduces_to):
    optimizers = planted().optimizers
    broken = {**optimizers, "langevin": {**optimizers["langevin"], "reduces_to": reduces_to}}
    folder = planted(phases=("tuning", "confirm")).write(tmp_path / "study")
    content = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    content["optimizers"]["langevin"] = {**content["optimizers"]["langevin"], **broken["langevin"]}
    (folder / "study.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(LedgerError, match=r"study\.json must follow format 1"):
        load(folder)


def test_a_confirmation_run_without_step_losses_is_refused(copied):
    for path in (copied / "epochs").glob("0-confirm-0-*"):
        table = _nullable(pq.read_table(path))
        pq.write_table(set_column("step_losses", None)(table), path)
    with pytest.raises(LedgerError, match=r"step_losses must be given in every row, it is null in 9"):
        load(copied)


def test_a_file_without_the_column_of_step_losses_is_refused(copied):
    rewrite(copied, "epochs", lambda table: table.drop_columns(["step_losses"]))
    with pytest.raises(LedgerError, match=r"lacks the columns step_losses"):
        load(copied)


def test_a_changed_byte_in_step_losses_that_are_not_read_is_noticed(copied):
    path = next((copied / "epochs").glob("0-explore-*"))
    path = path.rename(path.with_name(f"x.{zlib.crc32(path.read_bytes()):08x}.parquet"))
    assert load(copied).epochs.height
    content = bytearray(path.read_bytes())
    group = pq.read_metadata(path).row_group(0)
    columns = {group.column(place).path_in_schema: group.column(place) for place in range(group.num_columns)}
    content[columns["step_losses.list.element"].data_page_offset] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(LedgerError, match="its checksum is not that of its name"):
        load(copied)
