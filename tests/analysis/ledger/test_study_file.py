"""What `study.json` may hold, and what is said of anything else."""

import copy
import json

import pytest

from analysis.ledger.study import Axis, FixedClaims, LedgerError, Optimizer
from analysis.ledger.study_file import read_study

SPACE = {"learning_rate": {"low": 1e-4, "high": 1.0, "scale": "log", "unit": "1"}}
SGD = {"equation": "e", "space": SPACE, "published": {"learning_rate": 0.1}, "reference": "r", "source": None}
CONTENT = {
    "format_version": 1,
    "study_hash": "0123456789ab",
    "identity": {"dataset": "cifar10", "num_epochs": 3, "num_seeds": 2, "num_evaluation_images": 200, "repeat": 1},
    "extent": {"optimizers": ["sgd"], "num_trials": 5, "num_confirm_seeds": 6, "sweep": True},
    "optimizers": {"sgd": {**SGD, "values": {"learning_rate": [0.1, 1]}}},
    "runs": [{"commit": None}],
    "looks": [{"time": "2026-11-21T10:00:00+00:00", "confirmed": {"sgd": 6}, "explored": {"sgd": 3}}],
    "claims": {"text": "alpha = 0.05", "hash": "abc", "known": ["sgd"]},
}
MISSING = object()


@pytest.fixture
def read(tmp_path):
    """Reads a study.json of this content."""

    def written(content):
        path = tmp_path / "study.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return read_study(path)

    return written


def changed(place, value):
    """The content with another value at a place like "extent.sweep", or without it."""
    content = copy.deepcopy(CONTENT)
    *outer, last = (int(step) if step.isdecimal() else step for step in place.split("."))
    entry = content
    for step in outer:
        entry = entry[step]
    if value is MISSING:
        del entry[last]
    else:
        entry[last] = value
    return content


def test_a_study_is_what_its_file_says(read):
    study = read(CONTENT)
    axis = Axis(low=1e-4, high=1.0, scale="log", unit="1")
    assert study.optimizers == {
        "sgd": Optimizer(
            name="sgd", equation="e", space={"learning_rate": axis}, published={"learning_rate": 0.1}, reference="r",
            values={"learning_rate": (0.1, 1.0)},
        )
    }  # fmt: skip
    assert study.identity == CONTENT["identity"]
    assert (study.study_hash, study.num_epochs, study.num_seeds, study.repeat) == ("0123456789ab", 3, 2, 1)
    assert (study.num_trials, study.num_confirm_seeds, study.has_sweep) == (5, 6, True)
    assert (study.runs, study.looks) == (tuple(CONTENT["runs"]), tuple(CONTENT["looks"]))
    assert study.claims == FixedClaims(text="alpha = 0.05", known=("sgd",))
    assert (study.source, study.notes) == (None, ())


def test_files_of_the_first_releases_lack_what_came_later(read):
    content = changed("optimizers.sgd", SGD)
    content["identity"] = {"num_epochs": 3, "num_seeds": 2}
    content["looks"] = [{"time": "2026-11-21T10:00:00+00:00", "num_confirm_seeds": 6, "num_replicates": 40}]
    content["claims"] = None
    study = read(content)
    assert (study.repeat, study.claims, study.optimizers["sgd"].values) == (0, None, {})
    assert study.looks == tuple(content["looks"])
    del content["looks"], content["claims"]
    assert (read(content).looks, read(content).claims) == ((), None)


def test_an_optimizer_that_the_extent_leaves_out_comes_last(read):
    content = changed("optimizers", {"adam": SGD, "sgd": SGD})
    assert list(read(content).optimizers) == ["sgd", "adam"]


def test_where_rows_were_imported_from_is_kept(read):
    content = changed("imported", {"source": "optuna", "notes": ["a note"]})
    content["optimizers"]["sgd"]["published"] = {}
    assert (read(content).source, read(content).notes) == ("optuna", ("a note",))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("format_version", 2, "format_version must be 1, got 2"),
        ("format_version", "1", "format_version must be 1, got '1'"),
        ("format_version", MISSING, "format_version: Field required"),
        ("study_hash", 3, "study_hash must be a valid string, got 3"),
        ("surplus", 1, "surplus: Extra inputs are not permitted, got 1"),
        ("identity", [], "identity must be an object, got []"),
        ("identity.num_epochs", MISSING, "identity.num_epochs: Field required"),
        ("identity.num_epochs", None, "identity.num_epochs must be a valid integer, got None"),
        ("identity.num_epochs", "3", "identity.num_epochs must be a valid integer, got '3'"),
        ("identity.num_epochs", 3.5, "identity.num_epochs must be a valid integer, got 3.5"),
        ("identity.num_epochs", float("inf"), "identity.num_epochs must be a valid integer, got inf"),
        ("identity.num_seeds", True, "identity.num_seeds must be a valid integer, got True"),
        ("identity.num_seeds", 2**63, "num_seeds must be less than or equal to 1000000, got 9223372036854775808"),
        ("identity.num_epochs", 10**12, "num_epochs must be less than or equal to 1000000, got 1000000000000"),
        ("identity.num_epochs", 0, "identity.num_epochs must be greater than or equal to 1, got 0"),
        ("identity.num_seeds", 0, "identity.num_seeds must be greater than or equal to 1, got 0"),
        ("extent.num_trials", 10**12, "extent.num_trials must be less than or equal to 1000000, got 1000000000000"),
        ("extent.num_confirm_seeds", 10**9, "num_confirm_seeds must be less than or equal to 1000000, got 1000000000"),
        ("extent.num_sweep_seeds", 10**9, "num_sweep_seeds must be less than or equal to 1000000, got 1000000000"),
        ("optimizers.sgd.published.learning_rate", float("nan"), "learning_rate must be a finite number, got nan"),
        ("optimizers.sgd.published.learning_rate", 1e308, "learning_rate of published of 'sgd' must lie within 1e+60"),
        ("optimizers.sgd.space.learning_rate.high", 1e-4, "learning_rate needs low < high, got 0.0001 and 0.0001"),
        ("optimizers.sgd.space.learning_rate.low", 0.0, "learning_rate: scale 'log' needs low > 0, got 0"),
        ("optimizers.sgd.space.learning_rate.high", 1e200, "must lie within 1e+60, got 0.0001 and 1e+200"),
        ("optimizers", {"sgd": SGD, "a\0b": SGD}, "1 to 200 characters and none of control, got 'a\\x00b'"),
        ("optimizers", {"sgd": SGD, "": SGD}, "1 to 200 characters and none of control, got ''"),
        ("optimizers", {"sgd": SGD, "x" * 10**6: SGD}, "1 to 200 characters and none of control, got 'xxxxxx"),
        ("identity.repeat", -1, "identity.repeat must be greater than or equal to 0, got -1"),
        ("identity.num_evaluation_images", -1, "num_evaluation_images must be greater than or equal to 0, got -1"),
        ("identity.num_evaluation_images", "x", "num_evaluation_images must be a valid integer, got 'x'"),
        ("extent.optimizers", "sgd", "extent.optimizers must be a valid array, got 'sgd'"),
        ("extent.optimizers", ["sgd", None], "extent.optimizers.1 must be a valid string, got None"),
        ("extent.optimizers", ["sgd", "adam"], "extent.optimizers names adam, which optimizers does not describe"),
        ("extent.num_trials", 10**400, "extent.num_trials must be less than or equal to 1000000, got 1000"),
        ("extent.sweep", "yes", "extent.sweep must be a valid boolean, got 'yes'"),
        ("extent.sweeps", True, "extent.sweeps: Extra inputs are not permitted, got True"),
        ("optimizers.sgd", None, "optimizers.sgd must be an object, got None"),
        ("optimizers.sgd.published", MISSING, "optimizers.sgd.published: Field required"),
        ("optimizers.sgd.published", {}, "published of 'sgd' names [], its space ['learning_rate']"),
        ("optimizers.sgd.published.momentum", 0.9, "published of 'sgd' names ['learning_rate', 'momentum'], its space"),
        ("optimizers.sgd.published.learning_rate", "0.1", "published.learning_rate must be a valid number, got '0.1'"),
        ("optimizers.sgd.equations", "e", "optimizers.sgd.equations: Unexpected keyword argument, got 'e'"),
        ("optimizers.sgd.values.learning_rate", 0.1, "sgd.values.learning_rate must be a valid array, got 0.1"),
        ("optimizers.sgd.space.learning_rate.low", float("nan"), "learning_rate.low must be a finite number, got nan"),
        ("optimizers.sgd.space.learning_rate.low", 10**400, "learning_rate.low must be a "),
        ("optimizers.sgd.space.learning_rate.low", False, "learning_rate.low must be a valid number, got False"),
        ("optimizers.sgd.space.learning_rate.high", MISSING, "sgd.space.learning_rate.high: Field required"),
        ("optimizers.sgd.space.learning_rate.scale", "exp", "scale must be 'linear', 'log' or 'log_complement', got"),
        ("optimizers.sgd.space.learning_rate.step", 1, "learning_rate.step: Unexpected keyword argument, got 1"),
        ("runs", ["x"], "runs.0 must be an object, got 'x'"),
        ("runs", {}, "runs must be a valid array, got {}"),
        ("looks", ["x"], "looks.0 must be an object, got 'x'"),
        ("looks.0.confirmed", ["sgd"], "looks.0.confirmed must be an object, got ['sgd']"),
        ("looks.0.confirmed.sgd", [1], "looks.0.confirmed.sgd must be a valid integer, got [1]"),
        ("looks.0.explored.sgd", "x", "looks.0.explored.sgd must be a valid integer, got 'x'"),
        ("looks.0.explored.sgd", -1, "looks.0.explored.sgd must be greater than or equal to 0, got -1"),
        ("claims", "alpha = 0.05", "claims must be an object, got 'alpha = 0.05'"),
        ("claims.known", {"sgd": 1}, "claims.known must be a valid array, got {'sgd': 1}"),
        ("claims.text", MISSING, "claims.text: Field required"),
        ("imported", {"source": "optuna"}, "imported.notes: Field required"),
        ("crc32", "00000000", "something in it has changed since it was written"),
    ],
)  # fmt: skip
def test_an_entry_that_is_not_as_declared_is_named(read, tmp_path, place, value, message):
    with pytest.raises(LedgerError) as refused:
        read(changed(place, value))
    said = str(refused.value)
    assert said.startswith(f"study.json must follow format 1, '{tmp_path / 'study.json'}' does not (")
    assert message in said
    assert said.endswith("); write it with `python -m study.run`.")
    assert "\n" not in said
    assert len(said) < 400


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be readable JSON"),
        ("\0", "must be readable JSON"),
        ("{} {}", "must be readable JSON"),
        (5_000 * "[", "must be readable JSON"),
        ("[1]", "it must be an object, got [1]"),
        ("null", "it must be an object, got None"),
        ("{}", "format_version: Field required, got {}"),
        (json.dumps({**CONTENT, "study_hash": "a\ud800"}), "Invalid JSON"),
    ],
)
def test_a_file_that_describes_nothing_is_refused_in_one_line(read, text, message):
    with pytest.raises(LedgerError) as refused:
        read(text)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_message_grows_with_what_was_given(read):
    content = changed("extent.sweep", {"x": 10_000 * "y"})
    with pytest.raises(LedgerError, match=r"extent\.sweep must be a valid boolean, got {'x': 'y+\.\.\.\); write it"):
        read(content)
