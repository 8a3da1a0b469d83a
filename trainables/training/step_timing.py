"""What a step of each optimizer costs: turns of all of them, interleaved in blocks, within a fixed time. No Ray.

Neighbouring turns share whatever slows the machine down for a while, and the order is reversed from block to block, so
a ratio of two optimizers within a block is free of slow changes.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import torch

from trainables.data.dataset import Dataset, as_tensor
from trainables.foreign.process import SECONDS, own_process, stage
from trainables.optimizers import is_foreign, resolve_optimizer
from trainables.randomness import derive_seed
from trainables.spec import OptimizerSpec
from trainables.training.loop import Training
from trainables.training.trial import TrialConfig

BATCH_SIZES = (32, 100, 500)

TURN_SECONDS = 0.01
"""Shortest time of a turn. Many short turns have a steadier median than few long ones: most are not disturbed."""

MOST_BLOCKS = 100

FEWEST_BLOCKS = 6
"""A batch size for which there is no time for so many is left out, the largest first."""

FEWEST_STEPS = 5 + 2 * FEWEST_BLOCKS
"""Steps of an optimizer that warming up and the fewest blocks take at one batch size."""

Turn = Callable[[int, int], float]
"""Takes so many steps at a batch size and returns the wall time of all but the first, in seconds."""


@dataclass(frozen=True, kw_only=True)
class StepTiming:
    """One turn: an optimizer's steps at one batch size in one block.

    Args:
        optimizer: Its name.
        block: Number of the block, from 0.
        batch_size: Images per step.
        steps: Steps timed.
        seconds: Wall time of those steps.
    """

    optimizer: str
    block: int
    batch_size: int
    steps: int
    seconds: float


def time_steps(
    configs: Sequence[TrialConfig],
    sources: Mapping[str, str],
    data: Dataset,
    device: torch.device | str = "cpu",
    *,
    seconds: float,
) -> list[StepTiming]:
    """Time forward pass, backward pass and update of several optimizers on one core or GPU.

    A batch is drawn from the training images with replacement, so it may be larger than there are images. Weights and
    the optimizer's state are the same at the start of every turn, so no turn leads into divergence. A foreign optimizer
    has its turns in a process of its own, which sleeps while the others have theirs.

    Args:
        configs: What to time, one for each optimizer; batch size and number of epochs mean nothing.
        sources: Text of each user's own file by optimizer name.
        data: The images.
        device: Where to train.
        seconds: Wall time at most, unless a few steps at the smallest batch size take longer.

    Returns:
        One entry for each optimizer, block and batch size; of batch sizes for which there was time.

    Raises:
        RuntimeError: A foreign optimizer has failed.
    """
    deadline = time.perf_counter() + seconds
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ExitStack() as processes:
            turns: dict[str, Turn] = {}
            for config in configs:
                start = partial(_apart, processes) if is_foreign(config.optimizer) else _new_turns
                turns[config.optimizer] = start(config, sources, data, device)
            return interleave(turns, seconds=deadline - time.perf_counter())
    finally:
        torch.set_num_threads(num_threads)


def interleave(
    turns: Mapping[str, Turn], *, seconds: float, clock: Callable[[], float] = time.perf_counter
) -> list[StepTiming]:
    """Give all optimizers their turns, block by block, until the time is up.

    Args:
        turns: How each optimizer takes steps, by name.
        seconds: Wall time, warming up included.
        clock: Seconds since any fixed moment.

    Returns:
        Whole blocks only, and only of batch sizes of which there are at least `FEWEST_BLOCKS`.
    """
    deadline = clock() + seconds
    costs = _costs(turns, deadline, clock)
    steps = plan(costs, deadline - clock())
    names = list(turns)
    timings: dict[int, list[StepTiming]] = {batch_size: [] for batch_size in steps}
    spent = dict.fromkeys(steps, 0.0)
    while spent:
        # Whatever has had the least time comes next: so all are spread over the whole time.
        batch_size = min(spent, key=lambda size: spent[size])
        start, num_steps = clock(), steps[batch_size]
        block = len(timings[batch_size]) // len(names)
        if block == MOST_BLOCKS or start + (1 + num_steps) * sum(costs[batch_size].values()) > deadline:
            del spent[batch_size]
            continue
        timings[batch_size] += [
            StepTiming(
                optimizer=name,
                block=block,
                batch_size=batch_size,
                steps=num_steps,
                seconds=turns[name](batch_size, 1 + num_steps),
            )
            for name in (names[::-1] if block % 2 else names)
        ]
        spent[batch_size] += clock() - start
    return [entry for own in timings.values() if len(own) >= FEWEST_BLOCKS * len(names) for entry in own]


def plan(costs: Mapping[int, Mapping[str, float]], seconds: float) -> dict[int, int]:
    """Choose batch sizes for which there is time, and how many steps of a turn are timed.

    Args:
        costs: Seconds per step of each optimizer by batch size.
        seconds: Wall time that is left.

    Returns:
        Steps by batch size: as few as fill `TURN_SECONDS` with the fastest optimizer.
    """
    steps = {size: math.ceil(TURN_SECONDS / min(costs[size].values())) for size in sorted(costs)}
    while steps:
        share = seconds / len(steps)
        if all(FEWEST_BLOCKS * (1 + number) * sum(costs[size].values()) <= share for size, number in steps.items()):
            break
        steps.popitem()
    return steps


def _costs(turns: Mapping[str, Turn], deadline: float, clock: Callable[[], float]) -> dict[int, dict[str, float]]:
    """Seconds per step of each optimizer by batch size, after warming up; of batch sizes for which there is time."""
    costs: dict[int, dict[str, float]] = {}
    for batch_size in BATCH_SIZES:
        if costs:
            smaller, known = list(costs.items())[-1]
            expected = sum(known.values()) * batch_size / smaller
            if clock() + FEWEST_STEPS * expected > deadline:
                break
        found: dict[str, float] = {}
        for name, turn in turns.items():
            if clock() >= deadline:
                return costs
            turn(batch_size, 2)
            start = clock()
            turn(batch_size, 3)
            found[name] = (clock() - start) / 3
        costs[batch_size] = found
    return costs


def _new_turns(config: TrialConfig, sources: Mapping[str, str], data: Dataset, device: torch.device | str) -> "_Turns":
    torch.set_num_threads(1)
    with stage("the import of its code and building it"):
        return _Turns(config, resolve_optimizer(config.optimizer, sources), data, device)


def _apart(
    processes: ExitStack, config: TrialConfig, sources: Mapping[str, str], data: Dataset, device: torch.device | str
) -> Turn:
    """Turns of a foreign optimizer in a process that ends with `processes`."""
    call = processes.enter_context(own_process(_new_turns, config, dict(sources), data, device, seconds=SECONDS))

    def turn(batch_size: int, num_steps: int) -> float:
        try:
            return float(call(batch_size, num_steps))
        except (RuntimeError, ValueError) as error:
            raise RuntimeError(f"optimizer {config.optimizer!r} has failed: {error}") from None

    return turn


class _Turns:
    """Turns of one optimizer, each from the same state."""

    def __init__(
        self, config: TrialConfig, optimizer_spec: OptimizerSpec, data: Dataset, device: torch.device | str
    ) -> None:
        self._training = Training(replace(config, batch_size=1, num_epochs=1), optimizer_spec, data, device)
        self._labels = as_tensor(data.train_labels).to(self._training.device).long()
        self._generator = torch.Generator().manual_seed(derive_seed(config.seeds[0], "batch_order/timing"))
        self._state = self._training.state_dict()

    def __call__(self, batch_size: int, num_steps: int) -> float:
        """See `Turn`."""
        with stage("a turn of its steps"):
            return self._time(batch_size, num_steps)

    def _time(self, batch_size: int, num_steps: int) -> float:
        training, num_replicates = self._training, self._training.model.num_replicates
        shape = (num_steps, batch_size, num_replicates)
        order = torch.randint(len(self._labels), shape, generator=self._generator).to(training.device)
        labels = self._labels[order].mT.contiguous()
        training.load_state_dict(self._state)
        training.step(order[0], labels[0])
        self._wait()
        start = time.perf_counter()
        for chosen, targets in zip(order[1:], labels[1:], strict=True):
            training.step(chosen, targets)
        self._wait()
        return time.perf_counter() - start

    def _wait(self) -> None:
        """A GPU works on after its orders have been given."""
        if self._training.device.type == "cuda":
            torch.cuda.synchronize(self._training.device)
