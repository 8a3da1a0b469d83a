"""Rounds of confirmation seeds until the claims are decided: what is asked for, what is refused, what a kill leaves."""

import io
import signal
from types import SimpleNamespace

import polars as pl
import pytest
from rich.console import Console

from analysis.ledger.study import LedgerError
from analysis.plugins import PluginError
from analysis.verdicts.undecided import Undecided
from study import rounds
from study.job import Job
from study.ledger import Ledger, read_study
from study.queue.time_budget import TimeBudget
from study.queue.trial_queue import TrialQueue
from study.request.error_plan import fixed_error_plan
from study.request.study import Study
from study.run import main
from study.search import load_search
from tests.processes import wait_for

CLAIMS = """
[[questions]]
name = "classifies better"
metric = "test_error"
improvement = "difference"
smallest_effect = 0.01
a = ["langevin", "adam", "momentum"]
b = ["sgd"]
refuted_by = "{b} is better than {a}"
"""
WORDS = (
    *("--search", "random", "--repeats", "1", "--optimizers", "sgd,langevin", "--train-images", "40"),
    *("--batch-size", "20", "--epochs", "8", "--trials", "2", "--confirm-seeds", "6", "--no-sweep", "--no-timing"),
    *("--until-decided", "--max-confirm-seeds", "12", "--claims", "claims.toml", "--max-concurrent", "1"),
    *("--output", "out"),
)


def asked(**changes):
    asked = {"until_decided": False, "most_confirm_seeds": None, "num_confirm_seeds": 12, "num_repeats": 1}
    return SimpleNamespace(**asked | changes)


def stored(most, *, counts_every_claim=True):
    return {"error_plan": {"counts_every_claim": counts_every_claim, "most_confirm_seeds": most}}


def test_only_winners_get_more_seeds_and_only_those_that_are_asked_for(make_spec, simulate):
    spec = make_spec(num_trials=6, sweep=False)
    seeds = {}
    for task in simulate(TrialQueue(spec, load_search("random"), [], {"momentum": 12})):
        if task.key.phase == "confirm":
            seeds.setdefault((task.key.optimizer, task.sampler == "published"), set()).update(task.replicates)
    assert seeds == {
        (name, is_published): set(range(12 if (name, is_published) == ("momentum", False) else 6))
        for name in spec.extent.optimizers
        for is_published in (True, False)
    }


def test_a_new_study_fixes_its_plan():
    assert fixed_error_plan(asked(), None, "out") == stored(None)["error_plan"]
    assert fixed_error_plan(asked(until_decided=True), None, "out") == stored(48)["error_plan"]
    assert fixed_error_plan(asked(most_confirm_seeds=30), None, "out") == stored(30)["error_plan"]


def test_a_dry_run_announces_the_rounds(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["--search", "random", "--dataset", "synthetic", "--repeats", "1", "--dry-run", "--until-decided"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "12 confirmation seeds of at most 48" in said
    assert "Then 6 more seeds at a time for the winners of open claims, up to 48." in said
    assert list(tmp_path.iterdir()) == []


def test_an_old_study_keeps_to_its_rule():
    assert fixed_error_plan(asked(num_repeats=3), {}, "out") is None
    assert fixed_error_plan(asked(num_repeats=3), stored(None), "out") == stored(None)["error_plan"]
    assert fixed_error_plan(asked(until_decided=True), stored(24), "out") == stored(24)["error_plan"]


@pytest.mark.parametrize(
    ("request_of", "study", "message"),
    [
        ({"until_decided": True}, {}, r"out began without a largest number .*, got --until-decided; choose another"),
        ({"until_decided": True}, stored(None), r"out began without a largest number .*, got --until-decided; choose"),
        ({"most_confirm_seeds": 48}, {}, r"began without .*, got --max-confirm-seeds 48; choose another --output"),
        ({"most_confirm_seeds": 48}, stored(24), r"began with at most 24, got .* 48; give --max-confirm-seeds 24, or"),
        ({"num_confirm_seeds": 30}, stored(24), r"--confirm-seeds must be at most 24, the most that out may have"),
        ({"num_repeats": 3}, stored(24), r"--repeats must be 1 for out, whose looks at up to 24 .* are planned, got 3"),
    ],
)
def test_a_plan_is_not_changed_afterwards(request_of, study, message):
    with pytest.raises(ValueError, match=message):
        fixed_error_plan(asked(**request_of), study, "out")


@pytest.fixture
def finished(make_spec, simulate, tmp_path):
    """A study of which all is done, its ledger in the place of what a run would have stored."""
    spec = make_spec(num_trials=4, sweep=False)
    ended = []

    class Stored(Ledger):
        def outcomes(self):
            return ended

    class Noted(TrialQueue):
        def record(self, outcomes):
            ended.extend(outcomes)
            super().record(outcomes)

    simulate(Noted(spec, load_search("random")))
    ledger = Stored(tmp_path, spec)
    ledger.record_run({"command": "a test"})
    study = Study(spec=spec, optimizers={}, directory=tmp_path, place="out")
    return Job(study=study, ledger=ledger, queue=TrialQueue(spec, load_search("random"), ended), outcomes=ended)


@pytest.fixture
def following(finished, monkeypatch):
    """Asks for the next round of a finished study of which this is found; returns it and what is said."""
    monkeypatch.setattr("study.job.load_search", lambda _: load_search("random"))

    def ask(seeds, budget=None, **counts):
        found = Undecided(seeds=seeds, **{"num_open": 0, "num_given_up": 0, "num_claims": 3} | counts)

        def answer(_, directory, **__):
            assert directory == finished.study.directory
            return found

        monkeypatch.setattr(rounds, "in_own_process", answer)
        console = Console(file=io.StringIO(), width=200)
        return rounds.next_round(console, finished, budget), console.file.getvalue()

    return ask


def test_a_round_trains_the_winners_of_open_claims_on_more_seeds(following, finished):
    job, said = following({"momentum": 12}, num_open=1)
    assert "1 of 3 claims on pairs of seeds is open: momentum goes on to 12 seeds." in said
    assert finished.queue.finished
    assert not job.queue.finished
    assert job.queue.num_confirmation_replicates() == 6
    assert len(read_study(finished.study.directory)["looks"]) == 1


def test_what_is_decided_or_given_up_ends_the_rounds(following):
    assert following({}) == (None, "3 claims on pairs of seeds: all are decided.\n")
    job, said = following({}, num_given_up=2)
    assert job is None
    assert said == "Of 3 claims on pairs of seeds 2 cannot be decided by more seeds, the others are.\n"


def test_a_round_that_the_time_budget_has_no_room_for_is_not_begun(following):
    now = [0.0]
    budget = TimeBudget(10, lambda: now[0])
    now[0] = 601.0
    job, said = following({"momentum": 12}, budget, num_open=2)
    assert job is None
    assert "2 of 3 claims on pairs of seeds are open, and the time budget has no room for another round" in said


@pytest.mark.parametrize("error", [LedgerError, PluginError])
def test_rows_that_cannot_be_judged_end_the_rounds(error, finished, monkeypatch):
    def refuse(_, directory, **__):
        raise error(str(directory))

    monkeypatch.setattr(rounds, "in_own_process", refuse)
    assert rounds.next_round(Console(file=io.StringIO()), finished) is None


def confirmed(directory):
    rows = pl.read_parquet(directory / "trials" / "*.parquet").filter(phase="confirm")
    counts = rows.group_by("optimizer", "number").len().sort("optimizer", "number").rows()
    return {(name, number): count for name, number, count in counts}


@pytest.mark.slow
def test_a_round_that_was_cut_off_is_completed_by_the_same_command(start, study_command, tmp_path):
    """Six seeds are too few for a family of three, of which the study holds one claim: a round follows, to the most."""
    (tmp_path / "claims.toml").write_text(CLAIMS, encoding="utf-8")
    out = tmp_path / "out"
    process = start(tmp_path, *WORDS)
    wait_for(lambda: (out / "study.json").exists() and read_study(out)["looks"], process)
    process.send_signal(signal.SIGTERM)
    said, err = process.communicate(timeout=200)
    assert process.returncode == 143, err
    assert "Not finished; go on with: python -m study.run --search random" in said
    assert max(confirmed(out).values()) == 6

    done = study_command(*WORDS)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 claim on pairs of seeds is open: langevin and sgd go on to 12 seeds." in done.stdout
    counts = confirmed(out)
    assert [max(own for (name, _), own in counts.items() if name == side) for side in ("langevin", "sgd")] == [12, 12]
    assert set(counts.values()) <= {6, 12}
    looks = read_study(out)["looks"]
    assert [max(look["confirmed_seeds"]["sgd"].values()) for look in looks] == [6, 12]

    again = study_command(*WORDS)
    assert again.returncode == 0, again.stderr
    assert "0 networks to train" in again.stdout
    assert read_study(out)["looks"] == looks
    text = (out / "report" / "report.md").read_text(encoding="utf-8")
    assert "looks so far were at 6 and 12 seeds" in text
