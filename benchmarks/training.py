"""Images trained per second: the article's loop, plain loops and `Training`, beside what the machine can multiply.

All cases take turns, so what else the machine does falls on all of them alike; a ratio is taken within a turn. CPU time
counts loader processes too and is the figure to trust on a machine that is not idle. Workers stay between turns, one
for each core with one thread, and one with a thread for every core for the article's loop.
"""

import dataclasses
import multiprocessing
import os
import pathlib
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch.utils.data import DataLoader

from benchmarks import Row, row
from benchmarks._article import Pictures, SimpleCNN, train_epoch
from trainables.data.dataset import as_tensor, load_dataset, normalize
from trainables.optimizers import load_optimizer
from trainables.training.loop import Training
from trainables.training.trial import TrialConfig

GFLOP_PER_IMAGE = 3.2e-3
"""Of a forward and backward pass."""

LEARNING_RATE = 0.01
ARTICLE = "article's loop, 2 loader workers, whole machine"
REPETITIONS = 5


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much a turn trains: `num_images` of the mini set per pass, `passes` of them, in batches."""

    num_images: int = 4000
    passes: int = 3
    batch_size: int = 100
    matrix: int = 2048


SMALL = Size(num_images=200, passes=1, batch_size=20, matrix=128)

Turn = Callable[[], float]
"""Does one turn's work; returns how much it was, in images or GFLOP."""


@dataclass(frozen=True)
class Measured:
    """What one process did in a turn, in images or GFLOP, its wall time and its CPU time, in seconds."""

    amount: float
    wall: float
    cpu: float


def rows(*, small: bool = False, repetitions: int | None = None) -> list[Row]:
    """Throughput of every case, its ratio to the article's loop and its share of the machine's limit."""
    size = SMALL if small else Size()
    turns = measure(size, (1 if small else REPETITIONS) if repetitions is None else repetitions)
    rates = {name: [sum(each.amount / each.wall for each in turn) for turn in own] for name, own in turns.items()}
    times = {name: [_cpu_time(turn) for turn in own] for name, own in turns.items()}
    cores = num_cores()
    found = [
        row("training", name, "rate of one core", "GFLOP/s", [rate / cores for rate in rates[name]])
        for name in matrix_products(size)
    ]
    limit = [rate / cores / GFLOP_PER_IMAGE for rate in rates["matrix product, float32"]]
    for name, (_, used) in cases(size).items():
        shares = _ratios(rates[name], [used * images for images in limit])
        found += [
            row("training", name, "throughput", "images/s", rates[name]),
            row("training", name, "throughput / article's", "1", _ratios(rates[name], rates[ARTICLE])),
            row("training", name, "share of the float32 limit", "1", shares),
            row("training", name, "CPU time", "us/image", [1e6 * seconds for seconds in times[name]]),
            row("training", name, "article's CPU time / its own", "1", _ratios(times[ARTICLE], times[name])),
        ]
    return found


def matrix_products(size: Size) -> dict[str, Callable[[], Turn]]:
    """Makers of the matrix products, float32 and what else the processor has instructions for."""
    makers: dict[str, Callable[[], Turn]] = {"matrix product, float32": partial(matrix_product, size, torch.float32)}
    if has_bfloat16():
        makers["matrix product, bfloat16"] = partial(matrix_product, size, torch.bfloat16)
    return makers


def cases(size: Size) -> dict[str, tuple[Callable[[], Turn], int]]:
    """Makers of the training loops, and the cores that each may use."""
    cores = num_cores()
    makers: dict[str, tuple[Callable[[], Turn], int]] = {
        ARTICLE: (partial(article_loop, size, 2), cores),
        "article's loop, no loader workers, one core": (partial(article_loop, size, 0), 1),
        "images in memory, one core": (partial(memory_loop, size), 1),
    }
    for replicates in (1, 4, 8):
        makers[f"Training, S={replicates}, whole machine"] = (partial(fused_loop, size, replicates), cores)
    own: dict[str, Any] = {"order_seed": 0}
    makers["Training, S=8, shared order, whole machine"] = (partial(fused_loop, size, 8, own), cores)
    if has_bfloat16():
        own = {"precision": "bf16"}
        makers["Training, S=8, bf16, whole machine"] = (partial(fused_loop, size, 8, own), cores)
    return makers


def measure(size: Size, repetitions: int) -> dict[str, list[list[Measured]]]:
    """What each process of each case and matrix product did in each turn."""
    cores = num_cores()
    every = {**matrix_products(size), **{name: make for name, (make, _) in cases(size).items()}}
    found: dict[str, list[list[Measured]]] = {name: [] for name in every}
    with ExitStack() as stack:
        whole = stack.enter_context(Worker(cores, {ARTICLE: every[ARTICLE]}))
        others = {name: make for name, make in every.items() if name != ARTICLE}
        single = [stack.enter_context(Worker(1, others)) for _ in range(cores)]
        for turn in range(repetitions + 1):
            for name in every:
                wanted = cases(size)[name][1] if name in cases(size) else cores
                workers = [whole] if name == ARTICLE else single[:wanted]
                done = _together(workers, name)
                if turn:  # the first one warms up
                    found[name].append(done)
    return found


def article_loop(size: Size, loader_workers: int) -> Turn:
    """One network as a `torch.nn.Module`, a PIL transform for each image, the loss read at each step."""
    data = load_dataset("cifar10-mini").subset(size.num_images)
    pictures = Pictures(data.train_images, data.train_labels, size.num_images * size.passes)
    loader = DataLoader(pictures, batch_size=size.batch_size, shuffle=True, num_workers=loader_workers)
    model = SimpleCNN()
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)

    def turn() -> float:
        train_epoch(model, loader, optimizer)
        return len(pictures)

    return turn


def memory_loop(size: Size) -> Turn:
    """One network as a `torch.nn.Module`, its images as one tensor in memory."""
    data = load_dataset("cifar10-mini").subset(size.num_images)
    images, labels = normalize(as_tensor(data.train_images)), as_tensor(data.train_labels).long()
    model = SimpleCNN()
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)

    def turn() -> float:
        for _ in range(size.passes):
            for chosen in torch.split(torch.randperm(len(images)), size.batch_size):
                optimizer.zero_grad()
                F.cross_entropy(model(images[chosen]), labels[chosen]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        return len(images) * size.passes

    return turn


def fused_loop(size: Size, replicates: int, settings: Mapping[str, Any] | None = None) -> Turn:
    """`Training` of several networks at once, evaluated on ten images only: the loops above do not evaluate."""
    spec = load_optimizer("sgd")
    config = TrialConfig(
        optimizer="sgd",
        hyperparameters={"learning_rate": LEARNING_RATE},
        seeds=tuple(range(replicates)),
        batch_size=size.batch_size,
        num_epochs=2**31,
        **(settings or {}),
    )
    data = load_dataset("cifar10-mini").subset(size.num_images)
    data = dataclasses.replace(
        data, validation_images=data.validation_images[:10], validation_labels=data.validation_labels[:10]
    )
    training = Training(config, spec, data)
    passes = max(1, size.passes // replicates)  # turns of about equal length

    def turn() -> float:
        return replicates * sum(training.run_epoch()[0].images for _ in range(passes))

    return turn


def matrix_product(size: Size, dtype: torch.dtype) -> Turn:
    """A product of two square matrices that fit into the caches badly enough to be typical, well enough to be fast."""
    left, right = (torch.randn(size.matrix, size.matrix).to(dtype) for _ in range(2))
    repeats = 8

    def turn() -> float:
        for _ in range(repeats):
            torch.mm(left, right)
        return repeats * 2e-9 * size.matrix**3

    return turn


class Worker:
    """A process that does turns of its cases when asked; a context manager.

    Args:
        num_threads: Threads of torch.
        makers: What it can do, by name; made in the process.
    """

    def __init__(self, num_threads: int, makers: Mapping[str, Callable[[], Turn]]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        arguments = (theirs, num_threads, dict(makers), multiprocessing.get_start_method())
        self._process = context.Process(target=_serve, args=arguments)

    def __enter__(self) -> "Worker":
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.send(None)
        self._process.join()


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 numbers by instructions of its own."""
    info = pathlib.Path("/proc/cpuinfo")
    return info.exists() and not {"avx512_bf16", "amx_bf16"}.isdisjoint(info.read_text(encoding="utf-8").split())


def _serve(
    connection: Connection, num_threads: int, makers: Mapping[str, Callable[[], Turn]], start_method: str
) -> None:
    # Else loader processes would be spawned as this one is, and import torch in every pass.
    multiprocessing.set_start_method(start_method, force=True)
    torch.set_num_threads(num_threads)
    turns = {name: make() for name, make in makers.items()}
    for name in iter(connection.recv, None):
        wall, cpu = time.perf_counter(), _cpu_seconds()
        amount = turns[name]()
        connection.send(Measured(amount, time.perf_counter() - wall, _cpu_seconds() - cpu))


def _cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended, as loader processes have after each pass."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _together(workers: Sequence[Worker], name: str) -> list[Measured]:
    """What each worker did in a turn that all have done at the same time."""
    for worker in workers:
        worker.connection.send(name)
    return [worker.connection.recv() for worker in workers]


def _cpu_time(turn: Sequence[Measured]) -> float:
    return sum(each.cpu for each in turn) / sum(each.amount for each in turn)


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]
