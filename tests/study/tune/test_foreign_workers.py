"""A worker that has read code of others trains that optimizer alone, on a real Ray."""

import io
import os

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from ray._private.state import actors
from rich.console import Console

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
from study.tune.commits import Commits
from study.tune.launch import put_dataset, run_queue
from study.tune.searcher import QueueSearcher
from study.tune.settlement import Settlement
from tests.user_optimizers import CHANGING_IMPORTS, SUBVERSIVE_SGD, WITNESS_OF_WORKERS, faulty_sgd
from trainables.data.dataset import load_dataset
from trainables.optimizers import load_optimizer

pytestmark = pytest.mark.slow

SYNTHETIC = {"dataset": "synthetic", "num_train_images": 0, "num_validation_images": 0, "num_evaluation_images": 0}
KEY = ["optimizer", "phase", "number", "replicate"]


@pytest.fixture
def train(cluster, make_spec, tmp_path):
    """Trains a small study of `adam` and of others' optimizers by name and source; its rows."""
    del cluster

    def run(sources, *, num_workers, **changes):
        sgd = load_optimizer("sgd")
        definitions = {"adam": OptimizerDefinition.of(load_optimizer("adam"), source=None, values={})}
        definitions |= {name: OptimizerDefinition.of(sgd, source=text, values={}) for name, text in sources.items()}
        spec = make_spec(
            optimizers=tuple(definitions),
            definitions=definitions,
            **{"num_trials": 2, "search": "random", "sweep": False, **changes},
        )
        ledger = Ledger(tmp_path / "-".join(definitions), spec)
        queue = TrialQueue(spec, load_search("random"))
        slots = Slots(["cpu"], Share(cpus=1.0, gpus=1.0), lambda: {"cpu": num_workers})
        assignments = Assignments(queue, slots, TimeBudget(None))
        with Progress(queue, spec.extent.optimizers, (), Fleet(nodes), Console(file=io.StringIO())) as progress:
            settlement = Settlement(Commits(ledger, None), assignments, progress)
            searcher = QueueSearcher(assignments, spec.identity, settlement.settle)
            callback = LedgerCallback(ledger, assignments, settlement, progress, max_failures=0)
            identity = spec.identity
            images = load_dataset(identity.dataset)
            images = images.subset(identity.num_train_images, identity.num_evaluation_images)
            run_queue(searcher, callback, settlement, put_dataset(images), sources, StopRequest())
        ledger.close()
        assert queue.finished
        return pl.read_parquet(tmp_path / "-".join(definitions) / "trials" / "*.parquet").sort(KEY)

    return run


def rows_of(trials, name):
    return trials.filter(optimizer=name).select(pl.exclude("seconds", "node", "^learning_rate_.*$"))


def test_what_foreign_code_does_to_torch_changes_no_row_of_its_rival(train):
    alone = train({}, num_workers=1)
    spoilt = train({"mine": SUBVERSIVE_SGD}, num_workers=1)
    assert_frame_equal(rows_of(spoilt, "adam"), rows_of(alone, "adam"), check_column_order=False)
    assert set(rows_of(spoilt, "mine")["message"]) == {None}


def test_every_foreign_optimizer_has_workers_of_its_own_and_keeps_them(train, tmp_path):
    (tmp_path / "pids").mkdir()
    source = faulty_sgd("pass", tmp_path / "pids") + WITNESS_OF_WORKERS
    trials = train({"mine": source, "other": source}, num_workers=2)
    assert set(trials["status"]) == {"complete"}
    seen = [path.name.split("-") for path in (tmp_path / "pids").iterdir()]
    workers = {name: {pid for other, pid, _ in seen if other == name} for name in ("mine", "other")}
    assert workers["mine"]
    assert workers["other"]
    assert not workers["mine"] & workers["other"]
    assert str(os.getpid()) not in workers["mine"] | workers["other"]
    num_trials = {name: sum(other == name for other, _, _ in seen) for name in workers}
    assert all(len(workers[name]) < num_trials[name] for name in workers), seen


def test_one_optimizer_has_no_more_workers_than_there_are_places(train):
    """Trials end while the second worker still starts: none may be ended in its favour."""
    before = set(actors())
    trials = train({}, num_workers=2, num_trials=12, **SYNTHETIC)
    assert not trials.filter(status="complete").is_empty()
    assert len(actors().keys() - before) == 2


def test_code_that_changes_torch_after_it_was_tried_out_fails_its_trials(train):
    line = next(iter(CHANGING_IMPORTS))
    trials = train({"mine": faulty_sgd(line)}, num_workers=1)
    mine = trials.filter(optimizer="mine")
    assert set(mine["status"]) == {"failed"}
    assert "Optimizer 'mine' must leave torch as it finds it" in mine["message"][0]
    assert set(trials.filter(optimizer="adam")["status"]) == {"complete"}
