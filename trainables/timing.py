"""What a step of each optimizer costs: turns of all of them, interleaved in blocks, within a fixed time. No Ray.

Neighbouring turns share whatever slows the machine down for a while, and the order is reversed from block to block, so
a ratio of two optimizers within a block is free of slow changes.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from trainables.data import Dataset, as_tensor
from trainables.randomness import derive_seed
from trainables.spec import OptimizerSpec
from trainables.training import Training
from trainables.trial import TrialConfig

BATCH_SIZES = (32, 100, 500)

SECONDS = 24.0
"""Time for all turns. The rest of the half minute that a study spares is for the start of a worker."""

MOST_BLOCKS = 24
"""More would make turns shorter, not the median of blocks better."""

FEWEST_BLOCKS = 6
"""A batch size for which there is no time for so many is left out, the largest first."""

FEWEST_STEPS = 5 + 2 * FEWEST_BLOCKS
"""Steps of an optimizer that warming up and the fewest blocks take at one batch size."""

MOST_STEPS = 1000

MARGIN = 0.9
"""Share of the time that is planned; a machine that becomes slower than it was loses its last blocks."""

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
    optimizers: Mapping[str, OptimizerSpec],
    data: Dataset,
    device: torch.device | str = "cpu",
    *,
    seconds: float = SECONDS,
) -> list[StepTiming]:
    """Time forward pass, backward pass and update of several optimizers on one core or GPU.

    A batch is drawn from the training images with replacement, so it may be larger than there are images. Weights and
    the optimizer's state are the same at the start of every turn, so no turn leads into divergence.

    Args:
        configs: What to time, one for each optimizer; batch size and number of epochs mean nothing.
        optimizers: The optimizers by name.
        data: The images.
        device: Where to train.
        seconds: Wall time at most, unless a single step takes longer.

    Returns:
        One entry for each optimizer, block and batch size; of batch sizes for which there was time.
    """
    deadline = time.perf_counter() + seconds
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        turns: dict[str, Turn] = {
            config.optimizer: _Turns(config, optimizers[config.optimizer], data, device) for config in configs
        }
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
        Whole blocks only; nothing if a machine that became slower leaves fewer than `FEWEST_BLOCKS`.
    """
    start = clock()
    costs = _costs(turns, start + seconds, clock)
    num_blocks, steps = plan(costs, MARGIN * (start + seconds - clock()))
    names = list(turns)
    timings: list[StepTiming] = []
    slowest = {batch_size: (1 + steps[batch_size]) * max(costs[batch_size].values()) for batch_size in steps}
    for block in range(num_blocks):
        whole: list[StepTiming] = []
        for batch_size, num_steps in steps.items():
            for name in names[::-1] if block % 2 else names:
                if clock() + slowest[batch_size] > start + seconds:
                    return timings if block >= FEWEST_BLOCKS else []
                taken = turns[name](batch_size, 1 + num_steps)
                whole.append(
                    StepTiming(optimizer=name, block=block, batch_size=batch_size, steps=num_steps, seconds=taken)
                )
        timings += whole
    return timings


def plan(costs: Mapping[int, Mapping[str, float]], seconds: float) -> tuple[int, dict[int, int]]:
    """Share the time out among batch sizes and blocks.

    Args:
        costs: Seconds per step of each optimizer by batch size.
        seconds: Wall time that the blocks may take; the first step of every turn, which is not timed, included.

    Returns:
        Number of blocks, and the steps timed in each turn by batch size; none of either if there is time for nothing.
    """
    batch_sizes = sorted(costs)
    while batch_sizes:
        share = seconds / len(batch_sizes)
        rounds = {batch_size: sum(costs[batch_size].values()) for batch_size in batch_sizes}
        # The shortest turn has two steps, one of them not timed.
        num_blocks = min(MOST_BLOCKS, *(math.floor(share / (2 * one)) for one in rounds.values()))
        if num_blocks >= FEWEST_BLOCKS:
            return num_blocks, {
                batch_size: min(MOST_STEPS, math.floor(share / (num_blocks * rounds[batch_size])) - 1)
                for batch_size in batch_sizes
            }
        batch_sizes.pop()
    return 0, {}


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
            found[name] = turn(batch_size, 3) / 2
        costs[batch_size] = found
    return costs


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
