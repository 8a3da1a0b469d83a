"""Studies of the formula in the place of training: searches find its optimum, rows hold its curves."""

import io

import polars as pl
import pytest
from rich.console import Console

from analysis.ledger.schema import TESTED_PHASES
from study.cluster.nodes import nodes
from study.cluster.slots import Share, Slots
from study.display.fleet import Fleet
from study.display.progress import Progress
from study.ledger import Ledger
from study.queue.time_budget import TimeBudget
from study.queue.trial_queue import TrialQueue
from study.search import load_search
from study.signals import StopRequest
from study.spec import OptimizerDefinition
from study.tune.assignments import Assignments
from study.tune.callback import LedgerCallback
from study.tune.checkpoints import Continuation
from study.tune.commits import Commits
from study.tune.launch import put_dataset, run_queue
from study.tune.searcher import QueueSearcher
from study.tune.settlement import Settlement
from trainables.data.dataset import load_dataset
from trainables.optimizers import load_optimizer
from trainables.randomness import replicate_seed
from trainables.training.trial import TrialConfig
from trainables.workloads.learner import new_learner
from trainables.workloads.synthetic import Surface

NO_IMAGES = dict.fromkeys(
    ("num_train_images", "num_validation_images", "num_evaluation_images", "num_test_images"), 0
)  # fmt: skip
NAMES = ("sgd", "langevin")


@pytest.fixture
def synthetic_spec(make_spec):
    """Makes a study of two optimizers on the formula."""

    def make(**changes):
        definitions = {name: OptimizerDefinition.of(load_optimizer(name), source=None, values={}) for name in NAMES}
        defaults = {"dataset": "synthetic", **NO_IMAGES, "batch_size": 1, "num_epochs": 3, "search": "random"}
        return make_spec(optimizers=NAMES, definitions=definitions, **{**defaults, **changes})

    return make


def learner_of(spec, optimizer, point, replicates, *, fresh=False):
    config = TrialConfig(
        optimizer=optimizer,
        hyperparameters=point,
        seeds=tuple(replicate_seed(spec.identity.seed, fresh=fresh, replicate=r) for r in replicates),
        batch_size=1,
        num_epochs=spec.identity.num_epochs,
    )
    return new_learner(config, load_optimizer(optimizer), load_dataset("synthetic"))


def last_errors(learner):
    errors = {}
    while not learner.finished:
        errors |= {record.replicate: record.validation_error for record in learner.run_epoch()}
    return errors


@pytest.mark.parametrize("search", ["optuna", "random", "sobol"])
def test_searches_find_the_optimum(synthetic_spec, simulate, search):
    spec = synthetic_spec(search=search, num_trials=40, sweep=False, num_confirm_seeds=0)
    queue = TrialQueue(spec, load_search(search))

    def response(task, replicate):
        return last_errors(learner_of(spec, task.key.optimizer, task.point, (replicate,)))[0]

    simulate(queue, num_workers=2, response=response)
    for name in NAMES:
        surface = Surface(name, spec.optimizers[name].space)
        _, found = queue.best(name)
        best, published, at_optimum = (
            surface.expected_error(point, spec.identity.num_epochs)
            for point in (found, spec.optimizers[name].published, surface.optimum)
        )
        assert best <= published
        assert best - at_optimum < 0.1


def run(spec, directory, continuation=None):
    """Run what a study has left to do on the cluster of the session, a trial at a time."""
    ledger = Ledger(directory, spec, continues=continuation is not None)
    ledger.recover()
    outcomes = ledger.outcomes()
    queue = TrialQueue(spec, load_search(spec.identity.search), outcomes)
    continuation = continuation and Continuation(str(continuation), spec.study_hash, ledger)
    slots = Slots(["cpu"], Share(cpus=1.0, gpus=1.0), lambda: {"cpu": 1})
    assignments = Assignments(queue, slots, TimeBudget(None))
    ledger.record_run({"command": "a test"})
    with Progress(queue, spec.extent.optimizers, outcomes, Fleet(nodes), Console(file=io.StringIO())) as progress:
        settlement = Settlement(Commits(ledger, continuation), assignments, progress)
        searcher = QueueSearcher(assignments, spec.identity, settlement.settle, continuation)
        callback = LedgerCallback(ledger, assignments, settlement, progress, max_failures=0, continuation=continuation)
        run_queue(searcher, callback, settlement, put_dataset(load_dataset("synthetic")), {}, StopRequest())
    ledger.close()
    assert queue.finished
    return pl.read_parquet(directory / "trials" / "*.parquet")


def test_a_study_holds_the_curves_of_the_formula(cluster, synthetic_spec, tmp_path, monkeypatch):
    """Although two Tuners share its trials."""
    del cluster
    monkeypatch.setattr("study.tune.launch.TRIALS_PER_TUNER", 20)
    spec = synthetic_spec(num_trials=4)
    trials = run(spec, tmp_path / "study", tmp_path / "checkpoints")
    assert set(trials["phase"]) == {"published", "explore", "confirm", "ablation", "sweep"}
    assert set(trials["steps"]) == set(trials["images"]) == {0}
    assert set(trials["status"]) == {"complete", "diverged"}
    for (name, phase, number), rows in trials.sort("replicate").group_by("optimizer", "phase", "number"):
        row = rows.row(0, named=True)
        point = {key: row[key] for key in spec.optimizers[name].space}
        learner = learner_of(spec, name, point, rows["replicate"], fresh=phase in TESTED_PHASES)
        assert list(last_errors(learner).values()) == rows["validation_error"].to_list(), (name, phase, number)
        if phase in TESTED_PHASES:
            tested = zip(learner.evaluate_test().errors.tolist(), learner.diverged_steps, strict=True)
            assert [1.0 if diverged else error for error, diverged in tested] == rows["test_error"].to_list()
