"""Tuning several times: other points, other seeds, a ledger for each; one command completes them all."""

import dataclasses
import json
import pathlib
import re
import signal

import polars as pl
import pytest
import ray

from analysis.ledger.plan import MOST_REPEATS
from analysis.ledger.schema import repeat_directory, stored_repeats
from study.ledger import Ledger, locked, read_study, write_study
from study.ledger.directory import discard_drafts, own_files
from study.ledger.lock import all_locked, repeats
from study.queue.tasks import Outcome, Task, TrialKey
from study.queue.time_budget import time_budgets
from study.queue.trial_queue import TrialQueue
from study.request.checks import check
from study.request.options import parse
from study.request.study import build_studies
from study.run import main
from study.search import load_search
from tests.processes import overriding, wait_for

KEY = ["optimizer", "phase", "number", "replicate"]
WORDS = (
    *(
        "--search",
        "optuna",
        "--repeats",
        "1",
        "--optimizers",
        "sgd,langevin",
        "--train-images",
        "40",
        "--batch-size",
        "20",
    ),
    *("--epochs", "1", "--seeds", "2", "--confirm-seeds", "6", "--no-sweep", "--output", "out"),
)


@pytest.mark.parametrize("search", ["optuna", "random", "sobol"])
def test_a_repeat_has_other_points_and_the_same_seeds(make_spec, simulate, search):
    spec = make_spec(search=search, num_trials=12, sweep=False)
    tunings = []
    for repeat in range(3):
        own = dataclasses.replace(spec, identity=dataclasses.replace(spec.identity, repeat=repeat))
        tasks = simulate(TrialQueue(own, load_search(search)))
        tunings.append({task.key: task for task in tasks})
    for one, other in ((0, 1), (0, 2), (1, 2)):
        shared = tunings[one].keys() & tunings[other].keys()
        assert {key.phase for key in shared} >= {"published", "explore", "confirm"}
        for key in shared:
            mine, theirs = tunings[one][key], tunings[other][key]
            assert mine.seeds == theirs.seeds
            chosen = key.phase not in ("published",) and (key.phase, key.number) != ("confirm", 0)
            assert (mine.point != theirs.point) == chosen, key


def test_a_repeat_with_own_seeds_shares_nothing_and_confirms_its_winner_alone(make_spec, simulate):
    spec = make_spec(num_trials=6)
    tunings = []
    for repeat in range(3):
        identity = dataclasses.replace(spec.identity, repeat=repeat, own_seeds=repeat > 0)
        tunings.append(simulate(TrialQueue(dataclasses.replace(spec, identity=identity), load_search("random"))))
    seeds = [{(task.key.phase == "confirm", seed) for task in tasks for seed in task.seeds} for tasks in tunings]
    assert not (seeds[0] & seeds[1]) | (seeds[0] & seeds[2]) | (seeds[1] & seeds[2])
    for tasks in tunings[1:]:
        fresh = [task for task in tasks if task.key.phase == "confirm"]
        confirmed = {(task.key.optimizer, task.key.number): task.sampler for task in fresh}
        assert sorted(name for name, _ in confirmed) == sorted(spec.extent.optimizers)
        assert {number for _, number in confirmed} <= {0, 1}
        for (_, number), sampler in confirmed.items():
            assert sampler == ("winner" if number else "published")
    assert {(task.key.phase, task.key.number) for task in tunings[0]} >= {("confirm", 0), ("confirm", 1)}


def test_new_repeats_have_own_seeds_unless_old_ones_share_those_of_the_first(tmp_path):
    """An old study goes on as it began: repeats with and without shared seeds could not be judged together."""
    first, second, third = studies_of(tmp_path, "--repeats", "3", sweep=True)
    assert [study.spec.identity.own_seeds for study in (first, second, third)] == [False, True, True]
    assert [study.spec.extent.sweep for study in (first, second, third)] == [True, False, False]
    assert first.spec.study_hash == studies_of(tmp_path, "--repeats", "1")[0].spec.study_hash
    old = second.spec.to_dict()
    del old["identity"]["own_seeds"]
    identity = dataclasses.replace(second.spec.identity, own_seeds=False)
    write_study(second.directory, {**old, "study_hash": identity.study_hash, "runs": [], "looks": []})
    grown = studies_of(tmp_path, "--repeats", "3", sweep=True)
    assert [study.spec.identity.own_seeds for study in grown] == [False, False, False]
    assert [study.spec.extent.sweep for study in grown] == [True, True, True]


def test_the_first_repeat_is_the_study_without_the_option(make_spec):
    """The stream's name stood in the code before there were repeats: the points of old studies depend on it."""
    identity = make_spec().identity
    assert identity.search_stream("sgd") == "search/sgd"
    streams = {dataclasses.replace(identity, repeat=repeat).search_stream("sgd") for repeat in range(3)}
    assert len(streams) == 3
    hashes = {dataclasses.replace(identity, repeat=repeat).study_hash for repeat in range(3)}
    assert len(hashes) == 3


def test_numbers_are_those_asked_for_and_those_that_lie_there(make_spec, tmp_path):
    assert repeats(tmp_path / "new", 1) == [0]
    for name in ("1", "4", "04", "x", "-1", "1.5"):
        write_study(tmp_path / "repeats" / name, {**make_spec().to_dict(), "runs": [], "looks": []})
    (tmp_path / "repeats" / "7").mkdir()
    assert stored_repeats(tmp_path) == [1, 4]
    assert repeats(tmp_path, 1) == [0, 1, 4]
    assert repeats(tmp_path, 3) == [0, 1, 2, 4]
    assert [repeat_directory(tmp_path, repeat) for repeat in (0, 4)] == [tmp_path, tmp_path / "repeats" / "4"]


def studies_of(directory, *words, sweep=False):
    given = [word for word in WORDS if word != "--no-sweep" or not sweep]
    return build_studies(check(*parse(overriding(*given, *words))), directory)


def test_repeats_grow_with_the_study_and_never_shrink(tmp_path):
    for study in studies_of(tmp_path, "--repeats", "2", "--trials", "5"):
        write_study(study.directory, {**study.spec.to_dict(), "runs": [], "looks": []})
    studies = studies_of(tmp_path, "--trials", "3", "--optimizers", "adam", "--repeats", "1")
    assert [study.directory for study in studies] == [tmp_path, tmp_path / "repeats" / "1"]
    assert [study.spec.identity.repeat for study in studies] == [0, 1]
    for study in studies:
        assert study.spec.extent.num_trials == 5
        assert study.spec.extent.optimizers == ("sgd", "langevin", "adam")
        assert set(study.optimizers) == {"sgd", "langevin", "adam"}
    assert len(studies_of(tmp_path, "--repeats", "3")) == 3


def test_another_study_in_the_place_of_a_repeat_is_refused(tmp_path):
    first, second = studies_of(tmp_path, "--repeats", "2")
    write_study(second.directory, {**first.spec.to_dict(), "runs": [], "looks": []})
    with pytest.raises(ValueError, match=r"repeats/1 holds a different study: repeat is 0, not 1\. Choose another"):
        studies_of(tmp_path)


def test_a_repeat_is_locked_from_the_start(tmp_path):
    (tmp_path / "study" / "repeats" / "2").mkdir(parents=True)
    with (
        locked(tmp_path / "study" / "repeats" / "2"),
        pytest.raises(ValueError, match=r"repeats/2 is in use by another run of the study"),
        all_locked(tmp_path / "study", 3),
    ):
        pass
    assert not list(tmp_path.rglob(".lock"))
    with all_locked(tmp_path / "study", 3):
        held = {path.parent.name for path in tmp_path.rglob(".lock")}
        assert held == {"study", "1", "2"}
        assert read_study(tmp_path / "study") is None


def test_folders_locked_for_nothing_are_removed(tmp_path):
    with all_locked(tmp_path / "study", 3):
        assert (tmp_path / "study" / "repeats" / "2" / ".lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_leaves_its_repeats_alone(make_spec, tmp_path):
    spec = make_spec()
    draft = tmp_path / "repeats" / "1" / "trials" / ".x.parquet.draft"
    log = tmp_path / "repeats" / "1" / "log" / "sgd-explore-00001-000-4.arrows"
    own = tmp_path / "trials" / ".x.parquet.draft"
    for path in (draft, log, own):
        path.parent.mkdir(parents=True)
        path.touch()
    assert set(own_files(tmp_path)) == {own, own.parent}
    discard_drafts(tmp_path)
    assert draft.exists()
    assert not own.exists()
    ledger = Ledger(tmp_path, spec)
    ledger.recover()
    key = TrialKey("sgd", "explore", 1)
    task = Task(key=key, sampler="sobol", point={"learning_rate": 0.1}, replicates=(0, 1), seeds=(1, 2))
    assert ledger.begin(task).number == 0


def test_a_look_at_more_repeats_is_a_look(make_spec, tmp_path):
    ledger = Ledger(tmp_path, make_spec())
    ledger.record_run({"command": "a test"})
    repeated = [
        Outcome(key=TrialKey("sgd", "confirm", 0), point={}, replicate=r, status="failed", validation_error=None)
        for r in range(5)
    ]
    for outcomes in ([], repeated, repeated):
        ledger.record_look(6, outcomes)
    looks = json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))["looks"]
    assert [(look["num_replicates"], look["confirmed"]) for look in looks] == [(0, {}), (5, {"sgd": 5})]


def test_repeats_share_the_time_that_is_left():
    now = [0.0]
    budgets = time_budgets(30.0, 3, lambda: now[0])
    allowed = []
    for used in (600.0, 1000.0, 300.0):
        allowed.append(next(budgets)._seconds)
        now[0] += used
    assert allowed == pytest.approx([600.0, 600.0, 200.0])
    assert [budget._seconds for budget in time_budgets(None, 2)] == [float("inf")] * 2
    late = time_budgets(1.0, 1, lambda: now[0])
    now[0] += 1e6
    assert next(late)._seconds == 0.0


def test_a_dry_run_plans_all_repeats_and_writes_nothing(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    networks = {}
    for number in (1, 3):
        assert main(overriding(*WORDS, "--dry-run", "--repeats", str(number))) == 0
        text = capsys.readouterr().out
        networks[number] = int(re.search(r"([\d,]+) networks to train", text)[1].replace(",", ""))
        assert ("without sweep, tuned 3 times." in text) == (number == 3)
    # Two optimizers, of which a repeat does not confirm the published setting on six seeds once more.
    assert networks[3] == 3 * networks[1] - 2 * 2 * 6
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "", str(MOST_REPEATS + 1)])
def test_a_number_of_repeats_that_is_none_is_refused(number, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(overriding(*WORDS, "--repeats", number))
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"python -m study.run: error: argument --repeats: must be a whole number from 1 to 100, got {number!r}"
    )
    assert list(tmp_path.iterdir()) == []


def table(directory, folder="trials"):
    return pl.read_parquet(directory / folder / "*.parquet")


def determined(directory, folder="trials"):
    """All that the spec determines, in the order of the key."""
    key = [*KEY, "epoch"] if folder == "epochs" else KEY
    return table(directory, folder).drop("seconds", "node", "run", strict=False).sort(key)


def bytes_of(directory):
    return {path: path.read_bytes() for path in own_files(directory) if path.suffix == ".parquet"}


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_the_command_adds_extends_and_reports_repeats(study_command, tmp_path):
    """One tuning first, then two: the first one's files stay as they are; then more trials for both."""
    out = tmp_path / "out"
    address = ("--address", ray.get_runtime_context().gcs_address, "--max-concurrent", "1")
    environment = {"RAY_AUTH_MODE": "token"}

    def run(*words):
        done = study_command(*WORDS, *address, *words, env=environment)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    run("--trials", "2")
    before = bytes_of(out)
    assert not (out / "repeats").exists()

    assert "Repeat 1 of the tuning, in out/repeats/1:" in run("--trials", "2", "--repeats", "2")
    assert bytes_of(out) == before
    again = out / "repeats" / "1"
    assert read_study(again)["identity"] == {**read_study(out)["identity"], "repeat": 1, "own_seeds": True}
    points = [table(place).filter(phase="explore").sort(KEY)["learning_rate"].to_list() for place in (out, again)]
    assert not set(points[0]) & set(points[1])
    seeds = [set(table(place)["seed"]) for place in (out, again)]
    assert seeds[0].isdisjoint(seeds[1])
    assert [len(own) for own in seeds] == [2 + 6] * 2
    confirmed = table(again).filter(phase="confirm").group_by("optimizer").len().sort("optimizer")
    assert confirmed.rows() == [("langevin", 6), ("sgd", 6)]
    stored = pl.read_csv(out / "report" / "tables" / "repeats.csv")
    assert stored.select("repeat", "optimizer").rows() == [(0, "sgd"), (0, "langevin"), (1, "sgd"), (1, "langevin")]
    assert len(read_study(out)["looks"]) == 2

    assert "0 networks to train" in run("--trials", "2", "--repeats", "2")
    assert bytes_of(out) == before
    assert len(read_study(out)["looks"]) == 2

    run("--trials", "3")
    for place in (out, again):
        tuned = table(place).filter(~pl.col("phase").is_in(["confirm", "ablation"]))
        assert tuned.group_by("optimizer").len().sort("optimizer").rows() == [("langevin", 6), ("sgd", 6)]
        assert len(list(place.glob(".lock"))) == 0
    assert not (again / "timings").exists()


@pytest.mark.slow
def test_a_signal_in_a_repeat_ends_the_command_and_the_same_command_completes_it(start, study_command, tmp_path):
    words = [*WORDS, "--trials", "6", "--epochs", "15", "--repeats", "2", "--no-timing", "--max-concurrent", "1"]
    last = tmp_path / "out" / "repeats" / "1"
    process = start(tmp_path, *words)
    wait_for(lambda: list(last.glob("trials/*.parquet")), process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 143, err
    assert "Not finished; go on with: python -m study.run --search optuna" in out
    assert "--repeats 2" in out
    assert (tmp_path / "out" / "report" / "tables" / "repeats.csv").exists()
    before = {folder: determined(last, folder) for folder in ("trials", "epochs")}
    first = bytes_of(tmp_path / "out")
    done = study_command(*words)
    assert done.returncode == 0, done.stderr
    assert bytes_of(tmp_path / "out") == first
    for folder, rows in before.items():
        assert rows.join(determined(last, folder), on=rows.columns, how="anti", nulls_equal=True).is_empty()
    assert pathlib.Path(last / "log").exists()
    assert list((last / "log").iterdir()) == []
    assert table(last).filter(~pl.col("phase").is_in(["confirm", "ablation"])).height == 2 * 6 * 2
