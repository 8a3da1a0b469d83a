"""What the tests of studies share: small specs, a simulated cluster, and one real Ray for all of them."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest
import ray
from filelock import FileLock

from study.cluster.slots import Share, Slots
from study.queue.tasks import Outcome, Task
from study.queue.trial_queue import TrialQueue
from study.search import PointRequest, Proposal, SearchAlgorithm
from study.spec import Extent, Identity, OptimizerDefinition, StudySpec
from tests.processes import overriding
from trainables.spec import Hyperparameter

os.environ.setdefault("RAY_worker_niceness", "0")  # at Ray's 15 the other tests would starve those that wait for it

Response = Callable[[Task, int], float | None]

RATE = Hyperparameter(low=1e-4, high=1.0, scale="log")
MOMENTUM = Hyperparameter(low=0.0, high=0.99, scale="log_complement")
DEFINITIONS = {
    "sgd": OptimizerDefinition(
        equation="θ ← θ − η g", space={"learning_rate": RATE}, published={"learning_rate": 0.01}, reference="a test"
    ),
    "momentum": OptimizerDefinition(
        equation="v ← μ v + g",
        space={"learning_rate": RATE, "momentum": MOMENTUM},
        published={"learning_rate": 0.01, "momentum": 0.9},
        reference="a test",
    ),
    "noisy": OptimizerDefinition(
        equation="θ ← θ − η g + D ξ",
        space={"learning_rate": RATE, "diffusion": RATE},
        published={"learning_rate": 0.01, "diffusion": 0.01},
        reference="a test",
        reduces_to={"sgd": {"diffusion": 0.0}},
    ),
    "sign": OptimizerDefinition(
        equation="θ ← θ − s sign(g)", space={"stride": RATE}, published={"stride": 0.001}, reference="a test"
    ),
}

CLUSTER = """
import json, sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
nodes = [cluster.add_node(**resources) for resources in json.loads(sys.argv[1])]
print(cluster.address, flush=True)
for _ in sys.stdin:
    cluster.remove_node(nodes.pop(), allow_graceful=False)
    print("removed", flush=True)
cluster.shutdown()
"""


def digest(*parts: object) -> float:
    """A fraction that changes with every part."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:6], "big") / 2**48


@pytest.fixture(scope="session")
def make_spec() -> Callable[..., StudySpec]:
    """Makes a small study of `sgd` and `momentum`; keywords replace fields of its identity and extent."""

    def make(**changes: Any) -> StudySpec:
        identity = {
            "dataset": "cifar10-mini",
            "num_train_images": 200,
            "num_validation_images": 1000,
            "num_evaluation_images": 40,
            "num_test_images": 1000,
            "batch_size": 20,
            "num_epochs": 2,
            "seed": 0,
            "num_seeds": 2,
            "search": "optuna",
            "lag": 8,
            "precision": "float32",
            "shared_order": False,
        }
        extent = {
            "optimizers": ("sgd", "momentum"),
            "num_trials": 3,
            "num_confirm_seeds": 6,
            "sweep": True,
            "num_sweep_seeds": None,
        }
        definitions = changes.pop("definitions", DEFINITIONS)
        for fields in (identity, extent):
            fields |= {name: changes.pop(name) for name in list(changes) if name in fields}
        assert not changes, changes
        names = extent["optimizers"]
        return StudySpec(
            identity=Identity(**identity),
            extent=Extent(**extent),
            optimizers={name: definitions[name] for name in names},
        )

    return make


@pytest.fixture(scope="session")
def listening() -> Callable[..., SearchAlgorithm]:
    """Makes an algorithm whose points at even numbers change with every observation that it is given."""

    def make(first: int = 2) -> SearchAlgorithm:
        def learns(number: int) -> bool:
            return number >= first and number % 2 == 0

        def propose(request: PointRequest) -> Proposal:
            if request.number == 0:
                return Proposal(dict(request.published), "published", "published")
            heard = [(sorted(seen.point.items()), seen.objective) for seen in request.observations]
            parts = (request.seed, request.number, heard if learns(request.number) else None)
            point = {name: axis.at(digest(name, *parts)) for name, axis in request.space.items()}
            return Proposal(point, "exploit" if learns(request.number) else "explore", "listening")

        return SearchAlgorithm(propose=propose, learns=learns)

    return make


@pytest.fixture(scope="session")
def outcomes_of() -> Callable[..., list[Outcome]]:
    """Makes the outcomes of a task from a response: None is a failure and 1 a divergence."""

    def make(task: Task, response: Response) -> list[Outcome]:
        errors = {replicate: response(task, replicate) for replicate in task.replicates}
        status = {None: "failed", 1.0: "diverged"}
        return [
            Outcome(
                key=task.key,
                point=task.point,
                replicate=replicate,
                status=status.get(error, "complete"),
                validation_error=error,
            )
            for replicate, error in errors.items()
        ]

    return make


@pytest.fixture(scope="session")
def surface() -> Response:
    """Validation error that depends on optimizer, point and replicate alone, as training does."""

    def error(task: Task, replicate: int) -> float:
        return 0.9 * digest(task.key.optimizer, sorted(task.point.items()), replicate)

    return error


@pytest.fixture(scope="session")
def simulate(surface, outcomes_of) -> Callable[..., list[Task]]:
    """Runs a queue on simulated workers; `pick(n)` says which of n running tasks ends next."""

    def run(
        queue: TrialQueue,
        *,
        num_workers: int = 1,
        pick: Callable[[int], int] = lambda _: 0,
        response: Response = surface,
        on_start: Callable[[Task, Sequence[Outcome]], None] = lambda _task, _ended: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> list[Task]:
        started: list[Task] = []
        running: list[Task] = []
        ended: list[Outcome] = []
        while True:
            while len(running) < num_workers and (task := queue.next_task()) is not None:
                on_start(task, ended)
                started.append(task)
                running.append(task)
            assert queue.finished == (not running)
            if not running:
                return started
            outcomes = outcomes_of(running.pop(pick(len(running))), response)
            ended += outcomes
            queue.record(outcomes)
            on_end()

    return run


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Callable[[pathlib.Path], object]], pathlib.Path]:
    """Gives the folder of a name, which whoever asks first fills; all processes of a run of pytest share it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder(name: str, fill: Callable[[pathlib.Path], object]) -> pathlib.Path:
        path = shared / name
        with FileLock(shared / f"{name}.lock"):
            if not path.exists():
                draft = shared / f"{name}.draft"
                draft.mkdir()
                fill(draft)
                draft.rename(path)
        return path

    return folder


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """A Ray of two CPUs on this machine, for all tests of the session that train within this process."""
    from study.tune.launch import TUNE_SETTINGS

    os.environ |= TUNE_SETTINGS
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def new_slots() -> Callable[..., Slots]:
    """Makes places for so many trials on CPUs."""

    def make(number: int) -> Slots:
        return Slots(["cpu"], Share(cpus=1.0, gpus=1.0), lambda: {"cpu": number})

    return make


@pytest.fixture(autouse=True)
def no_cluster_of_others(monkeypatch) -> None:
    """No test joins a cluster by chance."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def study_command(tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python -m study.run` to its end in a directory of its own."""

    def run(*words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "study.run", *overriding(*words)],
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )

    return run


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `python -m study.run` in a directory, which is made if need be; what still runs at the end is killed."""
    started = []
    # A killed driver leaves Ray's temporary files behind, among them sockets, whose names may not be long.
    scratch = tempfile.mkdtemp(prefix="s-")

    def run(directory: pathlib.Path, *words: str) -> subprocess.Popen[str]:
        directory.mkdir(exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "study.run", *overriding(*words)],
            cwd=directory,
            env={**os.environ, "TMPDIR": scratch, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        with process:
            process.kill()
    shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture
def start_cluster(monkeypatch) -> Iterator[Callable[..., tuple[str, Callable[[], None]]]]:
    """Starts a cluster of a head without CPU and nodes of these resources; its address, and what kills its last node.

    One that is lost is missed within two seconds, in this process's environment too.
    """
    for name, value in (("initial_delay_ms", "0"), ("period_ms", "500"), ("failure_threshold", "3")):
        monkeypatch.setenv(f"RAY_health_check_{name}", value)
    started = []

    def run(*nodes: Mapping[str, float]) -> tuple[str, Callable[[], None]]:
        process = subprocess.Popen(
            [sys.executable, "-c", CLUSTER, json.dumps(nodes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)

        def lose_node() -> None:
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "removed\n"

        return process.stdout.readline().strip(), lose_node

    yield run
    for process in started:
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=60)
        process.kill()
        process.communicate()


@pytest.fixture
def user_file(tmp_path) -> Callable[[str, str], pathlib.Path]:
    """Writes an optimizer file of a user into a directory of its own."""

    def write(name: str, text: str) -> pathlib.Path:
        folder = tmp_path / "user's own"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        return path

    return write
